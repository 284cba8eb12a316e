"""The file of `--gate`: what is demanded of scores, by environment (webhook.cli.report.scores has the formula).

```yaml
environments:                 # the first one that lists a namespace applies to it
- name: production
  namespaces: [shop, "prod-*"]
  score: 90                   # the least value
  vetoes:
  - severities: [critical]
- name: everything else
  namespaces: ["*"]
  score: 60
cluster: {score: 75}          # of all objects together
vetoes:                       # anywhere
- name: open to the node
  policies: [no-host-path, "no-host-*"]
  levels: [deny]
weights: {high: 50}           # points that a violated policy takes from an object; others keep theirs
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from webhook.cli.report.scores import FULL, WEIGHTS, Environment, Gate, Named, Threshold, Veto
from webhook.documents import files
from webhook.documents.document import Document, Problem
from webhook.documents.reader import parse
from webhook.nearest import nearest
from webhook.paths import Path as ObjectPath
from webhook.paths import render

LEVELS: Final = ("deny", "warn", "audit")
_KEYS: Final = ("environments", "cluster", "vetoes", "weights")
_OF_ENVIRONMENT: Final = ("name", "namespaces", "score", "vetoes")
_OF_CLUSTER: Final = ("score", "vetoes")
_OF_VETO: Final = ("name", "policies", "severities", "levels")


def read(file: Path) -> tuple[Gate, list[Problem]]:
    """The gate of a file, and its problems. With problems, the gate must not be used."""
    name = str(file)
    try:
        content = files.content_of(file, None)
    except OSError as error:
        return Gate(name), [Problem(name, None, None, files.reason(error))]
    documents, problems = parse(content, name)
    if problems:
        return Gate(name), problems
    if len(documents) != 1:
        return Gate(name), [Problem(name, None, None, f"expected one document, found {len(documents)}")]
    found = _Reader(documents[0])
    gate = found.gate(name)
    if not found.problems and not gate.environments and not gate.vetoes and gate.cluster == Threshold("cluster"):
        found.wrong((), f"demands nothing: expected {_listed(_KEYS[:3])}")
    return gate, found.problems


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []
        self._named: list[Named] = []

    def wrong(self, path: ObjectPath, message: str) -> None:
        self.problems.append(self._document.problem(path, message))

    def gate(self, name: str) -> Gate:
        value = self._mapping(self._document.value, (), _KEYS)
        environments = tuple(
            self._environment(each, ("environments", index))
            for index, each in enumerate(self._list(value.get("environments"), ("environments",)))
        )
        seen: set[str] = set()
        for index, each in enumerate(environments):
            called = each.threshold.environment
            if called and called in seen:
                self.wrong(("environments", index, "name"), f"environments[{index}].name: {called!r} already exists")
            seen.add(called)
        cluster = self._mapping(value.get("cluster"), ("cluster",), _OF_CLUSTER)
        return Gate(
            name,
            self._weights(value.get("weights")),
            self._vetoes(value.get("vetoes"), ("vetoes",)),
            environments,
            Threshold(
                "cluster",
                self._score(cluster, ("cluster",)),
                self._vetoes(cluster.get("vetoes"), ("cluster", "vetoes")),
            ),
            tuple(self._named),
        )

    def _environment(self, given: Any, path: ObjectPath) -> Environment:
        value = self._mapping(given, path, _OF_ENVIRONMENT, needed=("name", "namespaces"))
        called = value.get("name", "")
        if not isinstance(called, str):
            self.wrong((*path, "name"), f"{render((*path, 'name'))}: expected text")
            called = ""
        threshold = Threshold(called, self._score(value, path), self._vetoes(value.get("vetoes"), (*path, "vetoes")))
        return Environment(self._texts(value.get("namespaces"), (*path, "namespaces")), threshold)

    def _vetoes(self, given: Any, path: ObjectPath) -> tuple[Veto, ...]:
        return tuple(self._veto(each, (*path, index)) for index, each in enumerate(self._list(given, path)))

    def _veto(self, given: Any, path: ObjectPath) -> Veto:
        value = self._mapping(given, path, _OF_VETO)
        policies, severities, levels = (
            self._texts(value.get("policies"), (*path, "policies")),
            self._texts(value.get("severities"), (*path, "severities"), tuple(WEIGHTS)),
            self._texts(value.get("levels"), (*path, "levels"), LEVELS),
        )
        for index, text in enumerate(policies):
            field = (*path, "policies", index)
            self._named.append(Named(text, self._document.problem(field, render(field))))
        if isinstance(given, dict) and not any(given.get(key) for key in _OF_VETO[1:]):
            self.wrong(path, f"{render(path)}: expected {_listed(_OF_VETO[1:])}")
        called = value.get("name", " ".join((*policies, *severities, *levels)))
        if not isinstance(called, str):
            self.wrong((*path, "name"), f"{render((*path, 'name'))}: expected text")
            called = ""
        return Veto(called, policies, severities, levels)

    def _weights(self, given: Any) -> dict[str, int]:
        value = self._mapping(given, ("weights",), tuple(WEIGHTS))
        return {
            **WEIGHTS,
            **{key: self._number(each, ("weights", key)) for key, each in value.items() if key in WEIGHTS},
        }

    def _score(self, value: dict[str, Any], path: ObjectPath) -> int | None:
        return None if value.get("score") is None else self._number(value["score"], (*path, "score"))

    def _number(self, given: Any, path: ObjectPath) -> int:
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= FULL:
            return given
        self.wrong(path, f"{render(path)}: expected a whole number from 0 to {FULL}")
        return 0

    def _mapping(
        self, given: Any, path: ObjectPath, known: tuple[str, ...], needed: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        if given is None and path and not needed:
            return {}
        if not isinstance(given, dict):
            self.wrong(path, f"{_named(path)}expected a mapping with {_listed(known)}")
            return {}
        for key in given:
            if key not in known:
                close = nearest(str(key), known)
                meant = f"did you mean {close}?" if close else f"there is {', '.join(known)}"
                self.wrong((*path, key), f"{_named(path)}unknown key {key!r}; {meant}")
        for key in needed:
            if not given.get(key):
                self.wrong(path, f"{_named(path)}{key} is missing")
        return given

    def _list(self, given: Any, path: ObjectPath) -> list[Any]:
        if given is None:
            return []
        if isinstance(given, list):
            return given
        self.wrong(path, f"{render(path)}: expected a list")
        return []

    def _texts(self, given: Any, path: ObjectPath, known: tuple[str, ...] = ()) -> tuple[str, ...]:
        found: list[str] = []
        for index, each in enumerate(self._list(given, path)):
            if not isinstance(each, str) or not each:
                self.wrong((*path, index), f"{render((*path, index))}: expected text")
            elif known and each not in known:
                close = nearest(each, known)
                meant = f"; did you mean {close}?" if close else ""
                self.wrong((*path, index), f"{render((*path, index))}: expected {_listed(known)}, got {each!r}{meant}")
            else:
                found.append(each)
        return tuple(found)


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _named(path: ObjectPath) -> str:
    return f"{render(path)}: " if path else ""
