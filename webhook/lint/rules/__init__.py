"""The rules: each module has RULES, and a function `check` that yields their alarms."""
