"""Foreign policies (Kyverno, Gatekeeper) -> standard ones, with their tests, and what differs or could not be converted."""
