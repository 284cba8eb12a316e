"""Policies → the webhook configurations that register the server with the API server, and the RBAC that it needs.
---"""
