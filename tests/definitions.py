"""CustomResourceDefinitions as text, with a schema that the test gives."""

from __future__ import annotations

from textwrap import dedent, indent


def definition(kind: str, plural: str, schema: str, group: str = "example.com") -> str:
    """A definition of a namespaced kind in v1. schema: the lines of its openAPIV3Schema, which begin in line 14."""
    return f"""\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  names: {{kind: {kind}, plural: {plural}, singular: {kind.lower()}, listKind: {kind}List}}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
{indent(dedent(schema), " " * 8)}"""
