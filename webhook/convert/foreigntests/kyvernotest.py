"""kyverno-test.yaml: results of policies and rules on resources. Source: the documentation of Kyverno's command."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from webhook.convert.foreigntests import chains, files
from webhook.convert.foreigntests.expected import Expected, Wanted
from webhook.convert.foreigntests.files import NoFile
from webhook.convert.model import JSONObject, Note, Outcome
from webhook.documents.reader import Document

_RESULTS: Final[dict[str, Wanted]] = {
    "pass": "pass",
    "fail": "fail",
    "skip": "skip",
    "warn": "fail",
    "error": "error",
}
_AUTOGEN: Final = ("autogen-cronjob-", "autogen-")


class _Values:
    """The values that a test sets: globally, for a resource, labels of namespaces, the user."""

    def __init__(self) -> None:
        self.shared: JSONObject = {}
        self.own: dict[tuple[str, str], JSONObject] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self.user: JSONObject = {}

    def read(self, spec: Any) -> None:
        given = spec if isinstance(spec, dict) else {}
        self.shared |= given.get("globalValues") or {}
        for each in given.get("namespaceSelector") or given.get("namespaceSelectors") or []:
            self.namespaces[str(each.get("name"))] = dict(each.get("labels") or {})
        for policy in given.get("policies") or []:
            for each in [
                *(policy.get("resources") or []),
                *(one for rule in policy.get("rules") or [] for one in rule.get("resources") or []),
            ]:
                self.own.setdefault((str(policy.get("name")), str(each.get("name"))), {}).update(
                    each.get("values") or {}
                )
            for rule in policy.get("rules") or []:
                self.own.setdefault((str(policy.get("name")), "*"), {}).update(rule.get("values") or {})


def expected(test: Document, outcomes: list[Outcome], roots: list[str], notes: list[Note]) -> list[Expected]:
    """The expectations of a test. What cannot be read of it becomes a note."""
    value = test.value
    resources: list[Document] = []
    values = _Values()

    def read(names: Any) -> list[Document]:
        found: list[Document] = []
        for name in names if isinstance(names, list) else []:
            try:
                found += files.objects(test, name, roots)
            except NoFile as error:
                notes.append(Note(test.stream, test.line, str(error)))
        return found

    resources = read([*(value.get("resources") or []), *(value.get("targetResources") or [])])
    values.read(value.get("values"))
    named = value.get("variables")
    for each in read([named] if isinstance(named, str) else []):
        values.read(each.value.get("spec") or each.value)
    for each in read([value["userinfo"]] if isinstance(value.get("userinfo"), str) else []):
        info = each.value.get("userInfo") or each.value.get("requestInfo") or {}
        values.user = info.get("userInfo") or info
    found: list[Expected] = []
    if value.get("checks"):
        notes.append(Note(test.stream, test.position(("checks",)).line, "checks on reports are not run"))
    for index, each in enumerate(value.get("results") or []):
        if isinstance(each, dict):
            found += _of_result(each, index, test, outcomes, resources, values, read, notes)
    applied = _applied(test, outcomes)
    for one in found:
        one.before, one.after = chains.earlier(one.outcome, one.policies, applied)
    return found


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


def _of_result(
    result: JSONObject,
    index: int,
    test: Document,
    outcomes: list[Outcome],
    resources: list[Document],
    values: _Values,
    read: Any,
    notes: list[Note],
) -> list[Expected]:
    line = test.position(("results", index)).line
    policy = str(result.get("policy", "")).rpartition("/")[2]
    outcome = next((each for each in outcomes if each.name == policy and each.kind != "PolicyException"), None)
    if outcome is None:
        said = f"a result for the policy {policy[:253]!r}, which is not among the sources"
        notes.append(Note(test.stream, line, said))
        return []
    rule = str(result.get("rule", ""))
    for prefix in _AUTOGEN:
        rule = rule.removeprefix(prefix)
    policies = outcome.made if not rule else outcome.rules.get(rule, [])
    wanted = _RESULTS.get(str(result.get("result") or result.get("status")))
    names = result.get("resources") or ([result["resource"]] if result.get("resource") else [])
    if not names:
        notes.append(Note(test.stream, line, "a result without resources is not run"))
    found: list[Expected] = []
    for name in map(str, names):
        title = f"{rule or policy}: {name} ({result.get('result')})"
        given = [each for each in resources if _named(each.value, name, result.get("kind"), result.get("namespace"))]
        meant: list[Document | None] = [*given]
        for each in meant or [None]:
            one = Expected(outcome, policies, title, test, line, wanted or "pass")
            found.append(one)
            if wanted is None:
                one.unrun = f"the result {str(result.get('result'))[:40]!r}"
            elif each is None:
                one.unrun = f"none of the test's resources is {name}"
            else:
                one.object = each.value
                _set(one, values, policy, name)
                _mutates(one, result, read)
    return found


def _mutates(one: Expected, result: JSONObject, read: Any) -> None:
    """What a result that passes says of mutation."""
    if one.wanted != "pass":
        return
    patched = result.get("patchedResources") or result.get("patchedResource")
    if patched:
        after = [each.value for each in read([patched])]
        metadata = (one.object or one.old or {}).get("metadata") or {}
        full = f"{metadata.get('namespace') or 'default'}/{metadata.get('name') or metadata.get('generateName')}"
        same = [each for each in after if _named(each, full, result.get("kind"), None)] or after[:1]
        if same:
            one.patched, one.wanted = same[0], "mutated"
    elif one.outcome.made and all(each["kind"] == "MutatingAdmissionPolicy" for each in one.outcome.policies):
        one.wanted = "pass-or-skip"


def _set(one: Expected, values: _Values, policy: str, name: str) -> None:
    """What the values of a test say of the request."""
    given = {
        **values.shared,
        **values.own.get((policy, "*"), {}),
        **values.own.get((policy, name.rpartition("/")[2]), {}),
    }
    operation = given.pop("request.operation", "")
    if operation:
        one.operation = str(operation)
        if operation in ("UPDATE", "DELETE"):
            one.old = one.object
            one.object = None if operation == "DELETE" else one.object
    user = {key: value for key, value in values.user.items() if key in ("username", "groups", "uid")}
    if "request.userInfo.username" in given:
        user["username"] = given.pop("request.userInfo.username")
    one.user = user
    subject = one.object or one.old or {}
    space = str((subject.get("metadata") or {}).get("namespace") or "default")
    one.namespace_labels = values.namespaces.get(space, {})
    data: JSONObject = {}
    for key in list(given):
        name_of, _, field = key.partition(".data.")
        if field and "." not in name_of:
            data[field] = str(given.pop(key))
    if data:
        one.params = {"data": data}
    given.pop("request.mode", None)
    if given:
        one.unrun = f"the test sets {sorted(given)[0]}, which has no place in a request"


def _named(value: JSONObject, name: str, kind: Any, namespace: Any) -> bool:
    """Whether an object is meant by NAME or NAMESPACE/NAME."""
    metadata = value.get("metadata") or {}
    space, _, own = name.rpartition("/")
    space = space or (namespace if isinstance(namespace, str) else "")
    named = metadata.get("name") or metadata.get("generateName")
    return (
        named == own
        and (not kind or value.get("kind") == kind)
        and (not space or metadata.get("namespace", "default") == space)
    )
