"""The policy library: what is in it, what each policy says of itself, and its way into a policy tree.

A library is a folder with a folder for each policy (docs/library.md). The one that ships is found here; the rooms that
load and run policies know nothing of it.
"""
