"""Findings as report objects in a cluster: OpenReports and PolicyReports, which other tools read."""
