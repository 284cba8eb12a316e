"""The results of the engine: findings, mutations, decisions. The texts are kube-apiserver's.

Order everywhere: by policy name, then binding name, then param, then the policy's own order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from webhook.frozen import Guarded
from webhook.lazypatterns import lazily
from webhook.paths import Path

if TYPE_CHECKING:
    from webhook.admission.record import Evaluated
    from webhook.policy.exceptions import PolicyException
    from webhook.policy.policyset import Binding

Action = Literal["Deny", "Warn", "Audit"]

VALIDATING = "ValidatingAdmissionPolicy"
MUTATING = "MutatingAdmissionPolicy"
SCHEMA = "schema"
"""The kinds of findings: of the two kinds of policies, and what the API server refuses before any policy, offline."""

# HTTP status of each reason that a policy may give (admissionregistration.k8s.io/v1, Validation.reason).
REASON_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}

# The API server's limits on warnings, in characters (k8s.io/apiserver, endpoints/filters/warning.go).
_WARNINGS_TOTAL = 4096
_WARNING_CUT = 256

# Characters of a denial's message beyond that of the first policy. The API server passes on any length, and shells show
# it; people read the first lines.
_OTHERS_TOTAL = 4096
_MOST_NAMES = 20
_CONTROL = lazily(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Finding(Guarded, frozen=True):
    """One thing that a policy found wrong with a request, under one action of one binding.

    A validation that fails under a binding with the actions Deny and Audit gives two findings.

    `binding`: "" if the policy itself cannot be configured (`failed to configure policy: …`). `message`: the policy's
    text, without the policy's name. `error`: the policy could not be evaluated and its failurePolicy is Fail. `path`:
    the place in the object, if the policy named one. `index`: the validation's index in the policy, from 0.
    `expression`: the place of the failed expression in the policy object (see webhook.policy.evaluation.Failure).
    `evaluated`: the evaluation that gave the finding, with its param object and the request that the policy saw; None
    if a policy or a binding could not be configured, as nothing is evaluated then.
    """

    unshown = uncompared = frozenset({"evaluated"})

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
    evaluated: Evaluated | None = None

    def text(self) -> str:
        """The full text, as the API server shows it for a denial or a warning."""
        if self.kind == SCHEMA or self.reason == "InternalError":  # the API server names no policy then
            return self.message
        if self.kind == MUTATING:
            bound = f" with binding '{self.binding}'" if self.binding else ""
            return f"policy '{self.policy}'{bound} denied request: {self.message}"
        if self.action == "Warn":
            return f"Validation failed for {self.kind} '{self.policy}' with binding '{self.binding}': {self.message}"
        if not self.binding:
            return f"{self.kind} '{self.policy}' denied request: {self.message}"
        return f"{self.kind} '{self.policy}' with binding '{self.binding}' denied request: {self.message}"


class Excepted(NamedTuple):
    """A finding or a mutation that an exception covers. It is no part of the verdict.

    `finding.action`: the most severe of the binding's actions. For a mutation that was not applied, `finding.message`
    says so.
    """

    exception: PolicyException
    finding: Finding


class Mutation(Guarded, frozen=True):
    """The result of the mutating policies.

    `object`: the mutated object; the request's own object if nothing `changed`; None on DELETE. `policies`: the names
    of the policies that changed it, in order. `findings`: one for each policy that could not be evaluated and has the
    failurePolicy Fail. Any finding denies the request, and the mutation must not be applied. `evaluated`: the bindings
    that matched, each with an evaluated policy. `excepted`: the mutations that an exception suppressed.
    """

    unshown = frozenset({"object", "evaluated"})  # the object may be a Secret
    uncompared = frozenset({"evaluated"})

    object: dict[str, Any] | None
    changed: bool = False
    policies: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    evaluated: tuple[Binding, ...] = ()
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
    """The verdict on one request. A named tuple is made three times as fast as a frozen dataclass, once a review.

    `code`, `reason` and `message`: those of the first denial (200, "" and "" if allowed). `causes`: the full texts of
    all denials. `warnings`: the warnings that the API server would show. `audit_annotations`: their keys have no slash,
    as the API server demands of webhooks. `mutation`: set by `decide`; validation saw its object. `evaluated`: the
    bindings that matched and had their policies evaluated, by validation; by mutation if that denied the request.
    `excepted`: the findings and mutations that exceptions cover.
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


def denial_text(texts: Sequence[str], denials: Sequence[Finding]) -> str:
    """The message of a denial: the text of the first, as the API server has it, then one line for each further policy
    and binding with its first denial. texts: those of the denials.

    The API server names the first policy only, and the others in the status' causes, which clients do not show. Once
    the lines exceed 4,096 characters, only the names of the rest follow, as far as there is room for them.
    """
    firsts: dict[tuple[str, str], str] = {}
    for text, denial in zip(texts, denials, strict=True):
        firsts.setdefault((denial.policy, denial.binding), text)
    if len(firsts) < 2:
        return texts[0] if texts else ""
    lines, left = [texts[0]], _OTHERS_TOTAL
    unsaid: list[str] = []
    for (policy, _), text in list(firsts.items())[1:]:
        if not unsaid and len(text) < left:
            left -= len(text) + 1
            lines.append(text)
        else:
            unsaid.append(f"'{policy}'")
    if unsaid:
        names = list(dict.fromkeys(unsaid))
        lines.append(f"also denied by {', '.join(names[:_MOST_NAMES])}")
        if len(names) > _MOST_NAMES:
            lines[-1] += f" and {len(names) - _MOST_NAMES} others"
    return "\n".join(lines)


def shown_warnings(texts: list[str]) -> tuple[str, ...]:
    """The warnings of `texts` that the API server passes on to its client.

    It drops duplicates, empty texts and texts with control characters. Texts of up to 4,096 characters in total stay
    whole. Beyond that each is cut to 256 characters, and the rest is dropped once those exceed 4,096 characters too.
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
