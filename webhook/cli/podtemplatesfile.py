"""Where custom resources hold Pod templates: `pod-templates` of the repository's settings, or a YAML file of its own.

```yaml
podTemplates:                              # by PLURAL.GROUP
  rollouts.argoproj.io: spec.template
  pipelines.shop.example: ["spec.steps[*].template", spec.cleanup.template]
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    """The custom workloads that a settings file names, and its problems.

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


def of_templates(templates: Mapping[str, Any], wrong: Callable[[str, str], None]) -> CustomWorkloads:
    """The custom workloads of a mapping of PLURAL.GROUP to places. `wrong` is called with a key and its error."""
    return CustomWorkloads({name: _workload(name, places, wrong) for name, places in templates.items()})


def _workload(name: str, places: Any, wrong: Callable[[str, str], None]) -> CustomWorkload:
    plural, _, group = name.partition(".")
    if not plural or not group or name != name.lower():
        wrong(name, f"{name!r}: expected PLURAL.GROUP, such as rollouts.argoproj.io")
    given = places if isinstance(places, list) else [places]
    for each in given:
        try:
            parse_place(each if isinstance(each, str) else "")
        except ValueError as error:
            wrong(name, f"{name}: {error}")
    known = WELL_KNOWN.get(name)
    return CustomWorkload(
        tuple(each for each in given if isinstance(each, str)), known.controller if known is not None else None
    )


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
        return of_templates(templates, lambda name, message: self.wrong(("podTemplates", name), message))
