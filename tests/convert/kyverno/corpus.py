"""The documents of `documented/` and of `asked/` as policies of Kyverno with the requests that they are asked about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tests.convert.kyverno.given import whole
from tests.convert.kyverno.ours import Asked, Policy
from webhook.documents import syntax

HERE: Final = Path(__file__).parent
FOLDERS: Final = ("documented",)
_NAMED: Final = ("metadata.name", '"names"', '"name": "', "request.name", "generateName")
"""What a rule has in its text if the names of its objects count."""


class Given(Struct):
    """A document. wanted: for each request whether the rule fails. unnamed: whether names of objects do not count."""

    file: str
    document: dict[str, Any]
    policy: Policy
    requests: list[Asked]
    wanted: list[bool]

    @property
    def name(self) -> str:
        return f"{self.file}: {self.document['name']}"

    @property
    def unnamed(self) -> bool:
        text = json.dumps(self.document["rule"])
        return not any(each in text.replace('{"name": "', "") for each in _NAMED)


def documents(folders: tuple[str, ...] = FOLDERS) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every document, with the name of its file."""
    for folder in folders:
        for file in sorted((HERE / folder).glob("*.yaml")):
            yield from ((file.stem, root.value) for root in syntax.read_yaml(file.read_text()) if root.value)


def policy(given: dict[str, Any], name: str = "p") -> Policy:
    """The enforcing ClusterPolicy with the rule of a document."""
    match = {"any": [{"resources": {"kinds": [given.get("kind", "ConfigMap")]}}]}
    rule = {"name": "r", "match": match, **given["rule"]}
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name, "annotations": given.get("annotations", {})},
        "spec": {"validationFailureAction": "Enforce", **given.get("spec", {}), "rules": [rule]},
    }


def given() -> Iterator[Given]:
    """Every document with its requests."""
    for number, (file, document) in enumerate(documents()):
        found = Given(file, document, policy(document, f"d{number}"), [], [])
        kind = document.get("kind", "ConfigMap")
        for wanted, fails in (("pass", False), ("fail", True), ("stricter", False)):
            for value in document.get(wanted, []):
                found.requests.append(_request(value, kind))
                found.wanted.append(fails)
        yield found


def _request(value: dict[str, Any], kind: str) -> Asked:
    said = value.get("_", {})
    made = Asked(
        whole(value, kind), said.get("op", "CREATE"), user=said.get("user", {}), labels=said.get("nslabels", {})
    )
    if made.operation in ("UPDATE", "DELETE"):
        made.old = whole(said.get("old", value), kind)
    made.params = said.get("params")
    for key, data in ((made.params or {}).get("data") or {}).items():
        made.values[f"cm.data.{key}"] = data
    return made
