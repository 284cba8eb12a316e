"""Runs Python policies on requests.

A policy file is code, and trusted like other code that passed a code review. Still, every exception of a function is
caught and becomes an evaluation error; the policy's failurePolicy decides its effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from types import GeneratorType
from typing import TYPE_CHECKING, Any

import orjson
from msgspec import Struct

from webhook.apiserver.retyping import retyped
from webhook.paths import Path
from webhook.policy.evaluation import PASSED, UNCHANGED, Evaluation, Failure, MutationFault, MutationResult
from webhook.policy.json_values import copy_json, differs, require_json
from webhook.policy.python import raised
from webhook.policy.python.declaring import Declaration, ParamsError
from webhook.policy.python.given import Request as GivenRequest
from webhook.policy.python.given import given_copy, given_plain, given_views
from webhook.policy.python.unchanged import Kept, text_of
from webhook.policy.python.violation import Violation
from webhook.policy.readonly import plain, view
from webhook.policy.request import JSONObject, Request
from webhook.policy.reviewing import Review

if TYPE_CHECKING:
    from webhook.cel import Program

MAX_VIOLATIONS = 1000
"""The most violations of one evaluation: an endless generator would exhaust the server's memory."""


class PythonValidator(Struct, frozen=True):
    """A `@validate` function, run on requests."""

    declaration: Declaration

    @property
    def needs_params(self) -> bool:
        """Whether it cannot run without a param object: it takes a model, and no None."""
        model = self.declaration.model
        return model is not None and not model.optional

    def programs(self) -> Iterator[tuple[Path, Program]]:
        return iter(())

    def evaluate(self, review: Review, params: Any) -> Evaluation:
        """See Validator. The function gets read-only views, unless it is known not to change its arguments.

        If it changed something past the views, that is restored, and the evaluation is an error.
        """
        declaration, request = self.declaration, review.request
        failures: list[Failure] = []
        kept: Kept | None = None
        try:
            if not declaration.only_reads:
                kept = Kept(request, _given_params(declaration, params))
            given = given_plain if declaration.only_reads else given_views
            seen = given(request, review.cluster, declaration.reads)
            for found in _found(_call(declaration, seen, params)):
                violation = found if type(found) is Violation else _violation(found)
                if len(failures) >= MAX_VIOLATIONS:
                    raise ValueError(f"it returned more than {MAX_VIOLATIONS} violations")
                failures.append(Failure(violation.message, violation.reason, path=violation.path, index=len(failures)))
        except (Exception, SystemExit) as error:  # whatever it is, it is the policy's, and failurePolicy decides
            if declaration.failure_policy == "Fail":
                message = _describe(error, declaration, request, params)
                failures.append(Failure(message, error=True, index=len(failures)))
        changed = kept.restore() if kept is not None else None
        if changed is not None and declaration.failure_policy == "Fail":
            message = _describe(changed, declaration, request, params)
            failures.append(Failure(message, error=True, index=len(failures)))
        return Evaluation(failures) if failures else PASSED


class PythonMutator(Struct, frozen=True):
    """A `@mutate` function, run on requests."""

    declaration: Declaration

    @property
    def needs_params(self) -> bool:
        """Whether it cannot run without a param object: it takes a model, and no None."""
        model = self.declaration.model
        return model is not None and not model.optional

    def programs(self) -> Iterator[tuple[Path, Program]]:
        return iter(())

    @property
    def reinvoked(self) -> bool:
        """See Mutator."""
        return self.declaration.reinvoked

    def mutate(self, review: Review, params: Any) -> MutationResult:
        """See Mutator."""
        request = review.request
        if request.object is None:
            return UNCHANGED
        kept = Kept(request, _given_params(self.declaration, params))
        result = self._mutated(review, request.object, params)
        changed = kept.restore()
        if changed is not None:
            return MutationResult(faults=[MutationFault(_describe(changed, self.declaration, request, params))])
        return result

    def _mutated(self, review: Review, original: JSONObject, params: Any) -> MutationResult:
        request = review.request
        before = text_of(original)
        edited: JSONObject = copy_json(original) if before is None else orjson.loads(before)
        try:
            returned = _call(
                self.declaration, given_copy(request, review.cluster, self.declaration.reads, edited), params
            )
            if returned is not None:
                raise TypeError(f"it returned {type(returned).__name__}; edit request.object in place, return nothing")
            if before is not None and text_of(edited) == before:
                return UNCHANGED  # the usual result: the same text, so the same value
            require_json(edited)
        except (Exception, SystemExit) as error:  # whatever it is, it is the policy's, and failurePolicy decides
            return MutationResult(faults=[MutationFault(_describe(error, self.declaration, request, params))])
        # A copy, because the function may have kept a reference; a plain one, because it may have inserted views.
        changed = plain(edited)
        if not differs(original, changed):
            return UNCHANGED
        if any(changed.get(name) != original.get(name) for name in ("apiVersion", "kind")):
            return MutationResult(changed)
        # The API server decodes what a mutation leaves before anyone else sees it. What it cannot decode it refuses.
        decoded = retyped(original, changed)
        return MutationResult(changed if decoded.problems else decoded.object)


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
