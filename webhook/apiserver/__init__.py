"""The object's way in: what the API server makes of an object before policies see it. It knows nothing of policies."""
