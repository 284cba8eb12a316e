"""From the policies of a tree to what the API server is to ask about: webhook configurations."""
