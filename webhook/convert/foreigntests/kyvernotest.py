"""kyverno-test.yaml: results of policies and rules on resources. Source: the documentation of Kyverno's command."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from webhook.convert.foreigntests import chains, files
from webhook.convert.foreigntests.expected import Expected, Wanted
from webhook.convert.foreigntests.files import NoFile
from webhook.convert.foreigntests.kyvernovalues import Values
from webhook.convert.kyverno import celkinds
from webhook.convert.model import JSONObject, Note, Outcome
from webhook.documents.reader import Document

_RESULTS: Final[dict[str, Wanted]] = {
    "pass": "pass",
    "fail": "fail",
    "skip": "skip",
    "warn": "fail",
    "error": "error",
}
_UNREAD: Final = {
    "checks": "checks on reports are not run",
    "context": "a context, which answers what policies look up, is not read",
    "jsonPayload": "payloads that are no Kubernetes objects are not read",
    "jsonPayloads": "payloads that are no Kubernetes objects are not read",
}
_STANDARD: Final = ("isValidatingAdmissionPolicy", "isMutatingAdmissionPolicy")
_CONTROLLERS: Final = "autogen-"
_CRONJOBS: Final = "autogen-cronjob-"


def expected(test: Document, outcomes: list[Outcome], roots: list[str], notes: list[Note]) -> list[Expected]:
    """The expectations of a test. Parts that cannot be read become notes."""
    value = test.value
    said: set[str] = set()

    def note(line: int, message: str) -> None:
        if message not in said:
            said.add(message)
            notes.append(Note(test.stream, line, message))

    def read(field: str, names: Any) -> list[Document]:
        found: list[Document] = []
        for name in names if isinstance(names, list) else []:
            try:
                found += files.objects(test, name, roots)
            except NoFile as error:
                note(test.position((field,)).line, str(error))
        return found

    def plain(field: str) -> list[Document]:
        named = value.get(field)
        try:
            return files.plain(test, named, roots) if isinstance(named, str) else []
        except NoFile as error:
            note(test.position((field,)).line, str(error))
            return []

    for field, message in _UNREAD.items():
        if value.get(field):
            note(test.position((field,)).line, message)
    values = Values()
    values.read(value.get("values"))
    for each in plain("variables"):
        if isinstance(each.value, dict):
            values.read(each.value.get("spec") or each.value)
    for each in plain("userinfo"):
        if isinstance(each.value, dict):
            values.read_user(each.value)
    applied = _applied(test, outcomes)
    reading = _Reading(
        test,
        outcomes,
        applied,
        read("resources", value.get("resources")) + read("targetResources", value.get("targetResources")),
        values,
        [each for each in read("exceptions", value.get("exceptions")) if not _among(each, outcomes)],
        read,
        note,
    )
    found: list[Expected] = []
    for index, each in enumerate(value.get("results") or []):
        if isinstance(each, dict):
            found += reading.of_result(each, test.position(("results", index)).line)
    for one in found:
        one.before, one.after = chains.earlier(one.outcome, one.policies, applied)
    return found


def _among(exception: Document, outcomes: list[Outcome]) -> bool:
    """Whether an exception that a test names is a source of the conversion."""
    file = Path(exception.stream).resolve()
    return any(each.kind == "PolicyException" and Path(each.document.stream).resolve() == file for each in outcomes)


def _applied(test: Document, outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes of the policies that a test names, in its order."""
    folder = Path(test.stream).parent
    found: list[Outcome] = []
    names = test.value.get("policies")
    for name in names if isinstance(names, list) else []:
        try:
            file = (folder / str(name)).resolve()
            found += [
                each
                for each in outcomes
                if all(each is not one for one in found) and Path(each.document.stream).resolve().is_relative_to(file)
            ]
        except (OSError, ValueError, RuntimeError):
            continue
    return found


