"""Manifests to the requests that applying them would send, and the verdicts on these."""
