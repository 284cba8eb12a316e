"""What the engine answers: findings, mutations, decisions. The texts are kube-apiserver's.

Order everywhere: by policy name, then binding name, then param, then the policy's own order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from webhook.frozen import maker
from webhook.paths import Path

if TYPE_CHECKING:
    from webhook.admission.record import Evaluated
    from webhook.policy.exceptions import PolicyException
    from webhook.policy.policyset import Binding

Action = Literal["Deny", "Warn", "Audit"]

VALIDATING = "ValidatingAdmissionPolicy"
MUTATING = "MutatingAdmissionPolicy"

# HTTP status of each reason that a policy may give (admissionregistration.k8s.io/v1, Validation.reason).
REASON_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}

# The API server's limits on warnings, in characters (k8s.io/apiserver, endpoints/filters/warning.go).
_WARNINGS_TOTAL = 4096
_WARNING_CUT = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a policy found wrong with a request, under one action of one binding.

    A validation that fails under a binding with the actions Deny and Audit gives two findings. `binding` is "" where
    the policy itself is at fault (`failed to configure policy: …`). `message` is the policy's own text, without the
    policy's name. `error`: the policy could not be evaluated and its failurePolicy is Fail. `path`: the offending place
    in the object, where the policy named it. `index`: which of the policy's validations, from 0. `expression`: the
    place of the expression that it came from, in the policy object (see webhook.policy.evaluation.Failure).
    `evaluated`: the evaluation that it came from, with the param object and the request as the policy saw it; None
    where a policy or a binding could not be configured, so that nothing was evaluated.
    """

    policy: str
    binding: str
    action: Action
    reason: str
    code: int
    message: str
    path: Path | None = None
    error: bool = False
    kind: str = VALIDATING
    index: int = 0
    expression: Path | None = None
    evaluated: Evaluated | None = field(default=None, compare=False, repr=False)

    def text(self) -> str:
        """The full text, as the API server shows it for a denial or a warning."""
        if self.reason == "InternalError":  # the API server names no policy then
            return self.message
        if self.kind == MUTATING:
            bound = f" with binding '{self.binding}'" if self.binding else ""
            return f"policy '{self.policy}'{bound} denied request: {self.message}"
        if self.action == "Warn":
            return f"Validation failed for {self.kind} '{self.policy}' with binding '{self.binding}': {self.message}"
        if not self.binding:
            return f"{self.kind} '{self.policy}' denied request: {self.message}"
        return f"{self.kind} '{self.policy}' with binding '{self.binding}' denied request: {self.message}"


found = maker(Finding)
"""Finding(…), for whoever makes them while a request waits."""


class Excepted(NamedTuple):
    """What a policy found, or would have changed, and an exception covers: it is in no verdict.

    `finding.action` is the gravest of the binding's; a mutation that was left out has the message that says so.
    """

    exception: PolicyException
    finding: Finding


@dataclass(frozen=True, slots=True)
class Mutation:
    """What the mutating policies made of the object.

    `object` is the object afterwards (the very one that was sent where nothing `changed`; None on DELETE). `policies`:
    the names of those that changed it, in order. `findings`: policies that could not be evaluated under failurePolicy
    Fail; any of them denies the request, and then no mutation is to be applied. `evaluated`: the bindings that matched,
    whose policies were evaluated. `excepted`: mutations that an exception had left out.
    """

    object: dict[str, Any] | None = field(repr=False)  # may be a Secret
    changed: bool = False
    policies: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    evaluated: tuple[Binding, ...] = field(default=(), compare=False, repr=False)
    excepted: tuple[Excepted, ...] = ()

    @property
    def allowed(self) -> bool:
        return not self.findings

    @property
    def code(self) -> int:
        """The status of a denial (403, as the API server answers); 200 if allowed."""
        return self.findings[0].code if self.findings else 200

    @property
    def reason(self) -> str:
        return self.findings[0].reason if self.findings else ""

    @property
    def message(self) -> str:
        """The full text of the first error; "" if there is none."""
        return self.findings[0].text() if self.findings else ""

    @property
    def causes(self) -> tuple[str, ...]:
        """The full texts of all errors."""
        return tuple(finding.text() for finding in self.findings)


_NO_ANNOTATIONS: Mapping[str, str] = MappingProxyType({})


class Decision(NamedTuple):
    """The verdict on one request. (A named tuple: one is made for every review, three times as fast.)

    `code`, `reason` and `message` are those of the first denial (200, "" and "" if allowed); `causes` the full texts of
    all denials. `warnings` are what the API server would show of them. `audit_annotations`: keys without a slash, as
    the API server demands of webhooks. `mutation` is set by `decide`: validation saw the object it holds. `evaluated`:
    the bindings that matched, whose policies were evaluated (those of validation; where it was not reached, of
    mutation). `excepted`: what exceptions cover, of the mutation too.
    """

    allowed: bool
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    audit_annotations: Mapping[str, str] = _NO_ANNOTATIONS
    code: int = 200
    reason: str = ""
    message: str = ""
    causes: tuple[str, ...] = ()
    mutation: Mutation | None = None
    evaluated: tuple[Binding, ...] = ()
    excepted: tuple[Excepted, ...] = ()


def shown_warnings(texts: list[str]) -> tuple[str, ...]:
    """The warnings that a client of the API server sees of `texts`.

    Duplicates, empty ones and ones with control characters vanish. All are whole up to 4,096 characters in total; past
    that each is cut to 256, and those after another 4,096 are dropped.
    """
    shown: list[str] = []
    seen: set[str] = set()
    written = 0
    cutting = False
    for text in texts:
        if not text or text in seen or (cutting and written >= _WARNINGS_TOTAL):
            continue
        seen.add(text)
        if _CONTROL.search(text):
            continue
        if not cutting and written + len(text) > _WARNINGS_TOTAL:
            cutting = True
            shown = [earlier[:_WARNING_CUT] for earlier in shown]
            written = sum(map(len, shown))
        if cutting:
            text = text[:_WARNING_CUT]  # noqa: PLW2901
        shown.append(text)
        written += len(text)
    return tuple(shown)
