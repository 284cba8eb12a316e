"""The processes in which policies run apart: the host that forks them, and what they send."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from webhook.policy.python.apart import frames
from webhook.server.python.policyprocesses import Process, Processes
from webhook.server.telemetry.logs import Log


def test_a_host_that_has_ended_is_replaced_and_said_before_the_loop_hears_of_it(tmp_path: Path) -> None:
    async def run() -> None:
        with (tmp_path / "log").open("wb") as output:
            log = Log(output.fileno())
            processes = Processes(log)
            try:
                processes.start(lambda: None)
                host = processes._host
                assert host is not None
                host.kill()
                host.wait()
                processes.start(lambda: None)
                assert processes._host is not host
            finally:
                processes.close()
                assert log.flush()

    asyncio.run(run())
    assert (tmp_path / "log").read_text().count('"event":"process ended"') == 1


def test_frames_are_taken_whole_and_in_order() -> None:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    try:
        process = Process(1, ours, reading)
        sent = frames.framed({"n": 1}) + frames.framed({"n": 2})
        process.buffer += sent[:-1]
        assert process.frame() == {"n": 1}
        assert process.frame() is None
        process.buffer += sent[-1:]
        assert process.frame() == {"n": 2}
        process.buffer += (frames.MAX_FRAME + 1).to_bytes(frames.HEAD, "big")
        with pytest.raises(frames.BadFrame):
            process.frame()
    finally:
        for end in (ours, theirs):
            end.close()
        for descriptor in (reading, writing):
            os.close(descriptor)


def test_of_the_output_the_end_is_kept() -> None:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    try:
        os.set_blocking(reading, False)
        process = Process(1, ours, reading)
        for _ in range(3):
            os.write(writing, b"a" * 10_000)
        os.write(writing, b"end")
        process.read_output()
        assert process.written.endswith(b"aend") and 10_000 < len(process.written) < 20_000
    finally:
        for end in (ours, theirs):
            end.close()
        for descriptor in (reading, writing):
            os.close(descriptor)
