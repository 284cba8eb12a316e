"""The API server's audit log: its files, and what policies and webhooks have noted in its events."""
