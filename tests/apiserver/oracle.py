"""Runs Kubernetes' own scheme on an object: see kubernetes/main.go."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from tests import goprograms

SOURCE = Path(__file__).parent / "kubernetes"

Step = Literal["decode", "default", "convert"]
"""How far an object goes: decoded; decoded and defaulted; then converted to the internal version and back."""


def ask(values: Iterable[Any], step: Step, program: Path | None = None) -> list[dict[str, Any]]:
    """For each value: `object`, as policies see it, `strict`, the errors of strict decoding, or `error`.

    The keys of objects are sorted, as kubectl sends them. program: of another version (tests.apiserver.minors).
    """
    questions = [{"text": json.dumps(value, sort_keys=True), "step": step} for value in values]
    return goprograms.answers(program or goprograms.built(SOURCE), questions)
