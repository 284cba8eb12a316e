"""The syntax tree of an expression, its types, macros, source spans and errors."""
