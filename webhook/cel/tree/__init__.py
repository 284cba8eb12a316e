"""What an expression is made of: its syntax tree, types, macros, the places of its parts, its errors."""
