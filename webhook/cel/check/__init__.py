"""Source text to checked syntax tree: the parser and checker, and what the API server refuses besides."""
