"""Policies in Python: imported, declared by decorators, and run on requests."""
