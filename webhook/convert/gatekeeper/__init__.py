"""Gatekeeper's dialects -> standard policies: templates in CEL, constraints, mutators, the public library by name."""
