"""Stops policy code that runs in this process: by a timer in the server, by Ctrl-C in commands.

A timer's signal is handled between two instructions of Python, and within regular expressions, which ask for signals.
So the timer stops what is tame (webhook.policy.python.tame), and nothing else.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Final

TICK: Final = 0.01
"""Seconds between two looks at the policy that runs. Most take less than a thousandth of it, so none looks at them."""

SHARE: Final = 0.025
"""Seconds of processor time that a policy may take after the first look. Waiting for a processor does not count."""

LONGEST: Final = 0.25
"""Seconds after the first look in which it is stopped in any case."""


class Stopped(BaseException):
    """The timer stopped a policy. No policy that is tame can catch it."""


class Timer:
    """Stops a policy in the main thread of this process, by the signal SIGALRM. `begin`, run the policy, `end`.

    The signal comes every TICK seconds while policies run one after the other, and ends with the first TICK in which
    none began: to set and unset a timer for each policy would take two system calls. Not to be used after a fork.
    """

    __slots__ = ("_began", "_begun", "_looked", "_running", "_spent", "_ticking")

    def __init__(self) -> None:
        self._running = self._ticking = False
        self._begun = 0  # policies
        self._looked = 0  # _begun, at the last look
        self._began = self._spent = 0.0  # at the first look at the policy that runs
        signal.signal(signal.SIGALRM, self._rung)

    def begin(self) -> None:
        """Stop what follows, by raising Stopped in it, when it has taken its share of time."""
        self._begun += 1
        self._running = True
        if not self._ticking:
            self._ticking = True
            signal.setitimer(signal.ITIMER_REAL, TICK, TICK)

    def end(self) -> None:
        """Stop nothing any more."""
        self._running = False

    def close(self) -> None:
        """Send no more signals."""
        self._running = self._ticking = False
        signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _rung(self, _number: int, _frame: FrameType | None) -> None:
        if self._looked != self._begun:
            self._looked = self._begun
            self._spent, self._began = time.thread_time(), time.monotonic()
        elif not self._running:
            self.close()
        elif time.thread_time() - self._spent > SHARE or time.monotonic() - self._began > LONGEST:
            raise Stopped


class Interruptible:
    """A context manager: lets Ctrl-C end the process at once, in a call that never returns, or code that catches all.

    Only in the main thread, and only if Ctrl-C raises KeyboardInterrupt, as Python has it at first.
    """

    __slots__ = ("_changed",)

    def __enter__(self) -> None:
        self._changed = (
            signal.getsignal(signal.SIGINT) is signal.default_int_handler
            and threading.current_thread() is threading.main_thread()
        )
        if self._changed:
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def __exit__(self, *_: object) -> None:
        if self._changed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
