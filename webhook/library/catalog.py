"""The policies of a library: reads one folder for each, and compiles nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from webhook.documents import reader
from webhook.documents.reader import Problem
from webhook.library import metadata
from webhook.library.metadata import Control, Metadata
from webhook.nearest import nearest
from webhook.policy.load.loading import PolicyTreeError, load
from webhook.policy.load.treefiles import VARIANTS
from webhook.policy.written.policykinds import MUTATING, VALIDATING

BINDING: Final = "binding.yaml"
PARAMS: Final = "params.yaml"
README: Final = "README.md"
ACTIONS: Final = ("deny", "warn", "audit", "mutate")
"""The names of bindings, as in `_binding.warn.yaml`."""

CEL: Final = "policy.yaml"
"""The file with a policy in CEL."""

_PYTHON = "policy.py"
_SHIPPED = Path(__file__).parent / "policies"
_CHECKED_OUT = Path(__file__).parents[2] / "policies"


class LibraryError(ValueError):
    """A library or one of its policies cannot be read. `problems`: the reasons, each with its file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(map(str, self.problems)))


class UnknownPolicy(ValueError):
    """The library has no policy of this name. The text names the nearest one."""


class Entry(Struct, frozen=True):
    """A policy of a library. `kinds`: ValidatingAdmissionPolicy, MutatingAdmissionPolicy, or both.

    `actions`: the members of ACTIONS for which it has a binding. `problems`: what is wrong with its metadata.
    """

    name: str
    folder: Path
    language: str
    kinds: tuple[str, ...]
    actions: tuple[str, ...]
    metadata: Metadata
    problems: tuple[str, ...]

    @property
    def validating(self) -> bool:
        return VALIDATING in self.kinds

    @property
    def has_params(self) -> bool:
        return (self.folder / PARAMS).is_file()


def shipped() -> Path:
    """The library that came with this installation."""
    return _SHIPPED if _SHIPPED.is_dir() else _CHECKED_OUT


def entries(library: Path) -> list[Entry]:
    """The policies of a library, by name. Raises LibraryError, also if there are none."""
    if not library.is_dir():
        raise LibraryError([Problem(str(library), None, None, "no such folder; expected a library of policies")])
    folders = [each for each in sorted(library.iterdir()) if each.is_dir() and not each.name.startswith((".", "_"))]
    found, problems = [], []
    for folder in folders:
        if any((folder / file).is_file() for file in (CEL, _PYTHON)):
            try:
                found.append(entry(folder))
            except LibraryError as error:
                problems += error.problems
    if not found and not problems:
        message = f"has no policies; expected folders with {CEL} or {_PYTHON}"
        problems.append(Problem(str(library), None, None, message))
    if problems:
        raise LibraryError(problems)
    return found


def entry(folder: Path) -> Entry:
    """The policy of a folder. Raises LibraryError."""
    python = (folder / _PYTHON).is_file()
    kinds, annotations = _python(folder / _PYTHON) if python else _cel(folder / CEL)
    read, problems = metadata.read(annotations)
    return Entry(
        name=folder.name,
        folder=folder,
        language="Python" if python else "CEL",
        kinds=kinds,
        actions=tuple(action for action in ACTIONS if binding(folder, action) is not None),
        metadata=read,
        problems=tuple(problems),
    )


def binding(folder: Path, action: str) -> Path | None:
    """The file with the binding for one of ACTIONS: a variant, or the binding that is in force; None without either."""
    variant = folder / f"{VARIANTS}{action}.yaml"
    if variant.is_file():
        return variant
    bound = folder / BINDING
    return bound if bound.is_file() and action_of(bound) == action else None


def action_of(file: Path) -> str:
    """The strictest of ACTIONS among the bindings of a file; "" if the file has no binding."""
    documents, _ = reader.read([str(file)])
    found: set[str] = set()
    for document in documents:
        value: Any = document.value
        if value["kind"] == f"{MUTATING}Binding":
            found.add("mutate")
        elif value["kind"] == f"{VALIDATING}Binding":
            found.update(str(each).lower() for each in (value.get("spec") or {}).get("validationActions") or ())
    return next((action for action in ACTIONS if action in found), "")


def selected(
    among: Iterable[Entry], *, controls: Iterable[str] = (), severity: str = "", categories: Iterable[str] = ()
) -> Iterator[Entry]:
    """The policies with one of the controls, one of the categories, and at least the severity. An empty argument does
    not filter.

    controls: a framework (`PCI-DSS`), a control of it (`CIS 5.2.4`), or the beginning of its number (`CIS 5.2`). Raises
    ValueError for a control of no framework.
    """
    wanted = [_control(text) for text in controls]
    categories = set(categories)
    least = metadata.SEVERITIES.index(severity) if severity else 0
    for each in among:
        about = each.metadata
        if wanted and not any(_covers(control, own) for control in wanted for own in about.controls):
            continue
        if categories and about.category not in categories:
            continue
        if severity and (about.severity not in metadata.SEVERITIES[least:]):
            continue
        yield each


def named(among: Iterable[Entry], names: Iterable[str]) -> list[Entry]:
    """The policies with these names, in the order of the names. Raises UnknownPolicy."""
    known = {each.name: each for each in among}
    found = []
    for name in names:
        if name not in known:
            meant = nearest(name, known)
            advice = f"did you mean {meant}?" if meant else "`gatewright policies list` shows them"
            raise UnknownPolicy(f"there is no policy {name!r} in the library; {advice}")
        found.append(known[name])
    return list(dict.fromkeys(found))


def _control(text: str) -> Control:
    framework, _, number = text.strip().partition(" ")
    known = {each.lower(): each for each in metadata.FRAMEWORKS}
    if framework.lower() not in known:
        begun = (each for name, each in known.items() if framework and name.startswith(framework.lower()))
        meant = next(begun, None) or nearest(framework, known.values())
        advice = f"did you mean {meant}?" if meant else f"expected one of {', '.join(known.values())}"
        raise ValueError(f"{framework!r} is no framework; {advice}")
    return Control(known[framework.lower()], " ".join(number.split()))


def _covers(wanted: Control, own: Control) -> bool:
    """Whether a control is the wanted one or a part of it: 5.2.4 is a part of 5.2, AC-2(1) of AC-2."""
    if wanted.framework != own.framework or not own.number.lower().startswith(wanted.number.lower()):
        return False
    return not wanted.number or not own.number[len(wanted.number) :][:1].isalnum()


def _cel(file: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    documents, problems = reader.read([str(file)])
    values: list[Any] = [document.value for document in documents]
    policies = [value for value in values if value["kind"] in (VALIDATING, MUTATING)]
    if not problems and len(policies) != 1:
        problems = [Problem(str(file), None, None, f"expected one policy, found {len(policies)}")]
    if problems:
        raise LibraryError(problems)
    annotations = (policies[0].get("metadata") or {}).get("annotations") or {}
    return (policies[0]["kind"],), {key: value for key, value in annotations.items() if isinstance(value, str)}


def _python(file: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    try:
        policies = load(file).policies
    except PolicyTreeError as error:
        raise LibraryError(error.problems) from None
    annotations: dict[str, str] = {}
    for policy in policies:
        annotations |= policy.annotations
    return tuple(policy.kind for policy in policies), annotations
