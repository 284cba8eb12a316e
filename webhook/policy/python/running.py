"""Runs Python policies on requests.

Every exception of a function is caught and becomes an evaluation error; the policy's failurePolicy decides its effect.
Commands run policies here, with no deadline. The server gives its reviews `runs` (webhook.policy.reviewing.Runs), which
limit a policy that is tame by a timer, and run any other in a process of its own.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import nullcontext
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct
from msgspec.structs import replace

from webhook.apiserver.retyping import NO_CUSTOM_KINDS, CustomKinds, retyped
from webhook.cluster.view import Unanswered
from webhook.paths import Path
from webhook.policy.evaluation import PASSED, UNCHANGED, Evaluation, Failure, MutationFault, MutationResult
from webhook.policy.json_values import copy_json, differs
from webhook.policy.python import raised
from webhook.policy.python.declaring import Declaration, ParamsError
from webhook.policy.python.forbidding import Forbidding
from webhook.policy.python.given import Request as GivenRequest
from webhook.policy.python.given import given_copy, given_plain, given_views
from webhook.policy.python.stopping import Interruptible, Stopped
from webhook.policy.python.unchanged import Kept, plain_copy, text_of
from webhook.policy.python.violation import Violation
from webhook.policy.readonly import view
from webhook.policy.request import JSONObject, Request
from webhook.policy.reviewing import Review
from webhook.versions import NEWEST, Version

if TYPE_CHECKING:
    from webhook.cel import Program

MAX_VIOLATIONS = 1000
"""The most violations of one evaluation: an endless generator would exhaust the server's memory."""


class _Declared(Struct, frozen=True):
    """The part that validators and mutators share: a function with its declaration."""

    declaration: Declaration

    @property
    def needs_params(self) -> bool:
        """Whether it cannot run without a param object: it takes a model, and no None."""
        model = self.declaration.model
        return model is not None and not model.optional

    def programs(self) -> Iterator[tuple[Path, Program]]:
        return iter(())

    def prepare(self) -> None:
        """Find whether the function only reads."""
        self.declaration.find_whether_it_only_reads()


class PythonValidator(_Declared, frozen=True):
    """A `@validate` function, run on requests."""

    @property
    def sharable(self) -> tuple[tuple[str, bytes], ...]:
        """See Validator: nothing, as functions have no parts that are known."""
        return ()

    def share(self, repeated: Collection[bytes]) -> None:
        """See Validator."""

    def evaluate(self, review: Review, params: Any) -> Evaluation:
        """See Validator."""
        if review.runs is not None:
            return review.runs.evaluation(self, review, params)
        return self.evaluated_here(review, params)

    def evaluated_here(self, review: Review, params: Any) -> Evaluation:
        """See Validator. The function gets read-only views, unless it is known not to change its arguments.

        If it changed something past the views, that is restored, and the evaluation is an error.
        """
        declaration, request = self.declaration, review.request
        failures: list[Failure] = []
        let_pass = False
        kept: Kept | None = None
        try:
            if not declaration.only_reads:
                kept = Kept(request, _given_params(declaration, params))
            given = given_plain if declaration.only_reads else given_views
            seen = given(request, review.cluster, declaration.reads)
            with _Limits() if review.runs is None else _UNLIMITED:
                for found in _found(_call(declaration, seen, params)):
                    violation = found if type(found) is Violation else _violation(found)
                    if len(failures) >= MAX_VIOLATIONS:
                        raise ValueError(f"it returned more than {MAX_VIOLATIONS} violations")
                    failure = Failure(violation.message, violation.reason, path=violation.path, index=len(failures))
                    failures.append(failure)
        except BaseException as error:
            _not_of_policy(error, review)
            if declaration.failure_policy == "Fail":
                message = _describe(error, declaration, request, params)
                failures.append(Failure(message, error=True, index=len(failures)))
            else:
                let_pass = True
        finally:
            if review.runs is not None:
                review.runs.over()
            changed = kept.restore() if kept is not None else None
        if changed is not None and declaration.failure_policy == "Fail":
            message = _describe(changed, declaration, request, params)
            failures.append(Failure(message, error=True, index=len(failures)))
        return Evaluation(failures, let_pass=let_pass) if failures or let_pass else PASSED


