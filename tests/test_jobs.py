"""Work that is divided over processes: in order, and with an end that is told."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from webhook.jobs import Jobs, cores

ROOT = Path(__file__).parent.parent
START = "import os, signal, sys\nfrom webhook.jobs import Jobs, WorkerDied, WorkFailed\n"


def ran(source: str) -> str:
    """What a program prints, in a process without threads, which may fork."""
    program = START + textwrap.dedent(source)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_one_process_does_the_work_itself() -> None:
    jobs: Jobs[int, tuple[int, int], str] = Jobs(1, lambda part: (part, os.getpid()), lambda: "end")
    assert list(jobs.run([1, 2])) == [(1, os.getpid()), (2, os.getpid())]
    assert jobs.endings == ["end"]


def test_results_come_in_order_from_several_processes_whatever_their_size() -> None:
    printed = ran("""
        done = []
        def work(part):
            done.append(part)
            return part, "x" * (part % 3) * 500_000, os.getpid()
        jobs = Jobs(3, work, lambda: tuple(done))
        found = list(jobs.run(range(20)))
        print([part for part, _, _ in found] == list(range(20)))
        print(all(len(text) == part % 3 * 500_000 for part, text, _ in found))
        print(len({pid for _, _, pid in found} - {os.getpid()}), sorted(jobs.endings))
    """)
    assert printed.splitlines() == [
        "True",
        "True",
        "3 [(0, 3, 6, 9, 12, 15, 18), (1, 4, 7, 10, 13, 16, 19), (2, 5, 8, 11, 14, 17)]",
    ]


def test_there_are_no_more_processes_than_parts() -> None:
    assert ran("print([pid == os.getpid() for pid in Jobs(8, lambda part: os.getpid(), int).run([1])])") == "[True]\n"


def test_the_first_parts_are_done_before_other_processes_fork() -> None:
    printed = ran("""
        made = []
        since = []
        def work(part):
            since.append(part)
            if not made:
                made.append(part)
            return part, tuple(made), os.getpid()
        def ending():
            taken = tuple(since)
            since.clear()
            return taken
        jobs = Jobs(2, work, ending, first=2)
        found = list(jobs.run(range(8)))
        print([part for part, _, _ in found], {known for _, known, _ in found})
        print([pid == os.getpid() for _, _, pid in found], len({pid for _, _, pid in found}))
        print(jobs.endings)
    """)
    assert printed.splitlines() == [
        "[0, 1, 2, 3, 4, 5, 6, 7] {(0,)}",
        f"{[True] * 2 + [False] * 6} 3",
        "[(0, 1), (2, 4, 6), (3, 5, 7)]",
    ]


def test_one_process_does_all_parts_if_no_more_are_left_for_others() -> None:
    printed = ran("""
        for parts in ([], [1], [1, 2], [1, 2, 3]):
            jobs = Jobs(4, lambda part: os.getpid(), int, first=2)
            print([pid == os.getpid() for pid in jobs.run(parts)], jobs.endings)
    """)
    assert printed.splitlines() == ["[] [0]", "[True] [0]", "[True, True] [0]", "[True, True, True] [0]"]


def test_a_process_that_is_killed_is_told() -> None:
    printed = ran("""
        def work(part):
            if part == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return part
        found = []
        try:
            found += Jobs(2, work, int).run(range(8))
        except WorkerDied as error:
            print(error)
    """)
    assert printed == (
        "a worker process was ended by SIGKILL before its work was done; the system may have run out of memory\n"
    )


def test_a_process_that_ends_early_is_told() -> None:
    printed = ran("""
        try:
            list(Jobs(2, lambda part: os._exit(3) if part == 2 else part, int).run(range(8)))
        except WorkerDied as error:
            print(error)
    """)
    assert printed == "a worker process ended with exit code 3 before its work was done\n"


def test_an_exception_comes_with_its_traceback() -> None:
    printed = ran("""
        try:
            list(Jobs(2, lambda part: 1 // (part - 3), int).run(range(8)))
        except WorkFailed as error:
            print(error)
    """)
    assert "ZeroDivisionError" in printed
    assert "in <lambda>" in printed


def test_whoever_takes_no_more_results_leaves_no_process_behind() -> None:
    printed = ran("""
        results = Jobs(2, lambda part: part, int).run(range(100))
        print(next(results))
        results.close()
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            print("none")
    """)
    assert printed == "0\nnone\n"


def test_there_is_a_core() -> None:
    assert cores() >= 1