class _Reading(Struct):
    """The state that the results of a test are read with. exceptions: the exceptions of this test alone."""

    test: Document
    outcomes: list[Outcome]
    applied: list[Outcome]
    resources: list[Document]
    values: Values
    exceptions: list[Document]
    read: Callable[[str, Any], list[Document]]
    note: Callable[[int, str], None]

    def of_result(self, result: JSONObject, line: int) -> list[Expected]:
        """The expectations of one result: one for each object that it is about."""
        outcome = self._outcome(str(result.get("policy", "")))
        if outcome is None:
            said = f"a result for the policy {str(result.get('policy', ''))[:253]!r}, which is not among the sources"
            if any(result.get(each) for each in _STANDARD):
                said = (
                    f"a result for {str(result.get('policy', ''))[:253]!r}, a policy of Kubernetes itself, is not read"
                )
            self.note(line, said)
            return []
        rule, controllers = _rule(str(result.get("rule") or ""), outcome)
        policies = outcome.made if not rule or outcome.kind in celkinds.CONVERTED else outcome.rules.get(rule, [])
        state = str(result.get("result") or result.get("status"))
        wanted = _RESULTS.get(state.lower())
        found: list[Expected] = []
        for name, about in self._about(result):
            meant: list[Document | None] = [*about]
            for each in meant or [None]:
                own = (each.value.get("metadata") or {}) if each else {}
                shown = name or str(own.get("name") or own.get("generateName"))
                one = Expected(outcome, policies, f"{rule or outcome.name}: {shown} ({state})", self.test, line, "pass")
                found.append(one)
                one.wanted = wanted or "pass"
                if wanted is None:
                    one.unrun = f"the result {state[:40]!r}"
                elif each is None:
                    one.unrun = f"none of the test's resources is {name}"
                elif rule and not policies and not outcome.refused and not outcome.unfinished:
                    one.unrun = f"the policy has no rule {rule[:80]}"
                elif controllers and not _derived(each.value, controllers):
                    one.unrun = f"the rule {result.get('rule')} is not about the kind {each.value['kind']}"
                else:
                    one.object, one.rule = each.value, rule
                    # Kyverno's command counts an object that a policy does not match as passed.
                    one.unmatched = wanted == "pass" or not name
                    one.exceptions = [
                        given for given in self.exceptions if _names(given.value, outcome.name, outcome.kind)
                    ]
                    self.values.set(one, outcome.name, str(result.get("rule") or ""), str(own.get("name") or ""))
                    self._mutates(one, result)
        return found

    def _outcome(self, named: str) -> Outcome | None:
        """The policy that a result names: of the test's files before others, since a tree may have a name twice."""
        namespace, _, name = named.rpartition("/")
        among = [each for each in (*self.applied, *self.outcomes) if each.name == name]
        among = [each for each in among if each.kind != "PolicyException"]
        return next((each for each in among if namespace and each.namespace == namespace), next(iter(among), None))

    def _about(self, result: JSONObject) -> list[tuple[str, list[Document]]]:
        """The names in a result, each with its objects; "" for a result about all objects of the test."""
        kind, namespace = result.get("kind"), result.get("namespace")
        given = result.get("resources") or ([result["resource"]] if result.get("resource") else [])
        names = [str(each) for each in (given if isinstance(given, list) else [given])]
        found = [
            (name, [each for each in self.resources if _named(each.value, name, kind, namespace)])
            for name in names
            if not _wild(name)
        ]
        for spec in result.get("resourceSpecs") or []:
            if isinstance(spec, dict):
                about = [each for each in self.resources if _specified(each.value, spec)]
                found.append((str(spec.get("name") or spec.get("kind") or "resourceSpecs"), about))
        for name in names if any(map(_wild, names)) else ["*"] if not found else []:
            if _wild(name):
                found.append(("", [each for each in self.resources if _named(each.value, name, kind, namespace)]))
        return found

    def _mutates(self, one: Expected, result: JSONObject) -> None:
        """The expectation of a passed result of a mutating rule."""
        if one.wanted != "pass":
            return
        patched = result.get("patchedResources") or result.get("patchedResource")
        if patched:
            after = [each.value for each in self.read("results", [patched])]
            metadata = (one.object or one.old or {}).get("metadata") or {}
            full = f"{metadata.get('namespace') or 'default'}/{metadata.get('name') or metadata.get('generateName')}"
            same = [each for each in after if _named(each, full, result.get("kind"), None)] or after[:1]
            if same:
                one.patched, one.wanted = same[0], "mutated"
        elif one.outcome.made and all(each["kind"] == "MutatingAdmissionPolicy" for each in one.outcome.policies):
            one.wanted = "pass-or-skip"


def _rule(named: str, outcome: Outcome) -> tuple[str, str]:
    """The rule that a result names, and the prefix of the rule that Kyverno derives from it for controllers."""
    if named not in outcome.rules:
        for prefix in (_CRONJOBS, _CONTROLLERS):
            if named.startswith(prefix):
                return named.removeprefix(prefix), prefix
    return named, ""


def _derived(value: JSONObject, prefix: str) -> bool:
    """Whether a rule that was derived for controllers applies to an object."""
    return bool(value["kind"] != "Pod" and (value["kind"] == "CronJob") == (prefix == _CRONJOBS))


def _names(exception: JSONObject, policy: str, kind: str) -> bool:
    """Whether an exception names a policy."""
    spec = exception.get("spec") or {}
    named = [
        (str(each.get("policyName") or each.get("name")).rpartition("/")[2], each.get("kind") or kind)
        for field in ("exceptions", "policyRefs")
        for each in spec.get(field) or []
        if isinstance(each, dict)
    ]
    return any(name == policy and of == kind for name, of in named)


def _wild(name: str) -> bool:
    return "*" in name or "?" in name


def _alike(pattern: object, text: object) -> bool:
    return fnmatch.fnmatchcase(str(text), str(pattern).replace("[", "[[]"))


def _of_kind(value: JSONObject, kind: object) -> bool:
    """Whether an object is of KIND, VERSION/KIND or GROUP/VERSION/KIND, each part with wildcards."""
    parts = str(kind).split("/")
    group, _, version = value["apiVersion"].rpartition("/")
    given = [group, version, value["kind"]][-len(parts) :]
    return len(parts) == len(given) and all(map(_alike, parts, given))


def _specified(value: JSONObject, spec: JSONObject) -> bool:
    """Whether an item of resourceSpecs names an object."""
    group, _, version = value["apiVersion"].rpartition("/")
    metadata = value.get("metadata") or {}
    own = {
        "group": group,
        "version": version,
        "kind": value["kind"],
        "name": metadata.get("name") or metadata.get("generateName"),
        "namespace": metadata.get("namespace", "default"),
    }
    return all(_alike(spec[field], text) for field, text in own.items() if spec.get(field))


def _named(value: JSONObject, name: str, kind: Any, namespace: Any) -> bool:
    """Whether NAME or NAMESPACE/NAME, with wildcards, names an object."""
    metadata = value.get("metadata") or {}
    space, _, own = name.rpartition("/")
    space = space or (namespace if isinstance(namespace, str) else "")
    named = metadata.get("name") or metadata.get("generateName")
    return (
        named is not None
        and _alike(own, named)
        and (not kind or _of_kind(value, kind))
        and (not space or _alike(space, metadata.get("namespace", "default")))
    )
