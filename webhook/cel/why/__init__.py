"""Explains the value of an expression: the values of its sub-expressions, and its witnesses in the object."""
