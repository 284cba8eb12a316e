"""Chainsaw tests: the operations that send objects, and those that assert them. Source: the documentation of Chainsaw,
"Operations".

An object that is sent must be allowed by every policy that the test applied before, or denied by one, if the operation
expects an error. An `assert` on an object is compared with what mutation makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as PathOfFile
from typing import Any, Final

from msgspec import Struct, field

from webhook.convert.converting import GROUPS
from webhook.convert.foreigntests import files
from webhook.convert.foreigntests.chainbindings import Unbound, bound, defined
from webhook.convert.foreigntests.chainexpressions import expects_error, has_expressions
from webhook.convert.foreigntests.chains import mutating
from webhook.convert.foreigntests.expected import Expected
from webhook.convert.foreigntests.files import NoFile
from webhook.convert.model import JSONObject, Note, Outcome
from webhook.documents.reader import Document
from webhook.paths import Path
from webhook.schema.kinds import Kinds
from webhook.versions import NEWEST

_SENDS: Final = ("apply", "create", "update", "patch")
_LOOKS: Final = ("assert", "error")
_KNOWN: Final = (*_SENDS, *_LOOKS, "delete")
_QUIET: Final = frozenset({"sleep", "wait", "describe", "events", "get", "podLogs"})
"""Operations that are passed over: they wait, or collect what a person reads when a test fails."""
_ACTIONS: Final = frozenset(
    {"validationFailureAction", "failureAction", "validationActions", "background", "admission"}
)
_NAMESPACE: Final = "chainsaw"
"""The namespace of objects that name none. Chainsaw creates a namespace with a generated name for each test."""

Identity = tuple[str, str, str, str]


def expected(test: Document, outcomes: list[Outcome], roots: list[str], notes: list[Note]) -> list[Expected]:
    """The expectations of a test. Operations that cannot be run become notes."""
    spec = test.value.get("spec") or {}
    if spec.get("skip"):
        notes.append(Note(test.stream, test.position(("spec", "skip")).line, "the chainsaw test skips itself"))
        return []
    run = _Run(test, outcomes, roots, notes, str(spec.get("namespace") or _NAMESPACE))
    run.bindings = {"namespace": run.namespace} | defined(spec.get("bindings"), {})
    if spec.get("scenarios"):
        run.note(("spec", "scenarios"), "scenarios of a chainsaw test: it is run once, without their bindings")
    for number, step in enumerate(spec.get("steps") or []):
        if isinstance(step, dict):
            run.step(step, ("spec", "steps", number))
    return run.found


def looked_at(tests: Iterable[Document], roots: list[str]) -> set[PathOfFile]:
    """The files that tests only compare with objects. A policy in such a file is partial, and not a source."""
    looked: set[PathOfFile] = set()
    sent: set[PathOfFile] = set()
    for test in tests:
        spec = test.value.get("spec")
        steps = spec.get("steps") if isinstance(spec, dict) else None
        for step in steps if isinstance(steps, list) else []:
            operations = step.get("try") if isinstance(step, dict) else None
            for operation in operations if isinstance(operations, list) else []:
                for kind, action in operation.items() if isinstance(operation, dict) else ():
                    if not isinstance(action, dict) or not isinstance(action.get("file"), str):
                        continue
                    within = looked if kind in (*_LOOKS, "patch", "update", "delete") else sent
                    try:
                        within |= {
                            PathOfFile(each.stream).resolve() for each in files.matching(test, action["file"], roots)
                        }
                    except NoFile:
                        continue
    return looked - sent


class _Run(Struct):
    """The state of a test while its operations are processed in order."""

    test: Document
    outcomes: list[Outcome]
    roots: list[str]
    notes: list[Note]
    namespace: str
    bindings: dict[str, Any] = field(default_factory=dict)
    found: list[Expected] = field(default_factory=list)
    applied: list[Outcome] = field(default_factory=list)
    enforced: set[int] = field(default_factory=set)  # ids of outcomes whose action the test makes Enforce
    exceptions: list[Document] = field(default_factory=list)
    objects: dict[Identity, JSONObject] = field(default_factory=dict)
    about: dict[Identity, list[Expected]] = field(default_factory=dict)
    """The expectations of the last operation on an object."""

    def note(self, path: Path, message: str) -> None:
        self.notes.append(Note(self.test.stream, self.test.position(path).line, message))

    def step(self, step: JSONObject, at: Path) -> None:
        """Process a step. Its bindings apply within it."""
        outer = self.bindings
        self.bindings = outer | defined(step.get("bindings"), outer)
        if step.get("use"):
            self._use(step["use"], (*at, "use"))
        for place, operation in enumerate(step.get("try") or []):
            if isinstance(operation, dict):
                self._operation(operation, (*at, "try", place), self.test)
        for name in ("finally", "cleanup"):
            if any(set(_SENDS) & set(each) for each in step.get(name) or [] if isinstance(each, dict)):
                self.note(at, f"{name} of a step of a chainsaw test: not run")
        self.bindings = outer

    def _use(self, use: Any, at: Path) -> None:
        """Process the operations of a step template."""
        try:
            given = files.objects(self.test, use["template"], self.roots)
        except (NoFile, KeyError, TypeError) as error:
            self.note(at, f"use of a step template: {error}")
            return
        outer = self.bindings
        for template in given:
            spec = template.value.get("spec") or {}
            self.bindings = outer | defined(spec.get("bindings"), outer)
            self.bindings |= defined((use.get("with") or {}).get("bindings"), outer)
            for operation in spec.get("try") or []:
                if isinstance(operation, dict):
                    self._operation(operation, at, template)
        self.bindings = outer

    def _operation(self, operation: JSONObject, at: Path, beside: Document) -> None:
        """Process an operation. beside: the document that its file names are relative to."""
        kind = next((each for each in _KNOWN if each in operation), "")
        if not kind:
            other = next((str(each) for each in operation if each not in ("description", *_QUIET)), "")
            if other and not set(operation) & _QUIET:
                self.note(at, f"the operation {other[:40]} of a chainsaw test is not run")
            return
        action = operation[kind] or {}
        bindings = self.bindings | defined(action.get("bindings"), self.bindings)
        if kind == "delete":
            self._delete(action, at, beside, bindings)
            return
        try:
            given = files.matching(beside, action["file"], self.roots) if "file" in action else _inline(action, beside)
        except (NoFile, KeyError) as error:
            self.note(at, str(error))
            return
        for each in given:
            value, why = self._bound(each.value, bindings)
            if kind == "assert":
                self._asserted(value, at, why)
            elif kind == "error":
                self._not_asserted(value, at)
            elif _foreign(value):
                self._policy(value, each, kind, at)
            else:
                self._sent(kind, value, action.get("expect"), at, why)

    def _bound(self, value: JSONObject, bindings: dict[str, Any]) -> tuple[JSONObject, str]:
        """An object with its bindings replaced, in its namespace; or the reason why that is impossible."""
        why = ""
        try:
            value = bound(value, bindings)
        except Unbound as error:
            why = str(error)
        return _placed(value, self.namespace), why

    def _policy(self, value: JSONObject, given: Document, kind: str, at: Path) -> None:
        """A policy, or an exception, that the test applies or changes."""
        name = (value.get("metadata") or {}).get("name")
        mine = [each for each in self.outcomes if each.kind == value["kind"] and each.name == name]
        if value["kind"] in ("PolicyException",):
            if not mine:
                self.exceptions.append(given)
            return
        if kind in ("patch", "update"):
            changed = set(value.get("spec") or {}) - _ACTIONS
            if changed and kind == "patch":
                self.note(at, f"the test changes {', '.join(sorted(map(str, changed)))[:120]} of the policy {name}")
        elif not mine:
            self.note(at, f"the test applies the {value['kind']} {str(name)[:253]}, which is not among the sources")
        if any("nforce" in str(_at(value, path)) for path in _FAILURE_ACTIONS):
            self.enforced |= {id(each) for each in mine}
        self.applied += [each for each in mine if all(each is not one for one in self.applied)]

    def _sent(self, kind: str, value: JSONObject, expect: Any, at: Path, why: str) -> None:
        """An object that is created, applied, patched or updated."""
        key = _identity(value)
        old = self.objects.get(key)
        if kind in ("update", "patch") and old is None:
            self.note(at, f"the {kind} of {value['kind']} {key[3]}, which the test did not apply")
            return
        if kind == "patch" and old is not None:
            value = _patched(old, value)
        fails = expects_error(expect, value)
        operation = "" if old is None else "UPDATE"
        self.about[key] = self._expect(value, old, operation, fails, at, why)
        if not fails:
            self.objects[key] = value

    def _delete(self, action: JSONObject, at: Path, beside: Document, bindings: dict[str, Any]) -> None:
        """Delete objects, which a reference or a file names."""
        try:
            named = (
                [each.value for each in files.matching(beside, action["file"], self.roots)] if "file" in action else []
            )
        except NoFile as error:
            self.note(at, str(error))
            return
        reference = action.get("ref")
        for each in [*named, *([reference] if isinstance(reference, dict) else [])]:
            name = each.get("name") or (each.get("metadata") or {}).get("name")
            try:
                name = bound(name, bindings)
            except Unbound as error:
                self.note(at, str(error))
                continue
            if str(each.get("apiVersion")).rpartition("/")[0] in GROUPS:
                self.applied = [one for one in self.applied if (one.kind, one.name) != (each.get("kind"), name)]
                self.exceptions = [
                    one
                    for one in self.exceptions
                    if (one.value["kind"], one.value["metadata"]["name"]) != (each.get("kind"), name)
                ]
                continue
            for key, value in list(self.objects.items()):
                if key[:2] == (each.get("apiVersion"), each.get("kind")) and name in (None, key[3]):
                    fails = expects_error(action.get("expect"), value)
                    self._expect(None, value, "DELETE", fails, at, "")
                    if not fails:
                        del self.objects[key]

    def _expect(
        self, value: JSONObject | None, old: JSONObject | None, operation: str, fails: bool | None, at: Path, why: str
    ) -> list[Expected]:
        """Add the expectation that a request puts on the policies applied so far."""
        about = value or old or {}
        name = (about.get("metadata") or {}).get("name")
        what = {"UPDATE": "the update of ", "DELETE": "the deletion of "}.get(operation, "")
        title = f"{what}{about['kind']} {name} is {'denied' if fails else 'allowed'}"
        line = self.test.position(at).line
        all_mutating = [each for outcome in self.applied for each in mutating(outcome)]
        made: list[Expected] = []
        for outcome in self.applied:
            own = mutating(outcome)
            if (own and len(own) == len(outcome.policies)) if fails else not outcome.made:
                continue  # a mutation refuses nothing, and what is not converted lets everything through
            enforced = id(outcome) in self.enforced
            one = Expected(outcome, outcome.made, title, self.test, line, "fail" if fails else "admitted")
            if not fails and enforced:
                one.wanted = "pass-or-skip"
            one.object, one.old, one.operation = value, old, operation
            one.unrun = why or ("what is expected of the error is an expression" if fails is None else "")
            one.before = [] if own else all_mutating
            one.exceptions = [*self.exceptions]
            self._surroundings(one, about)
            made.append(one)
        if fails and len(made) > 1:
            for one in made:
                one.one_of = len(self.found) + 1
        self.found += made
        return made

    def _surroundings(self, one: Expected, about: JSONObject) -> None:
        """The objects that the test applied earlier and that policies may look up: the Namespace, a ConfigMap."""
        space = str((about.get("metadata") or {}).get("namespace") or "")
        given = self.objects.get(("v1", "Namespace", "", space))
        if space and given:
            labels = (given.get("metadata") or {}).get("labels")
            one.namespace_labels = dict(labels) if isinstance(labels, dict) else {}
        for binding in one.outcome.bindings:
            reference = (binding.get("spec") or {}).get("paramRef") or {}
            for key, value in self.objects.items():
                if key[1] == "ConfigMap" and key[3] == reference.get("name") and key[2] == reference.get("namespace"):
                    one.params = {"data": value.get("data") or {}}

    def _asserted(self, partial: JSONObject, at: Path, why: str) -> None:
        """An assert: an object exists, and the mutating policies changed it as the assert says."""
        if _foreign(partial):
            return  # it asserts that a policy is ready
        key = _identity(partial)
        if key[3] and key not in self.objects:
            self.note(at, f"an assert about {partial['kind']} {key[3]}, which the test did not apply")
            return
        alike = [each for each in self.objects if each == key or (not key[3] and each[:2] == key[:2])]
        line = self.test.position(at).line
        names = [each for outcome in self.applied for each in mutating(outcome)]
        for each in (one for found in alike for one in self.about.get(found, [])):
            own = mutating(each.outcome)
            if not own or each.wanted == "fail":
                continue
            one = Expected(
                each.outcome,
                own[:1],
                f"what becomes of {each.name.removesuffix(' is allowed')}",
                self.test,
                line,
                "mutated",
            )
            one.object, one.old, one.operation, one.partial = each.object, each.old, each.operation, partial
            one.namespace_labels, one.params, one.exceptions = each.namespace_labels, each.params, each.exceptions
            place = names.index(own[0])
            one.before, one.after = names[:place], names[place + 1 :]
            one.unrun = each.unrun or why or ("an assert with expressions" if has_expressions(partial) else "")
            self.found.append(one)

    def _not_asserted(self, partial: JSONObject, at: Path) -> None:
        """An error assertion: no object matches it. It is met if the object was refused."""
        if _foreign(partial):
            return
        key = _identity(partial)
        if key in self.objects and any(mutating(each) for each in self.applied):
            self.note(at, f"the error assertion about {partial['kind']} {key[3]} is not checked")


_FAILURE_ACTIONS: Final[tuple[Path, ...]] = (
    ("spec", "validationFailureAction"),
    ("spec", "validationActions"),
    ("spec", "rules"),
)


def _at(value: Any, path: Path) -> Any:
    for each in path:
        value = value.get(each) if isinstance(value, dict) else None
    return value


def _foreign(value: JSONObject) -> bool:
    return str(value["apiVersion"]).rpartition("/")[0] in GROUPS


def _identity(value: JSONObject) -> Identity:
    metadata = value.get("metadata") or {}
    name, namespace = metadata.get("name"), metadata.get("namespace")
    return value["apiVersion"], value["kind"], str(namespace or ""), str(name or "")


def _placed(value: JSONObject, namespace: str) -> JSONObject:
    """The object in the namespace of the test, if it names none and its kind has one."""
    known = Kinds.builtin(NEWEST).for_kind(value["apiVersion"], value["kind"])
    metadata = value.get("metadata") or {}
    if known is None or not known.namespaced or not isinstance(metadata, dict) or metadata.get("namespace"):
        return value
    return value | {"metadata": metadata | {"namespace": namespace}}


def _inline(action: JSONObject, test: Document) -> list[Document]:
    resource = action["resource"]
    if (
        not isinstance(resource, dict)
        or not isinstance(resource.get("kind"), str)
        or not isinstance(resource.get("apiVersion"), str)
    ):
        raise NoFile("a resource without apiVersion and kind")
    return [test.item((), resource)]


def _patched(value: Any, patch: Any) -> Any:
    """A JSON merge patch."""
    if not isinstance(value, dict) or not isinstance(patch, dict):
        return patch
    merged = {key: each for key, each in value.items() if key not in patch or patch[key] is not None}
    return merged | {key: _patched(value.get(key), each) for key, each in patch.items() if each is not None}
