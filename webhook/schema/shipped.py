"""The shipped OpenAPI schemas of the built-in kinds, which `python -m webhook.schema.generate` writes.

`index.json` lists the kinds. Each other file holds the definitions of one Go package and is loaded on demand:
`io.k8s.api.apps.v1.json` has `Deployment`, whose Pod template refers to a definition in `io.k8s.api.core.v1.json`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

FOLDER: Final = Path(__file__).parent / "kubernetes"
INDEX: Final = "index.json"
REFERENCE: Final = "#/components/schemas/"
"""The prefix of references in OpenAPI documents. The shipped files omit it."""


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
    """The definition of a name such as `io.k8s.api.apps.v1.Deployment`; None if there is none. Do not modify it."""
    package, _, short = name.rpartition(".")
    found: dict[str, Any] | None = _package(package).get(short)
    return found
