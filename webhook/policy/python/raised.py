"""Where a policy's function failed: the place that its message names, and the traceback for whoever asks for it.

A command that shows tracebacks collects them:

    with tracebacks() as raised:
        decide(request, policies, cluster)
    raised  # one for each exception

The server asks for none: then an exception costs what its message costs. A traceback holds names and source of the
policy's file and of what it calls, and no values; the texts of exceptions, which quote values, are not in it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

MAX_FRAMES: Final = 20
"""Calls of one exception that a traceback shows, the last ones; a recursion has a thousand."""

MAX_CAUSES: Final = 5
"""Exceptions that led to an exception, of which a traceback is shown."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception of a policy. `kind`: of the policy. `message`: as the policy's finding has it. `lines`: of text."""

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
    """Tell whoever collects tracebacks of an exception of a policy in `file`."""
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
        # What called the policy is no matter of its author's.
        first = next((place for place, frame in enumerate(frames) if frame.filename == file), 0)
        shown = frames[first:][-MAX_FRAMES:]
        if len(frames) - first > len(shown):
            yield f"… {len(frames) - first - len(shown)} calls before"
        for frame in shown:
            yield f"{frame.filename}:{frame.lineno}, in {frame.name}"
            if frame.line:
                yield f"    {frame.line}"
        led = "" if each is error else ", which led to:"
        yield f"{type(each).__name__}{led}"
