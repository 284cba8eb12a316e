"""The interface between the engine and policies, in CEL or Python: evaluators and their results.

A result does not name its policy, binding or param object; webhook.admission.record.Evaluated does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec import Struct

from webhook.frozen import Guarded
from webhook.paths import Path
from webhook.policy.request import JSONObject

if TYPE_CHECKING:
    from webhook.apiserver.retyping import CustomKinds
    from webhook.cel import Program
    from webhook.policy.reviewing import Review
    from webhook.policy.trace import LaterTrace, Trace

FailurePolicy = Literal["Fail", "Ignore"]


class ParamKind(Struct, frozen=True):
    """The kind of a policy's params: apiVersion as in manifests ("v1", "rules.example.com/v1"), and kind."""

    api_version: str
    kind: str

    def __str__(self) -> str:
        group, _, version = self.api_version.rpartition("/")
        return f"{group}/{version}, Kind={self.kind}"


class Failure(Struct, frozen=True):
    """One reason why a policy rejects a request.

    `path`: the place in the object, if the policy named one. `index`: of the validation in the policy; in a Python
    policy, of the violation. `error`: an evaluation error under failurePolicy Fail. `expression`: the place of the
    failed expression in the policy object (`spec.validations[1].expression`); None if there is no single one, as for a
    Python policy, errors of several matchConditions, or an exceeded budget.
    """

    message: str
    reason: str = "Invalid"
    error: bool = False
    path: Path | None = None
    index: int = 0
    expression: Path | None = None


class Evaluation(Guarded, frozen=True):
    """The result of one policy on one request with one param object.

    `annotations`: the audit annotations as (key, value); the key lacks the policy's name. `annotation_errors`: their
    evaluation errors under failurePolicy Fail, which deny regardless of the binding's actions. `ran`: False if the
    matchConditions leave the request out, or are in error and failurePolicy Ignore lets it pass; then nothing else was
    evaluated. `unmet`: the name of the false matchCondition, "" if there is none. `trace`: the results of the
    expressions, if the review records them (webhook.policy.trace). `let_pass`: an evaluation error was left out of the
    failures, under failurePolicy Ignore.
    """

    unshown = uncompared = frozenset({"trace"})

    failures: Sequence[Failure] = ()
    annotations: Sequence[tuple[str, str]] = ()
    annotation_errors: Sequence[Failure] = ()
    ran: bool = True
    unmet: str = ""
    trace: Trace | LaterTrace | None = None
    let_pass: bool = False


PASSED = Evaluation()
"""The result without failures and annotations."""

LET_PASS = Evaluation(ran=False, let_pass=True)
"""The result of matchConditions in error under failurePolicy Ignore."""


class MutationFault(Struct, frozen=True):
    """A mutation that failed. `message`: the text of the denial under failurePolicy Fail.

    `internal`: the mutated object is not valid for its kind; the request is denied under any failurePolicy.
    `expression`: see Failure.
    """

    message: str
    internal: bool = False
    expression: Path | None = None


class MutationResult(Guarded, frozen=True):
    """The result of one mutating policy on one request with one param object.

    `object`: the mutated object; None if nothing changed. `unmet`, `trace`: see Evaluation. `ran`: the matchConditions
    matched; if they are in error, it is False and the error is among the faults.
    """

    unshown = uncompared = frozenset({"trace"})

    object: JSONObject | None = None
    faults: Sequence[MutationFault] = ()
    ran: bool = True
    unmet: str = ""
    trace: Trace | None = None


UNCHANGED = MutationResult()
"""The result of a policy that ran and changed nothing."""


class Validator(Protocol):
    """Evaluates a validating policy."""

    def evaluate(self, review: Review, params: Any) -> Evaluation:
        """Evaluate the policy with one param object (None if the policy or the binding has none).

        Errors of the policy are not raised. They are in the Evaluation, subject to the failurePolicy.
        """

    def programs(self) -> Iterator[tuple[Path, Program]]:
        """The compiled expressions, each with its place in the policy object; none for Python policies."""

    def prepare(self) -> None:
        """Do what the first evaluation would do once, so that no review waits for it."""

    @property
    def sharable(self) -> tuple[tuple[str, bytes], ...]:
        """Name and key of what other policies may use of an evaluation on the same request: the same key is the same
        value."""

    def share(self, repeated: Collection[bytes]) -> None:
        """Share what has one of these keys, and nothing else."""


class Mutator(Protocol):
    """Runs a mutating policy."""

    @property
    def reinvoked(self) -> bool:
        """Whether the policy runs again after the object changed (reinvocationPolicy IfNeeded)."""

    def mutate(self, review: Review, params: Any) -> MutationResult:
        """Run the policy. The request must have an object, which is not modified. A failed mutation has no effect.

        Faults are reported under any failurePolicy.
        """

    def with_custom_kinds(self, custom: CustomKinds) -> Mutator:
        """The same mutator, of which objects of these kinds have the defaults of their schemas after each mutation."""

    def programs(self) -> Iterator[tuple[Path, Program]]: ...

    def prepare(self) -> None: ...
