"""What a policy may look up. Knows nothing of policies."""
