"""Checked syntax tree to Python functions, and what these functions call."""
