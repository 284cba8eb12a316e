"""What evaluating a policy gives, and what a policy is to the engine, whatever it is written in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from webhook.paths import Path
from webhook.policy.matching import RequestNamespace
from webhook.policy.request import JSONObject, Request

if TYPE_CHECKING:
    from webhook.cel import Program

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

    `index` is the validation's place in the policy. `error`: it could not be evaluated, and failurePolicy is Fail.
    """

    message: str
    reason: str = "Invalid"
    error: bool = False
    path: Path | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One policy, evaluated on one request with one param.

    `annotations`: audit annotations as (key, value), the key without the policy's name. `annotation_errors`: texts of
    those that could not be evaluated under failurePolicy Fail; they deny whatever the binding's actions say.
    """

    failures: Sequence[Failure] = ()
    annotations: Sequence[tuple[str, str]] = ()
    annotation_errors: Sequence[str] = ()


PASSED = Evaluation()
"""Nothing found, nothing to annotate."""


@dataclass(frozen=True, slots=True)
class MutationFault:
    """A mutation that could not be made; `message` is the text of the denial under failurePolicy Fail.

    `internal`: what came of it is no object of its kind, so that no failurePolicy can let it pass.
    """

    message: str
    internal: bool = False


@dataclass(frozen=True, slots=True)
class MutationResult:
    """One mutating policy, run on one request with one param.

    `object` is the object afterwards, None where nothing is changed. `ran`: its matchConditions let it run.
    """

    object: JSONObject | None = None
    faults: Sequence[MutationFault] = ()
    ran: bool = True


UNCHANGED = MutationResult()
"""It ran, and changed nothing."""


class Validator(Protocol):
    """The working part of a validating policy."""

    def evaluate(self, request: Request, params: Any, namespace: RequestNamespace) -> Evaluation:
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

    def mutate(self, request: Request, params: Any, namespace: RequestNamespace) -> MutationResult:
        """Run the policy. `request.object` is there, and stays as it is; what of the policy failed leaves no trace.

        Faults are told whatever the failurePolicy.
        """

    def programs(self) -> Iterator[tuple[Path, Program]]: ...
