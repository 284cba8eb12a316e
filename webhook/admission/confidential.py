"""Masks values of Secrets in what policies say of a review of the server, before the engine makes a message of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from webhook.admission.record import Evaluated
from webhook.admission.redaction import LIMIT, Redaction, SecretsSeen, secrets_in
from webhook.byidentity import ByIdentity
from webhook.cluster.view import ClusterView
from webhook.policy.evaluation import Evaluation, Failure, MutationFault
from webhook.policy.policyset import Policy
from webhook.policy.request import Request


class Confidential(Struct, eq=False):
    """Masks what policies say of one review of the server. Costs nothing before a policy says something.

    Secrets of a review are: the object and the old object, and Secrets inside them; params; and what policies looked
    up, if `cluster` is a SecretsSeen.
    """

    request: Request
    body: bytes
    """The text of the review, which says quickly that there is no Secret in it."""
    cluster: ClusterView
    params: list[Any] = field(default_factory=list)
    """What policies that said something were given and may hold a Secret; None of one that looks Secrets up."""
    without: bool = False
    """Whether it is known that the objects of the request hold no Secret."""
    found: int = 0
    own: Redaction | None = None
    all: Redaction | None = None

    __repr__ = object.__repr__  # a struct's own would show the body

    def evaluation(self, evaluated: Evaluated, evaluation: Evaluation) -> Evaluation:
        """The result of a validating policy without values of Secrets: those of the request, and those that it has
        read."""
        if concerns_secret(evaluated.policy, evaluated.param):
            self.params.append(evaluated.param)
            redaction = self._of_everything()
        elif self.without:
            return evaluation
        else:
            redaction = self._of_request()
        if not redaction:
            return evaluation
        annotations = [(key, redaction.applied(value)) for key, value in evaluation.annotations]
        failures = [_without(each, redaction) for each in evaluation.failures]
        errors = [_without(each, redaction) for each in evaluation.annotation_errors]
        return replace(evaluation, failures=failures, annotations=annotations, annotation_errors=errors)

    def faults(self, evaluated: Evaluated, faults: Iterable[MutationFault]) -> Sequence[MutationFault]:
        """The faults of a mutating policy without values of Secrets, including those of earlier policies, since it sees
        the object that they made."""
        if concerns_secret(evaluated.policy, evaluated.param):
            self.params.append(evaluated.param)
        redaction = self._of_everything()
        return [replace(each, message=redaction.applied(each.message)) for each in faults]

    def text(self, text: str) -> str:
        """The text without values of the Secrets that are known by now."""
        return self._of_everything().applied(text)

    def _of_request(self) -> Redaction:
        if self.own is None:
            self.own = Redaction.of(*self._sent(), limit=LIMIT)
            self.without = not self.own
        return self.own

    @property
    def is_concerned(self) -> bool:
        """Whether something that a policy said so far may come from a Secret which it has read."""
        return bool(self.params)

    def _of_everything(self) -> Redaction:
        seen = self.cluster.seen if isinstance(self.cluster, SecretsSeen) else []
        found = len(seen) + len(self.params)
        if self.all is None or found != self.found:
            self.found = found
            read = {id(each): each for each in (*self.params, *seen)}
            self.all = Redaction.of(*self._sent(), *read.values(), limit=LIMIT) if read else self._of_request()
        return self.all

    def _sent(self) -> Iterator[Any]:
        """The objects of the request, if one may be or hold a Secret."""
        request = self.request
        of_secrets = request.resource[::2] == ("", "secrets")
        if of_secrets or b'"Secret"' in self.body:
            for value in (request.object, request.old_object):
                yield {**value, "kind": "Secret"} if of_secrets and value else value


def _without(failure: Failure, redaction: Redaction) -> Failure:
    path = failure.path
    if path is not None and redaction.names(path):
        path = None
    return replace(failure, message=redaction.applied(failure.message), path=path)


def concerns_secret(policy: Policy[Any], param: Any) -> bool:
    """Whether everything that a policy says may come from a Secret: its params hold one, or it looks Secrets up."""
    return policy.reads_secrets or (param is not None and _holds_secret(param))


def _holds_secret(param: Any) -> bool:
    """Whether there is a Secret in a param object. Of the last ones it is known: many reviews have the same."""
    known = _PARAMS.get(param)
    return _PARAMS.keep(param, any(secrets_in(param))) if known is None else known


_PARAMS: Final[ByIdentity[bool]] = ByIdentity(64)
