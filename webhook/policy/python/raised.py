"""The place where a policy's function raised, for its message, and the traceback for commands that show it.

Such a command collects tracebacks:

    with tracebacks() as raised:
        decide(request, policies, cluster)
    raised  # one for each exception

The server collects none, so an exception costs it no more than the message. A traceback contains names and source lines
of the policy's file and of the functions that it calls, but no values: exception messages, which may quote values, are
left out.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from msgspec import Struct

MAX_FRAMES: Final = 20
"""The most frames of a traceback, the innermost ones. A recursion has a thousand."""

MAX_CAUSES: Final = 5
"""The most exceptions in a chain of causes."""


class Raised(Struct, frozen=True):
    """An exception of a policy. `kind`: the policy's. `message`: that of the finding. `lines`: the traceback's text."""

    kind: str
    policy: str
    message: str
    lines: tuple[str, ...]


_raised: ContextVar[list[Raised] | None] = ContextVar("raised", default=None)


@contextmanager
def tracebacks() -> Iterator[list[Raised]]:
    """Collect the exceptions of policies while the block runs."""
    found: list[Raised] = []
    token = _raised.set(found)
    try:
        yield found
    finally:
        _raised.reset(token)


def place_of(error: BaseException, file: str) -> str:
    """`FILE:LINE, in FUNCTION` of the policy's code that raised; "" if no frame of the traceback is in its file."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    last = next((frame for frame in frames if frame.filename == file), None)
    return f"{file}:{last.lineno}, in {last.name}" if last else ""


def heard(error: BaseException, kind: str, policy: str, file: str, message: str) -> None:
    """Record an exception of a policy in `file`, if tracebacks are being collected."""
    found = _raised.get()
    if found is not None:
        found.append(Raised(kind, policy, message, tuple(_lines(error, file))))


def _lines(error: BaseException, file: str) -> Iterator[str]:
    chain = [error]
    while len(chain) < MAX_CAUSES:
        last = chain[-1]
        cause = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if cause is None or cause in chain:
            break
        chain.append(cause)
    for each in reversed(chain):
        frames = traceback.extract_tb(each.__traceback__)
        # Gatewright's own frames above the policy do not help its author.
        first = next((place for place, frame in enumerate(frames) if frame.filename == file), 0)
        shown = frames[first:][-MAX_FRAMES:]
        if len(frames) - first > len(shown):
            yield f"… {len(frames) - first - len(shown)} earlier frames"
        for frame in shown:
            yield f"{frame.filename}:{frame.lineno}, in {frame.name}"
            if frame.line:
                yield f"    {frame.line}"
        led = "" if each is error else ", which led to:"
        yield f"{type(each).__name__}{led}"
