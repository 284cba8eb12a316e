"""Policies in CEL: compiled, checked, and evaluated on requests."""
