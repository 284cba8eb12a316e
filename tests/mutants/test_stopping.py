"""Code that runs forever is stopped, and nothing else is."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from webhook.mutants.stopping import stopping
from webhook.policy.python.stopping import Stopped


def forever() -> None:
    while True:
        pass


def test_what_takes_too_long_is_stopped() -> None:
    with pytest.raises(Stopped), stopping(0.01):
        forever()


def test_waiting_is_no_matter_and_the_timer_ends_with_it() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with stopping(0.05):
        time.sleep(0.2)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_elsewhere_than_in_the_main_thread_nothing_is_stopped() -> None:
    done: list[int] = []

    def run() -> None:
        with stopping(0.0):
            done.append(sum(range(100)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [4950]
