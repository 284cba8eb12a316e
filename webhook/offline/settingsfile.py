"""The settings file of `check` and `explain`: what is true of a repository, and not of one run.

```yaml
podTemplates:                              # where custom resources hold Pod templates, by PLURAL.GROUP
  rollouts.argoproj.io: spec.template
  pipelines.shop.example: ["spec.steps[*].template", spec.cleanup.template]
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from webhook.documents import files
from webhook.documents.document import Document, Problem
from webhook.documents.reader import parse
from webhook.offline.customworkloads import NO_MORE, WELL_KNOWN, CustomWorkload, CustomWorkloads, parse_place
from webhook.paths import Path as ObjectPath

DEFAULT: Final = "gatewright.yaml"
_KEYS: Final = ("podTemplates",)


def read(file: Path | None) -> tuple[CustomWorkloads, list[Problem]]:
    """The custom workloads that a settings file names, and what is wrong with it.

    file: None for gatewright.yaml in the current folder, which need not be there.
    """
    path = file if file is not None else Path(DEFAULT)
    try:
        content = files.content_of(path, None)
    except FileNotFoundError as error:
        return NO_MORE, [] if file is None else [Problem(str(path), None, None, files.reason(error))]
    except OSError as error:
        return NO_MORE, [Problem(str(path), None, None, files.reason(error))]
    documents, problems = parse(content, str(path))
    if problems or not documents:
        return NO_MORE, problems
    found = _Settings(documents[0])
    if len(documents) > 1:
        found.wrong((), "expected one document")
    return found.workloads(), found.problems


class _Settings:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []

    def wrong(self, path: ObjectPath, message: str) -> None:
        self.problems.append(self._document.problem(path, message))

    def workloads(self) -> CustomWorkloads:
        value = self._document.value
        if not isinstance(value, dict):
            self.wrong((), f"expected a mapping with {' and '.join(_KEYS)}")
            return NO_MORE
        for key in value:
            if key not in _KEYS:
                self.wrong((key,), f"unknown setting {key!r}; there is {', '.join(_KEYS)}")
        templates = value.get("podTemplates") or {}
        if not isinstance(templates, dict):
            self.wrong(("podTemplates",), "podTemplates: expected a mapping of PLURAL.GROUP to a path of fields")
            return NO_MORE
        return CustomWorkloads({name: self._workload(name, places) for name, places in templates.items()})

    def _workload(self, name: str, places: Any) -> CustomWorkload:
        path = ("podTemplates", name)
        plural, _, group = name.partition(".")
        if not plural or not group or name != name.lower():
            self.wrong(path, f"{name!r}: expected PLURAL.GROUP, such as rollouts.argoproj.io")
        given = places if isinstance(places, list) else [places]
        for each in given:
            try:
                parse_place(each if isinstance(each, str) else "")
            except ValueError as error:
                self.wrong(path, f"{name}: {error}")
        known = WELL_KNOWN.get(name)
        return CustomWorkload(
            tuple(each for each in given if isinstance(each, str)), known.controller if known is not None else None
        )
