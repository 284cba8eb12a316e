"""Shared by tests of conversion: the sources written for them, and the conversion of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from webhook.convert import converting, sources
from webhook.convert.model import Outcome
from webhook.versions import NEWEST

SOURCES = Path(__file__).parent / "sources"
"""Foreign policies of our own, with their tests, a folder for each part of a dialect."""

POLICY = """\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  validationFailureAction: Enforce
  rules:
  - name: r
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    validate: {message: set a, pattern: {metadata: {labels: {a: b}}}}
"""
"""A policy `p` of Kyverno: a ConfigMap has the label `a: b`."""


def outcomes(tmp_path: Path, text: str) -> list[Outcome]:
    """What becomes of the policies in a text of YAML."""
    file = tmp_path / "source.yaml"
    file.write_text(text)
    return converting.convert(sources.read([str(file)]).documents, NEWEST).outcomes


def only(tmp_path: Path, text: str) -> Outcome:
    """What becomes of the one policy in a text."""
    (outcome,) = outcomes(tmp_path, text)
    return outcome


def expression(outcome: Outcome) -> str:
    """The expression of the one validation of the one policy that was made."""
    (policy,) = outcome.policies
    (validation,) = policy["spec"]["validations"]
    found: Any = validation["expression"]
    return str(found)
