"""Revisions of a git repository: which commit a name is, and its files, laid out in a folder of their own.

The work tree, the index and the refs are only read. Nothing here knows manifests or policies.
"""