class PythonMutator(_Declared, frozen=True):
    """A `@mutate` function, run on requests.

    custom: the custom kinds whose objects get defaults after it. target: the Kubernetes version of objects.
    """

    custom: CustomKinds = NO_CUSTOM_KINDS
    target: Version = NEWEST

    @property
    def reinvoked(self) -> bool:
        """See Mutator."""
        return self.declaration.reinvoked

    def mutate(self, review: Review, params: Any) -> MutationResult:
        """See Mutator."""
        original = review.request.object
        if original is None:
            return UNCHANGED
        runs = review.runs
        edited = self.edited_here(review, params) if runs is None else runs.edited(self, review, params)
        return edited if isinstance(edited, MutationResult) else self._completed(review, original, edited)

    def with_custom_kinds(self, custom: CustomKinds) -> PythonMutator:
        """See Mutator."""
        return replace(self, custom=custom)

    def _completed(self, review: Review, original: JSONObject, changed: JSONObject) -> MutationResult:
        if not differs(original, changed):
            return UNCHANGED
        if any(changed.get(name) != original.get(name) for name in ("apiVersion", "kind")):
            return MutationResult(changed)
        # The API server decodes what a mutation leaves before anyone else sees it. What it cannot decode it refuses.
        made = retyped(original, changed, self.custom, self.target, typed=original is review.typed)
        if made.problems:
            return MutationResult(changed)
        if made.typed:
            review.typed = made.object
        return MutationResult(made.object)

    def edited_here(self, review: Review, params: Any) -> MutationResult | JSONObject:
        """The object as the function leaves it, of plain JSON values; or the result if it left it unchanged or failed.

        The request must have an object.
        """
        request = review.request
        kept = Kept(request, _given_params(self.declaration, params))
        try:
            result = self._edited(review, request.object or {}, params, kept.object)
        finally:
            if review.runs is not None:
                review.runs.over()
            changed = kept.restore()
        if changed is not None:
            return MutationResult(faults=[MutationFault(_describe(changed, self.declaration, request, params))])
        return result

    def _edited(
        self, review: Review, original: JSONObject, params: Any, before: bytes | None
    ) -> MutationResult | JSONObject:
        """before: the text_of of the object."""
        request = review.request
        edited: JSONObject = copy_json(original) if before is None else orjson.loads(before)
        try:
            seen = given_copy(request, review.cluster, self.declaration.reads, edited)
            with _Limits() if review.runs is None else _UNLIMITED:
                returned = _call(self.declaration, seen, params)
            if returned is not None:
                raise TypeError(f"it returned {type(returned).__name__}; edit request.object in place, return nothing")
            after = text_of(edited)
            if before is not None and after == before:
                return UNCHANGED  # the usual result: the same text, so the same value
            # A copy, because the function may have kept a reference; a plain one, because it may have inserted views.
            changed: JSONObject = plain_copy(edited, after)
        except BaseException as error:
            _not_of_policy(error, review)
            return MutationResult(faults=[MutationFault(_describe(error, self.declaration, request, params))])
        return changed


class _Limits:
    """In a command, a policy may do what it may do in the server. Only it has no deadline, and Ctrl-C ends it."""

    __slots__ = ("_forbidding", "_interruptible", "_stdout")

    def __init__(self) -> None:
        self._forbidding = Forbidding()
        self._interruptible = Interruptible()

    def __enter__(self) -> None:
        self._stdout, sys.stdout = sys.stdout, sys.stderr
        self._interruptible.__enter__()
        self._forbidding.__enter__()

    def __exit__(self, *_: object) -> None:
        self._forbidding.__exit__()
        self._interruptible.__exit__()
        sys.stdout = self._stdout


_UNLIMITED: Final = nullcontext()


def _not_of_policy(error: BaseException, review: Review) -> None:
    """Raise the exceptions that are not the policy's: of the timer, of a question to the cluster, of Ctrl-C.

    Whatever else a policy raises is its own, and its failurePolicy decides.
    """
    if isinstance(error, Stopped | Unanswered) or (isinstance(error, KeyboardInterrupt) and review.runs is None):
        raise error


def _given_params(declaration: Declaration, params: Any) -> Any:
    """The params object if the function gets it as JSON. A model is read-only itself."""
    return params if declaration.takes_params and declaration.model is None else None


def _call(declaration: Declaration, request: GivenRequest, params: Any) -> Any:
    if not declaration.takes_params:
        return declaration.function(request)
    if declaration.model is not None:
        params = declaration.model.read(params)
    elif not declaration.only_reads:
        params = view(params)
    return declaration.function(request, params)


def _found(returned: Any) -> Iterable[Any]:
    """The violations that a validating function returned, as an iterable."""
    if type(returned) is GeneratorType:
        return returned
    if returned is None:
        return ()
    if isinstance(returned, (str, Violation)):  # a tuple, because `str | Violation` would be created at each call
        return (returned,)
    if isinstance(returned, dict) or not hasattr(returned, "__iter__"):
        raise TypeError(f"it returned {type(returned).__name__}; expected Violations, text or None")
    found: Iterable[Any] = returned
    return found


def _violation(found: Any) -> Violation:
    if isinstance(found, Violation):
        return found
    if isinstance(found, str):
        return Violation(found)
    raise TypeError(f"it returned {type(found).__name__}; expected a Violation or text")


def _describe(error: BaseException, declaration: Declaration, request: Request, params: Any) -> str:
    """The message of an evaluation error: the exception, and the file, line and function of the policy that raised it.

    If a Secret is involved, the exception's own message is left out: Python's messages quote values (int('…')).
    """
    if isinstance(error, ParamsError):
        return str(error)
    secret = (
        request.kind[::2] == ("", "Secret")
        or (isinstance(params, dict) and params.get("kind") == "Secret")
        or ("v1", "Secret") in declaration.reads
    )
    text = "" if secret or isinstance(error, RecursionError | MemoryError) else re.sub(r"\s+", " ", str(error)).strip()
    what = f"{type(error).__name__}: {text[:500]}" if text else type(error).__name__
    place = raised.place_of(error, declaration.file)
    message = f"function '{declaration.function.__name__}' resulted in error: {what}{f' ({place})' if place else ''}"
    raised.heard(error, declaration.kind, declaration.name, declaration.file, message)
    return message
