"""The policy library: what is in it, what each policy says of itself, and its way into a policy tree.

A library is a folder with a folder for each policy (docs/library.md). This package finds the shipped library. The
packages that load and run policies do not depend on it.
"""
