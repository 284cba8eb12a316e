"""Keeps the requests that policies are asked about, as both phases see them."""

import copy

from gatewright import Request, mutate, validate
from tests.dryrun.seen import SEEN


@mutate(resources=["*"], operations=["CREATE"])
def keep_mutation(request: Request) -> None:
    """The request as mutating policies see it."""
    SEEN.keep("mutation", request.name, request.options, copy.deepcopy(request.object))


@validate(resources=["*"], operations=["CREATE"])
def keep_validation(request: Request) -> str:
    """The request as validating policies see it; the message is the number under which it is kept."""
    return SEEN.keep("validation", request.name, request.options, copy.deepcopy(request.object))
