"""Refusals that need no cluster: what the API server's validation says of metadata and of built-in kinds.

Each module holds the checks of one subject, on decoded and defaulted objects. What is not checked is left to the API
server: a check that is missing never refuses an object that it accepts.
"""
