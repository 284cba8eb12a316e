"""The manifests of policies and bindings: their models, and the validation that the API server does at creation."""
