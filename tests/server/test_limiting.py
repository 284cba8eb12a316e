"""What a process beside the server limits itself to. tests/cli/test_playground.py has a process that does."""

from __future__ import annotations

import os
import resource
import signal

import pytest

from webhook.server import limiting


def test_all_limits_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here they are only noted: they would be those of this process, for good."""
    noted: dict[object, object] = {}
    monkeypatch.setattr(os, "nice", lambda by: noted.update(nice=by))
    monkeypatch.setattr(signal, "alarm", lambda seconds: noted.update(alarm=seconds))
    monkeypatch.setattr(resource, "setrlimit", lambda what, bounds: noted.update({what: bounds}))
    monkeypatch.setattr(limiting, "ended_first", lambda: noted.update(first=True))
    limiting.limit(64 << 20, 60, seconds=5)
    data = noted.pop(resource.RLIMIT_DATA)
    assert isinstance(data, tuple) and data[0] == data[1] > 64 << 20
    assert noted == {
        "nice": 19,
        "first": True,
        "alarm": 60,
        resource.RLIMIT_CPU: (5, 5),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
    }
