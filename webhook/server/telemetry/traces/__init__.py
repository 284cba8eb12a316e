"""Traces of reviews: which are traced, what a span holds, and the process that exports spans by OTLP.

The server's own process neither imports OpenTelemetry nor speaks to a collector: it makes a small record of a review
that is traced, and sends it to the exporter's process (docs/decisions/033-sight.md).
"""
