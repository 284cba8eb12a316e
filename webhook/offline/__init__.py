"""Manifests → the requests that applying them would send → the verdicts on these requests."""
