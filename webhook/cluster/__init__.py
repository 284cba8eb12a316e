"""The cluster that policies look objects up in: the ClusterView protocol, its live cache, and one made of manifests.

Nothing here knows about policies: callers pass the kinds to cache (lookups.Lookups).
"""
