"""Source text → checked syntax tree: the parser, the checker, and the API server's further checks."""
