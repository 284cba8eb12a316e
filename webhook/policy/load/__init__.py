"""Loads a policy tree from disk: the result is a PolicySet, or all errors in the tree."""
