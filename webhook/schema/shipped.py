"""The OpenAPI schemas of Kubernetes' own kinds, as `python -m webhook.schema.generate` wrote them.

`index.json` says what kinds there are; each other file holds the definitions of one Go package, read when it is asked
for: `io.k8s.api.apps.v1.json` has `Deployment`, whose Pod template is a reference into `io.k8s.api.core.v1.json`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

FOLDER: Final = Path(__file__).parent / "kubernetes"
INDEX: Final = "index.json"
REFERENCE: Final = "#/components/schemas/"
"""What references in OpenAPI documents begin with; the files leave it out."""


@cache
def index() -> dict[str, Any]:
    """`release`; `kinds`: apiVersion -> kind -> definition; `resources`: apiVersion -> kind -> [plural, namespaced]."""
    found: dict[str, Any] = orjson.loads((FOLDER / INDEX).read_bytes())
    return found


@cache
def _package(name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads((FOLDER / f"{name}.json").read_bytes())
    except FileNotFoundError:
        return {}
    return found


def definition(name: str) -> dict[str, Any] | None:
    """The definition `io.k8s.api.apps.v1.Deployment`, None if there is none. Not to be changed."""
    package, _, short = name.rpartition(".")
    found: dict[str, Any] | None = _package(package).get(short)
    return found
