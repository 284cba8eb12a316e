"""The cases of this folder: a policy, a manifest that it refuses, and the line that a person would point at.

Each `*.yaml` file is a list of cases of one family. A case has these fields, all but the first three optional:

    name         says what is wrong, and what is special about the place
    manifest     the text of a file; the place is marked by `# <-- here` at the end of its line
    validations  as in a ValidatingAdmissionPolicy
    resources    what the policy is for, `VERSION/RESOURCE` or `GROUP/VERSION/RESOURCE`; Pods by default
    operations   of matchConstraints, CREATE and UPDATE by default
    variables    name -> expression, in this order
    matchConditions
    params       the object that the binding names, as parsed YAML; or several, which it selects
    beside       other objects in the policy tree, as a YAML text: CustomResourceDefinitions, Namespaces
    file         the manifest's name, `manifest.yaml` by default
    options      more options of `gatewright check`

Marks are taken out before the manifest is written, so that JSON can have them as well. A case expects one finding for
each `# <-- here`; where two lines are equally right for one finding, the other has `# <-- or here`.

Where a person points:

- at the value that is wrong; in a list, at the item; at the list's own line if no item is worse than the others;
- where a field is missing, at the innermost mapping that is there and lacks it: the container's first line, not
  the Pod's, for a container without `resources`;
- never at what only decided that the rule applies: kind, operation, operating system, the name of a container;
- at the first of several values that are wrong in the same way;
- of two fields that contradict each other at either, unless the message is about one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).parent

_MARK: Final = re.compile(r"[ \t]*# <-- (?P<other>or )?here[ \t]*$")
_FIELDS: Final = {
    "name",
    "manifest",
    "validations",
    "resources",
    "operations",
    "variables",
    "matchConditions",
    "params",
    "beside",
    "file",
    "options",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One policy and manifest. `lines` are the manifest's, without marks; `expected` and `others` count from 1."""

    name: str
    family: str
    policy: str
    beside: str
    file: str
    lines: tuple[str, ...]
    expected: tuple[int, ...]
    others: tuple[int, ...]
    options: tuple[str, ...] = field(default=())

    def line(self, number: int) -> str:
        """A line of the manifest as a report quotes it."""
        return (
            f"{number}: {self.lines[number - 1].strip()}" if 0 < number <= len(self.lines) else f"{number}: (no line)"
        )


def cases() -> Iterator[Case]:
    """All cases, by file and in the order of each file. ValueError: a case is malformed."""
    for file in sorted(FOLDER.glob("*.yaml")):
        for given in yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader):
            yield _case(file.stem, given)


def _case(family: str, given: dict[str, Any]) -> Case:
    name = f"{family}: {given['name']}"
    if unknown := given.keys() - _FIELDS:
        raise ValueError(f"{name}: unknown fields {', '.join(sorted(unknown))}")
    lines, expected, others = _unmarked(given["manifest"])
    if not expected or (others and len(expected) != 1):
        raise ValueError(f"{name}: expected one `# <-- here` or more, and `# <-- or here` only beside a single one")
    return Case(
        name=name,
        family=family,
        policy=yaml.dump_all(_policy(given), Dumper=yaml.CSafeDumper, sort_keys=False),
        beside=given.get("beside", ""),
        file=given.get("file", "manifest.yaml"),
        lines=tuple(lines),
        expected=tuple(expected),
        others=tuple(others),
        options=tuple(given.get("options", ())),
    )


def _unmarked(manifest: str) -> tuple[list[str], list[int], list[int]]:
    lines: list[str] = []
    expected: list[int] = []
    others: list[int] = []
    for number, line in enumerate(manifest.splitlines(), 1):
        mark = _MARK.search(line)
        if mark:
            (others if mark["other"] else expected).append(number)
        lines.append(line[: mark.start()] if mark else line)
    return lines, expected, others


def _policy(given: dict[str, Any]) -> list[dict[str, Any]]:
    """The policy, its binding, and the params that this names."""
    spec: dict[str, Any] = {
        "matchConstraints": {
            "resourceRules": [
                _rule(resource, given.get("operations", ["CREATE", "UPDATE"]))
                for resource in given.get("resources", ["v1/pods"])
            ]
        },
        "validations": given["validations"],
    }
    if "variables" in given:
        spec["variables"] = [{"name": name, "expression": text} for name, text in given["variables"].items()]
    if "matchConditions" in given:
        spec["matchConditions"] = given["matchConditions"]
    binding: dict[str, Any] = {"policyName": "checked", "validationActions": ["Deny"]}
    objects: list[dict[str, Any]] = []
    if "params" in given:
        several = isinstance(given["params"], list)
        objects = given["params"] if several else [given["params"]]
        first = objects[0]
        spec["paramKind"] = {"apiVersion": first["apiVersion"], "kind": first["kind"]}
        named = {"namespace": first["metadata"]["namespace"], "selector": {}} if several else first["metadata"]
        binding["paramRef"] = {**named, "parameterNotFoundAction": "Deny"}
    api = "admissionregistration.k8s.io/v1"
    metadata = {"name": "checked"}
    return [
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": spec},
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {**metadata}, "spec": binding},
        *objects,
    ]


def _rule(resource: str, operations: list[str]) -> dict[str, Any]:
    group, version, plural = resource.rsplit("/", 2) if resource.count("/") == 2 else ("", *resource.split("/"))
    return {"apiGroups": [group], "apiVersions": [version], "operations": operations, "resources": [plural]}
