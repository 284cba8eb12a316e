"""Tests of policies: objects of kind `gatewright.dev/v1 PolicyTest`, and the requests of their cases.

    apiVersion: gatewright.dev/v1
    kind: PolicyTest
    metadata: {name: no-host-path}
    policy: no-host-path
    cases:
    - name: a hostPath volume is denied
      object: {apiVersion: v1, kind: Pod, …}
      expect: deny
      message: hostPath

A case evaluates one request with the tested policy alone, under the bindings of the tree. A policy without bindings is
evaluated as if bound with Deny. See `Case` for the fields, and `PolicyTest` for those of all cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, Literal

from msgspec import Struct

from webhook.apiserver import admitted
from webhook.cel import EvaluationError
from webhook.cel.library import re2
from webhook.documents import reader
from webhook.documents.reader import Document, Problem
from webhook.lazypatterns import lazily
from webhook.offline import authorizations
from webhook.offline.authorizations import Authorization
from webhook.paths import ROOT, Path, render
from webhook.policy.load.treefiles import wanted_path
from webhook.policy.policyset import Action, PolicySet
from webhook.policy.request import (
    CONNECT,
    CREATE,
    DELETE,
    UPDATE,
    GroupVersionKind,
    GroupVersionResource,
    JSONObject,
    Request,
    User,
)
from webhook.policy.written import model
from webhook.schema import Kinds

API_VERSION = "gatewright.dev/v1"
KIND = "PolicyTest"

_GROUP = API_VERSION.partition("/")[0] + "/"

Expectation = Literal["allow", "deny", "warn", "audit", "error", "no-match"]

# Kinds that subresources accept in place of the object itself. They do not determine the resource.
_SUBRESOURCE_KINDS = frozenset(
    {
        ("autoscaling/v1", "Scale"),
        ("policy/v1", "Eviction"),
        ("authentication.k8s.io/v1", "TokenRequest"),
        ("v1", "Binding"),
    }
)
_MUTANT = lazily(r"[0-9a-f]{8}")
_OPTIONS = {CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions"}
_WITH_OLD = (UPDATE, DELETE)


class CaseUser(model.Model, frozen=True):
    """The user of the request. All fields are empty by default."""

    username: str = ""
    uid: str = ""
    groups: list[str] = []
    extra: dict[str, list[str]] = {}


class CaseNamespace(model.Model, frozen=True):
    """The namespace of the request, and the labels of its Namespace."""

    name: str = ""
    labels: dict[str, str] = {}


class CaseFindings(model.Model, frozen=True):
    """How many findings there are. `matches`: a regular expression (RE2) that the messages of those that count match;
    all count without it. `count`: how many there must be; without it at least one."""

    matches: str = ""
    count: int | None = None

    def missed(self, messages: Sequence[str]) -> str:
        """Why the messages of the findings are not as expected; "" if they are."""
        pattern = re2.compiled(self.matches)
        found = sum(pattern.search(each) is not None for each in messages)
        if found == self.count or (self.count is None and found):
            return ""
        wanted = "one finding or more" if self.count is None else f"{self.count} findings"
        return f"expected {wanted}{f' that match {self.matches!r}' if self.matches else ''}, found {found}"


class Case(model.Model, frozen=True):
    """One request and the verdict on it.

    `object` and `oldObject`: the object, or `{file: PATH}`, relative to the test's file and within the policy tree.
    `operation`: by default UPDATE with both objects, DELETE with only `oldObject`, else CREATE.
    `resource`: such as `apps/v1/deployments`; required if the kind does not determine it, such as a Scale.
    `params`: the param object of the bindings, in place of the tree's; kind, name and namespace are filled in.
    `cluster`: further objects that lookups find. `authorizations`: the authorizer's answers, see
    webhook.offline.authorizations. `validateOnly`: validate the object without mutating it.
    `expect`: allow (the policy matches and finds nothing), deny, warn, audit, error (it could not be evaluated), or
    no-match (it was not evaluated, as its rules, selectors, matchConditions or bindings do not match the request).
    `message`: a part of the text of one finding, or of the reason why it does not match. `findings`: how many there
    are; a validation that fails under two actions is one. `expectObject`: the whole object after mutation.
    `exceptedBy`: the name of a PolicyException that must cover a finding. The exceptions of the tree apply to such a
    case, and `message` may be a part of a covered finding. They do not apply to other cases.
    """

    name: str = ""
    object: dict[str, Any] | None = None
    old_object: dict[str, Any] | None = None
    operation: Literal["CREATE", "UPDATE", "DELETE", "CONNECT"] | None = None
    resource: str = ""
    sub_resource: str = ""
    user: CaseUser = CaseUser()
    namespace: CaseNamespace = CaseNamespace()
    params: dict[str, Any] | None = None
    cluster: list[dict[str, Any]] = []
    authorizations: list[Authorization] = []
    validate_only: bool = False
    expect: Expectation | None = None
    message: str = ""
    findings: list[CaseFindings] = []
    excepted_by: str = ""
    expect_object: dict[str, Any] | None = None


class ExplainedMutants(model.Model, frozen=True):
    """Changes of the policy that no case can notice (webhook.mutants): their ids, and the reason."""

    ids: list[str] = []
    reason: str = ""


class ExplainedSpans(model.Model, frozen=True):
    """What no case can show of a policy in CEL (webhook.coverage): spans of its expressions, how they never come out,
    and the reason. `evaluated`: they are never evaluated."""

    spans: list[str] = []
    never: Literal["true", "false", "present", "absent", "evaluated"] | None = None
    reason: str = ""


class PolicyTest(model.Model, frozen=True):
    """A PolicyTest object. `actions`: of the bindings, in place of those that the tree gives them: what the cases
    expect then does not depend on how far the policy is rolled out. `mutants`: what `gatewright test --mutate` may
    leave alone. `uncovered`: what `gatewright test --coverage` does not count."""

    api_version: str = API_VERSION
    kind: str = KIND
    metadata: model.ObjectMeta = model.ObjectMeta()
    policy: str = ""
    actions: list[Literal["Deny", "Warn", "Audit"]] = []
    cases: list[Case] = []
    mutants: list[ExplainedMutants] = []
    uncovered: list[ExplainedSpans] = []


class PlannedCase(Struct, frozen=True):
    """A valid case: its place, from `line` to `last_line`, the policy's name, its request.

    `document`, `prefix`: where the request's object stands, or its oldObject if it has none: in the test, or in the
    file that the case names. `explained`: the mutants that its PolicyTest explains, each with the reason. `uncovered`:
    the spans that it explains, with the side that no case can show, and the reason. `actions`: of the bindings, in
    place of theirs.
    """

    file: str
    line: int
    last_line: int
    policy: str
    case: Case
    request: Request
    document: Document
    prefix: Path = ROOT
    explained: tuple[tuple[str, str], ...] = ()
    uncovered: tuple[tuple[str, str, str], ...] = ()
    actions: tuple[Action, ...] = ()


def plan(roots: Sequence[str], policies: PolicySet) -> tuple[list[PlannedCase], list[Problem]]:
    """The cases of all PolicyTests in the trees that `policies` was loaded from, and the problems of invalid ones."""
    # A tree of one Python file has no tests.
    read, unread = reader.read(root for root in roots if not root.endswith(".py"))
    folders = [root if root.is_dir() else root.parent for root in map(FilePath, roots)]
    kinds = Kinds.builtin(policies.target).with_crds(policies.objects)
    planned: list[PlannedCase] = []
    # Loading the policies has reported those of other files, and does not look into files of tests.
    problems = [each for each in unread if wanted_path(FilePath(each.file).name)]
    for document in read:
        value = document.value
        if isinstance(value, dict) and value.get("kind") == KIND and str(value.get("apiVersion")).startswith(_GROUP):
            cases = _Reader(document, folders, policies, kinds)
            planned += cases.cases()
            problems += cases.problems
    return planned, problems


class _Reader:
    """Reads one PolicyTest."""

    def __init__(self, document: Document, folders: Sequence[FilePath], policies: PolicySet, kinds: Kinds) -> None:
        self._document = document
        self._folders = folders
        self._policies = policies
        self._kinds = kinds
        self.problems: list[Problem] = []
        self._places: dict[str, tuple[Document, Path]] = {}  # of the case that is read: field -> where its object is

    def cases(self) -> list[PlannedCase]:
        """The valid cases. `problems` has the faults of the others."""
        value = self._document.value
        if value["apiVersion"] != API_VERSION:
            self._fault(("apiVersion",), f"expected {API_VERSION}, found {value['apiVersion']}")
            return []
        test, faults = model.decode(PolicyTest, value)
        for path, message in faults:
            self._fault(path, message)
        wrong = [path for path, _ in faults]
        for path, message in _refusals(test, self._policies):
            if not any(path[: len(each)] == each for each in wrong):  # else it follows from a field of the wrong type
                self._fault(path, message)
        planned = []
        uncovered = tuple((span, each.never or "", each.reason) for each in test.uncovered for span in each.spans)
        for index, case in enumerate(test.cases):
            if any(each[:2] in (("cases", index), ("cases",)) for each in wrong):
                continue
            try:
                request = self._request(case, ("cases", index))
            except _CaseError as error:
                self._fault(error.path, str(error))
                continue
            line, last = self._lines(index)
            document, prefix = self._places["object" if request.object is not None else "oldObject"]
            file, explained = self._document.file, tuple((id, each.reason) for each in test.mutants for id in each.ids)
            planned.append(
                PlannedCase(
                    *(file, line, last, test.policy, case, request, document, prefix, explained, uncovered),
                    actions=tuple(test.actions),
                )
            )
        return [] if self.problems else planned

    def _lines(self, index: int) -> tuple[int, int]:
        """The first and the last line of a case. It ends before the next case, or the next field of the test."""
        document = self._document
        start = document.position(("cases", index))
        if index + 1 < len(document.value["cases"]):
            following = [document.position(("cases", index + 1))]
        else:
            following = [document.position((key,)) for key in document.value]
        ends = [each.line - 1 for each in following if each > start]
        return start.line, max(start.line, min(ends, default=document.last_line))

    def _request(self, case: Case, path: Path) -> Request:
        new = self._object(case.object, (*path, "object"))
        old = self._object(case.old_object, (*path, "oldObject"))
        subject = new if new is not None else old
        if subject is None:
            raise _CaseError(path, "expected an object, or for DELETE an oldObject")
        where = (*path, "object" if new is not None else "oldObject")
        operation = case.operation or (CREATE if old is None else DELETE if new is None else UPDATE)
        for value, needed, field in ((new, operation != DELETE, "object"), (old, operation in _WITH_OLD, "oldObject")):
            if (value is not None) != needed:
                raise _CaseError((*path, field), f"{operation} has {'an' if needed else 'no'} {field}")

        group, _, version = subject["apiVersion"].rpartition("/")
        kind = GroupVersionKind(group, version, subject["kind"])
        resource = self._resource(case, kind, path)
        known = self._kinds.for_resource(*resource)
        metadata = subject.get("metadata") or {}
        if not isinstance(metadata, dict):
            raise _CaseError((*where, "metadata"), "expected a mapping")
        name = metadata.get("name") or ""
        if resource[::2] == ("", "namespaces"):
            namespace = name
        elif known is not None and not known.namespaced:
            namespace = ""
        else:
            namespace = case.namespace.name or metadata.get("namespace") or "default"
        options = _OPTIONS.get(operation)
        return Request(
            operation=operation,
            resource=resource,
            kind=kind,
            subresource=case.sub_resource,
            name=name,
            namespace=namespace,
            object=new,
            old_object=old,
            options={"apiVersion": "meta.k8s.io/v1", "kind": options} if options else None,
            user=User(case.user.username, case.user.uid, tuple(case.user.groups), dict(case.user.extra)),
        )

    def _resource(self, case: Case, kind: GroupVersionKind, path: Path) -> GroupVersionResource:
        if case.resource:
            parts = case.resource.split("/")
            if not 2 <= len(parts) <= 3 or not all(parts):
                raise _CaseError(
                    (*path, "resource"),
                    f"'{case.resource}' names no resource; expected a form such as v1/pods or apps/v1/deployments",
                )
            group, version, plural = parts if len(parts) == 3 else ("", *parts)
            return GroupVersionResource(group, version, plural)
        if (kind.api_version, kind.kind) in _SUBRESOURCE_KINDS or case.operation == CONNECT:
            message = f"the kind {kind.kind} does not determine the resource; set resource, such as apps/v1/deployments"
            raise _CaseError((*path, "resource"), message)
        known = self._kinds.for_kind(kind.api_version, kind.kind) or self._kinds.guess(kind.api_version, kind.kind)
        return GroupVersionResource(known.group, known.version, known.plural)

    def _object(self, value: JSONObject | None, path: Path) -> JSONObject | None:
        """The object at a path of the case, or in the file that it names."""
        if value is None:
            return None
        if value.keys() == {"file"}:
            return self._from_file(value["file"], (*path, "file"), str(path[-1]))
        for field in ("apiVersion", "kind"):
            if not isinstance(value.get(field), str) or not value[field]:
                raise _CaseError(path, f"{field} must be set to a string; or set {{file: PATH}} alone")
        self._places[str(path[-1])] = self._document, path
        return self._read(value, path)

    def _read(self, value: JSONObject, path: Path) -> JSONObject:
        """The object as the API server reads it, with its defaults."""
        decoded = admitted.read(value, self._policies.target)
        for each in decoded.problems:
            raise _CaseError((*path, *each.path), f"the API server refuses the object: {each.message}{each.afterword}")
        return decoded.object

    def _from_file(self, name: Any, path: Path, field: str) -> JSONObject:
        if not isinstance(name, str) or not name:
            raise _CaseError(path, "expected the path of a file")
        file = FilePath(self._document.stream).parent / name
        try:
            inside = any(file.resolve().is_relative_to(folder.resolve()) for folder in self._folders)
        except (OSError, ValueError, RuntimeError):
            inside = False
        if not inside:
            raise _CaseError(path, f"'{name}' leads out of the policy tree")
        read, problems = reader.read([str(file)])
        good, not_objects = reader.objects(read)
        if problems or not_objects:
            raise _CaseError(path, str([*problems, *not_objects][0]))
        if len(good) != 1:
            raise _CaseError(path, f"{file}: expected one object, found {len(good)}")
        self._places[field] = good[0], ROOT
        value: JSONObject = good[0].value
        return self._read(value, path)

    def _fault(self, path: Path, message: str) -> None:
        metadata = self._document.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        text = f"{KIND}{f' {name!r}' if name else ''}: {render(path)}: {message}"
        self.problems.append(self._document.problem(path, text))


class _CaseError(Exception):
    """A case is invalid."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def _refusals(test: PolicyTest, policies: PolicySet) -> Iterator[model.Fault]:
    """The faults of a test: missing or contradictory fields."""
    names = {policy.name for policy in policies.policies}
    exceptions = {
        each.exception.name for policy in policies.policies if policy.name == test.policy for each in policy.exceptions
    }
    if not test.policy:
        yield ("policy",), "expected the name of a policy"
    elif test.policy not in names:
        yield ("policy",), f"there is no policy '{test.policy}'; expected one of: {', '.join(sorted(names))}"
    if not test.cases:
        yield ("cases",), "expected at least one case"
    for index, mutants in enumerate(test.mutants):
        at: Path = ("mutants", index)
        if not mutants.ids:
            yield (*at, "ids"), "expected the ids of mutants"
        for number, id in enumerate(mutants.ids):
            if not _MUTANT.fullmatch(id):
                message = (
                    f"expected the id of a mutant, as `gatewright test --mutate` shows it, found {model.describe(id)}"
                )
                yield (*at, "ids", number), message
        if not mutants.reason.strip():
            yield (*at, "reason"), "expected the reason why no case can notice them"
    for index, spans in enumerate(test.uncovered):
        at = ("uncovered", index)
        if not spans.spans:
            yield (
                (*at, "spans"),
                "expected parts of the policy's expressions, as `gatewright test --coverage` shows them",
            )
        if spans.never is None:
            yield (*at, "never"), "expected one of true, false, present, absent, evaluated"
        if not spans.reason.strip():
            yield (*at, "reason"), "expected the reason why no case can show them"
    seen: set[str] = set()
    for index, case in enumerate(test.cases):
        path: Path = ("cases", index)
        if not case.name.strip():
            yield (*path, "name"), "expected a name, which says what the case shows"
        elif case.name in seen:
            yield (*path, "name"), f"another case is named '{case.name}' already"
        seen.add(case.name)
        if case.expect is None:
            yield (*path, "expect"), "expected one of allow, deny, warn, audit, error, no-match"
        elif case.expect == "allow" and case.message and not case.excepted_by:
            yield (*path, "message"), "an allowed request has no message"
        for number, counted in enumerate(case.findings):
            at = (*path, "findings", number)
            if counted.count is not None and counted.count < 0:
                yield (*at, "count"), f"expected 0 or more, found {counted.count}"
            try:
                re2.compiled(counted.matches)
            except EvaluationError as error:
                yield (*at, "matches"), str(error)
            if case.expect in ("allow", "no-match") and counted.count != 0:
                yield at, f"a case that expects {case.expect} has no findings"
        if case.excepted_by and test.policy in names and case.excepted_by not in exceptions:
            known = f"those of the policy are {', '.join(sorted(exceptions))}" if exceptions else "the policy has none"
            yield (*path, "exceptedBy"), f"there is no PolicyException '{case.excepted_by}'; {known}"
        yield from authorizations.faults(case.authorizations, (*path, "authorizations"))
        if case.validate_only and case.expect_object is not None:
            yield (*path, "expectObject"), "validateOnly leaves mutation out, so there is no mutated object"
