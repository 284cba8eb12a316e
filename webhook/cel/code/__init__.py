"""Checked syntax trees → Python functions, and the runtime that these functions call."""
