"""Foreign policies (Kyverno, Gatekeeper) -> standard ones with their tests, what differs, what is not converted."""
