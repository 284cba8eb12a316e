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


class MutationError(Exception):
    """A mutating policy could not be evaluated; str(error) is the text of the denial under failurePolicy Fail."""


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

    def mutate(self, request: Request, params: Any) -> JSONObject | None:
        """The object after this policy, or None where it changes nothing. `request.object` stays as it is.

        Raises MutationError, whatever the failurePolicy.
        """

    def programs(self) -> Iterator[tuple[Path, Program]]: ...
