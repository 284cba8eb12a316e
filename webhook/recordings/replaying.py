"""Decides recorded reviews again, and compares the verdicts.

The policies are today's, and so is the code. What policies look up is what was recorded; what they did not look up
then is taken from the policy tree, if the object is there. The new response is redacted as the recorded one was, so a
difference is one of the verdict.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson
from msgspec import Struct

from webhook.admission import engine, replying, unread
from webhook.admission.confidential import Confidential
from webhook.admission.decision import Decision, Mutation
from webhook.admission.redaction import SecretsSeen
from webhook.cluster.manifestsview import ManifestsView
from webhook.cluster.view import ClusterView
from webhook.documents.reader import Problem
from webhook.policy.policyset import PolicySet
from webhook.recordings.fieldpaths import parse
from webhook.recordings.reading import Found, Recorded
from webhook.recordings.redacting import Redacting, Redactor
from webhook.recordings.treeobjects import TreeObjects
from webhook.recordings.view import NotRecorded
from webhook.schema import Kinds

_LEFT_OUT: Final = frozenset((replying.REVISION,))
"""Audit annotations that differ with the tree, whatever the verdict."""


class Verdict(Struct, frozen=True):
    """What came of a review. changed: the mutating policies that changed the object. patch: its operations."""

    allowed: bool
    code: int = 200
    reason: str = ""
    message: str = ""
    findings: tuple[Found, ...] = ()
    warnings: tuple[str, ...] = ()
    annotations: Mapping[str, str] = {}
    changed: tuple[str, ...] = ()
    patch: tuple[Mapping[str, Any], ...] = ()

    @property
    def word(self) -> str:
        """`allow` or `deny`."""
        return "allow" if self.allowed else "deny"


class Compared(Struct, frozen=True):
    """A review and its two verdicts. gone, come: what policies found only then, and only now.

    unknown: what a policy looked up that the recording has no answer to; there is no new verdict then.
    """

    recorded: Recorded
    old: Verdict
    new: Verdict | None = None
    gone: tuple[Found, ...] = ()
    come: tuple[Found, ...] = ()
    unknown: str = ""

    @property
    def differs(self) -> bool:
        return self.new is not None and self.new != self.old


class Replay:
    """Decides reviews by these policies. tree_first: objects of the policy tree go before recorded ones."""

    def __init__(self, policies: PolicySet, *, tree_first: bool = False) -> None:
        self._policies = policies
        self._without_cluster = policies.without_cluster()
        self._tree_first = tree_first
        self._redactors: dict[tuple[str, ...], Redactor] = {}
        self._kinds = Kinds.builtin().with_crds(policies.objects)
        self._tree = ManifestsView(policies.objects, self._kinds)
        self._objects = TreeObjects(self._tree)

    def compared(self, recorded: Recorded) -> Compared:
        """The recorded verdict, and today's."""
        old = recorded_verdict(recorded)
        try:
            new = self.decided(recorded)
        except NotRecorded as error:
            return Compared(recorded, old, unknown=error.lookup)
        gone = Counter(map(_key, old.findings)) - Counter(map(_key, new.findings))
        come = Counter(map(_key, new.findings)) - Counter(map(_key, old.findings))
        return Compared(recorded, old, new, tuple(_of(old.findings, gone)), tuple(_of(new.findings, come)))

    def not_seen(self, recorded: Recorded) -> Iterator[str]:
        """The names of objects of the policy tree in whose place others were recorded, which policies saw."""
        if self._tree_first:
            return iter(())

        def redacted(value: dict[str, Any]) -> Any:
            return self._redactor(recorded).begin().looked_up(orjson.loads(orjson.dumps(value)), str(value.get("kind")))

        return self._objects.differing(recorded, redacted)

    def _redactor(self, recorded: Recorded) -> Redactor:
        redactor = self._redactors.get(recorded.redact)
        if redactor is None:
            redactor = self._redactors[recorded.redact] = Redactor([parse(each) for each in recorded.redact])
        return redactor

    def decided(self, recorded: Recorded) -> Verdict:
        """Today's verdict. Raises NotRecorded if a policy looks up what the recording has no answer to."""
        # A server without a cluster leaves out the bindings that need one.
        policies = self._policies if recorded.cluster else self._without_cluster
        request = recorded.request
        if recorded.failure_policy is not None:
            policies = policies.only(recorded.failure_policy)
        view: ClusterView = recorded.view(self._kinds, self._tree, tree_first=self._tree_first)
        if policies.reads_secrets:
            view = SecretsSeen(view)
        confidential = Confidential(request, recorded.body, view)
        outcome: Decision | Mutation
        why = recorded.unread
        said = why.message if why is not None else ""
        if recorded.phase == "mutate":
            if why is not None:
                outcome = unread.mutate(request, policies, view, why)
            else:
                outcome = engine.mutate(request, policies, view, confidential=confidential)
            text = replying.respond_mutation(request, outcome, unread=said)
        else:
            if why is not None:
                outcome = unread.validate(request, policies, view, why)
            else:
                outcome = engine.validate(request, policies, view, confidential=confidential)
            text = replying.respond(request, outcome, unread=said)
        answer = orjson.loads(text)["response"]
        redacting = self._redacting(recorded)
        patch = answer.pop("patch", None)
        if patch is not None:
            answer["patch"] = redacting.patch(orjson.loads(base64.b64decode(patch)))
        findings = tuple(
            Found(each.policy, each.binding, each.action, redacting.text(each.message), each.error)
            for each in outcome.findings
        )
        changed = outcome.policies if isinstance(outcome, Mutation) else ()
        return _verdict(answer, findings, changed, redacting.text)

    def _redacting(self, recorded: Recorded) -> Redacting:
        """What redacts the new response of a review as the recorded one was."""
        redactor = self._redactor(recorded)
        known: list[str] = []
        for answer in recorded.answers.values():
            values = getattr(answer, "value", None)
            for value in values if isinstance(values, list) else [values]:
                if isinstance(value, dict):
                    inner = redactor.begin()
                    inner.looked_up(orjson.loads(orjson.dumps(value)), str(value.get("kind")))
                    known += inner.values
        redacting = redactor.begin()
        sent = orjson.loads(recorded.body)["request"]
        redacting.request(sent, orjson.dumps(sent), known)
        return redacting


