"""Objects that the API server refuses: the changes of a valid object, and the texts of the errors.

Each file of the folder `refused` has the cases of one module. Its texts are those of Kubernetes' own strategies, which
test_against_kubernetes asks for them again.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from webhook.apiserver import decoding, encoding
from webhook.apiserver.conversion import convert
from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.validation import kinds
from webhook.schema import Kinds

Object = dict[str, Any]
FOLDER = Path(__file__).parent / "refused"


@dataclass(frozen=True, slots=True)
class Case:
    """name: what is wrong. manifest: as it is sent; old: the one that it replaces, of an update. refused: the texts."""

    name: str
    manifest: Object
    old: Object | None
    refused: list[str]


def cases(module: str) -> list[Case]:
    """The cases of a module."""
    found = []
    for each in yaml.load((FOLDER / f"{module}.yaml").read_bytes(), Loader=yaml.CSafeLoader):
        base = sound()[each["of"]]
        old = changed(base, each["before"]) if "before" in each else None
        found.append(Case(each["case"], changed(base, each["change"]), old, each["refused"]))
    return found


def changed(manifest: Object, change: Object) -> Object:
    """A manifest with other values at some paths, such as spec.containers.0.image; null takes one away."""
    made = copy.deepcopy(manifest)
    for path, value in change.items():
        *parents, last = path.split(".")
        here: Any = made
        for step in parents:
            here = here[int(step)] if isinstance(here, list) else here.setdefault(step, {})
        if isinstance(here, list):
            here[int(last) : int(last) + 1] = [] if value is None else [copy.deepcopy(value)]
        elif value is None:
            here.pop(last, None)
        else:
            here[last] = copy.deepcopy(value)
    return made


def prepared(manifest: Object) -> Object:
    """The object that the API server makes of a manifest."""
    decoded = decoding.decode_builtin(copy.deepcopy(manifest))
    assert decoded is not None
    set_defaults(decoded.object, manifest["apiVersion"], manifest["kind"])
    convert(decoded.object, manifest["apiVersion"], manifest["kind"])
    return encoding.encode_builtin(decoded.object)


def check(case: Case) -> None:
    """The case is refused as it says."""
    assert refusals(case.manifest, case.old) == case.refused


def refusals(manifest: Object, old: Object | None = None) -> list[str]:
    """The texts of what is refused of a manifest."""
    resource = Kinds.builtin().for_kind(manifest["apiVersion"], manifest["kind"])
    assert resource is not None
    before = prepared(old) if old is not None else None
    found = kinds.refusals(prepared(manifest), namespaced=resource.namespaced, old=before)
    return [error.text for error in found]


@cache
def sound() -> dict[str, Object]:
    """Objects with which nothing is wrong, by kind."""
    return {each["kind"]: each for each in yaml.load_all((FOLDER / "sound.yaml").read_bytes(), Loader=yaml.CSafeLoader)}
