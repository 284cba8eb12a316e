"""The costs of an evaluation in the API server, and the limits of an evaluation in this process."""
