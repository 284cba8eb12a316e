"""Roll-out by evidence: reports that earlier runs wrote, the exceptions that what they found would need, and whether
exceptions are still needed."""
