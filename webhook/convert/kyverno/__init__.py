"""Kyverno's dialects -> standard policies: patterns, conditions, JMESPath, mutations, the kinds in CEL."""
