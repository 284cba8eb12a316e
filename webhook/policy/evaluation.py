"""What evaluating a policy gives, and what a policy is to the engine, whatever it is written in.

Which policy, binding and param object an evaluation is of, the engine knows: webhook.admission.record.Evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from webhook.frozen import maker
from webhook.paths import Path
from webhook.policy.request import JSONObject

if TYPE_CHECKING:
    from webhook.cel import Program
    from webhook.policy.reviewing import Review
    from webhook.policy.trace import Trace

FailurePolicy = Literal["Fail", "Ignore"]


@dataclass(frozen=True, slots=True)
class ParamKind:
    """What kind a policy's params are of: apiVersion as manifests write it ("v1", "rules.example.com/v1"), and kind."""

    api_version: str
    kind: str

    def __str__(self) -> str:
        group, _, version = self.api_version.rpartition("/")
        return f"{group}/{version}, Kind={self.kind}"


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that a policy holds against a request.

    `path`: the offending place in the object, where the policy named it. `index` is the validation's place in the
    policy; of a policy in Python, which of its violations it is. `error`: it could not be evaluated, and failurePolicy
    is Fail. `expression`: the place, in the policy object, of the expression that it came from
    (`spec.validations[1].expression`); None where that is no single one: a policy in Python, several matchConditions in
    error, a budget that is used up.
    """

    message: str
    reason: str = "Invalid"
    error: bool = False
    path: Path | None = None
    index: int = 0
    expression: Path | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One policy, evaluated on one request with one param.

    `annotations`: audit annotations as (key, value), the key without the policy's name. `annotation_errors`: those that
    could not be evaluated under failurePolicy Fail; they deny whatever the binding's actions say. `unmet`: the name of
    the matchCondition that is false, so that nothing else was evaluated; "" where they let the policy run.
    `trace`: how each expression came out, where the review was to record it (webhook.policy.trace).
    """

    failures: Sequence[Failure] = ()
    annotations: Sequence[tuple[str, str]] = ()
    annotation_errors: Sequence[Failure] = ()
    unmet: str = ""
    trace: Trace | None = field(default=None, compare=False, repr=False)

    @property
    def ran(self) -> bool:
        """Whether the policy's matchConditions let it run."""
        return not self.unmet


failed = maker(Failure)
evaluation = maker(Evaluation)
"""Failure(…) and Evaluation(…), for whoever makes them while a request waits."""

PASSED = Evaluation()
"""Nothing found, nothing to annotate."""


@dataclass(frozen=True, slots=True)
class MutationFault:
    """A mutation that could not be made; `message` is the text of the denial under failurePolicy Fail.

    `internal`: what came of it is no object of its kind, so that no failurePolicy can let it pass. `expression`: see
    Failure.
    """

    message: str
    internal: bool = False
    expression: Path | None = None


@dataclass(frozen=True, slots=True)
class MutationResult:
    """One mutating policy, run on one request with one param.

    `object` is the object afterwards, None where nothing is changed. `unmet`, `trace`: see Evaluation. `ran`: its
    matchConditions let it run; they may be in error too, which is among the faults then.
    """

    object: JSONObject | None = None
    faults: Sequence[MutationFault] = ()
    ran: bool = True
    unmet: str = ""
    trace: Trace | None = field(default=None, compare=False, repr=False)


UNCHANGED = MutationResult()
"""It ran, and changed nothing."""


class Validator(Protocol):
    """The working part of a validating policy."""

    def evaluate(self, review: Review, params: Any) -> Evaluation:
        """Evaluate for one param (None where the policy or the binding has none).

        Raises no error of the policy's: they are in the Evaluation, as the failurePolicy has it.
        """

    def programs(self) -> Iterator[tuple[Path, Program]]:
        """The compiled expressions, each with its place in the policy object; none for Python policies."""


class Mutator(Protocol):
    """The working part of a mutating policy."""

    @property
    def reinvoked(self) -> bool:
        """Whether it runs once more where the object was changed (reinvocationPolicy IfNeeded)."""

    def mutate(self, review: Review, params: Any) -> MutationResult:
        """Run the policy. The request's object is there, and stays as it is; what of the policy failed leaves no trace.

        Faults are reported whatever the failurePolicy.
        """

    def programs(self) -> Iterator[tuple[Path, Program]]: ...