def recorded_verdict(recorded: Recorded) -> Verdict:
    """The verdict that was recorded."""
    return _verdict(recorded.response, recorded.findings, recorded.changed, str)


def _verdict(
    answer: dict[str, Any], findings: tuple[Found, ...], changed: tuple[str, ...], text: Callable[[str], str]
) -> Verdict:
    status = answer.get("status")
    status = status if isinstance(status, dict) else {}
    annotations = answer.get("auditAnnotations")
    annotations = annotations if isinstance(annotations, dict) else {}
    return Verdict(
        allowed=answer["allowed"] is True,
        code=status.get("code", 200),
        reason=str(status.get("reason", "")),
        message=text(str(status.get("message", ""))),
        findings=findings,
        warnings=tuple(text(str(each)) for each in answer.get("warnings") or ()),
        annotations={text(key): text(str(value)) for key, value in annotations.items() if key not in _LEFT_OUT},
        changed=tuple(changed),
        patch=tuple(answer.get("patch") or ()),
    )


_Key = tuple[str, str, str, str, bool]


def _key(found: Found) -> _Key:
    return found.policy, found.binding, found.action, found.message, found.error


def _of(findings: tuple[Found, ...], counted: Counter[_Key]) -> Iterator[Found]:
    """The findings that are counted, in their order."""
    left = Counter(counted)
    for found in findings:
        if left[_key(found)] > 0:
            left[_key(found)] -= 1
            yield found


class Asked(Struct, frozen=True):
    """What identifies a request."""

    operation: str
    group: str
    version: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user: str


class Different(Struct, frozen=True):
    """A review whose verdict differs, without its content."""

    file: str
    line: int
    time: str
    path: str
    asked: Asked
    old: Verdict
    new: Verdict
    gone: tuple[Found, ...]
    come: tuple[Found, ...]
    redacted: tuple[str, ...]

    @property
    def turned(self) -> bool:
        """Whether it is denied instead of allowed, or the other way round; if not, something is said otherwise."""
        return self.old.allowed != self.new.allowed


class Undecided(Struct, frozen=True):
    """A review that cannot be decided again: what a policy looks up that the recording has no answer to."""

    file: str
    line: int
    lookup: str


class Replayed:
    """What came of a replay. count: reviews that were read. problems: what could not be.

    not_seen: objects of the policy tree in whose place others were recorded -> how many reviews looked them up.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.count = 0
        self.different: list[Different] = []
        self.undecided: list[Undecided] = []
        self.not_seen: Counter[str] = Counter()
        self.problems: list[Problem] = []

    def add(self, recorded: Recorded) -> None:
        """Decide a review again."""
        self.count += 1
        found = self._replay.compared(recorded)
        self.not_seen.update(self._replay.not_seen(recorded))
        if found.unknown:
            self.undecided.append(Undecided(recorded.file, recorded.line, found.unknown))
        elif found.new is not None and found.differs:
            self.different.append(
                Different(
                    recorded.file,
                    recorded.line,
                    recorded.time,
                    recorded.path,
                    _asked(recorded),
                    found.old,
                    found.new,
                    found.gone,
                    found.come,
                    recorded.redacted,
                )
            )


def _asked(recorded: Recorded) -> Asked:
    request = recorded.request
    metadata = (request.object or {}).get("metadata") or {}
    name = request.name or metadata.get("name") or metadata.get("generateName") or ""
    subresource = request.subresource
    return Asked(request.operation, *request.resource, subresource, request.namespace, str(name), request.user.username)
