"""The work of a review in the server, without the network: Python calls, and instructions of the interpreter.

The same on every machine with the same Python, at every load, so that two versions of the code can be compared
anywhere. What C code does in a call is not counted: `instructions` counts that too. `python -m bench.calls --by-name`
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from bench.direct import HEADERS, shared
from bench.reviews import review, trees
from bench.servers import recorded
from webhook.server.port.exchange import Answer, Client, Head
from webhook.server.reviews.answering import Reviews

_WARM = 20  # rounds before counting, in which caches are filled
_SHOWN = 60  # functions with --by-name
_C = "C "  # begins the names of functions in C


def main() -> None:
    by_name = "--by-name" in sys.argv
    print("calls: of a review in the server, without the network (the mean)\n")
    print(f"  {'':44} {'Python':>8} {'C':>8} {'instructions of the interpreter':>33}")
    with tempfile.TemporaryDirectory() as scratch:
        four, thirty = trees(Path(scratch))
        recordings = {phase: [file.read_bytes() for file in recorded(phase)] for phase in ("validate", "mutate")}
        made = {right: [json.dumps(review(right=right)).encode()] for right in (True, False)}
        for name, tree, phase, bodies in (
            ("the four, /validate, recorded reviews", four, "validate", recordings["validate"]),
            ("the four, /mutate, recorded reviews", four, "mutate", recordings["mutate"]),
            ("thirty as libraries have them, allowed", thirty, "validate", made[True]),
            ("thirty as libraries have them, denied", thirty, "validate", made[False]),
        ):
            functions, steps = asyncio.run(counted(tree, phase, bodies))
            of_c = sum(count for function, count in functions.items() if function.startswith(_C))
            of_python = functions.total() - of_c
            print(f"  {name:44} {of_python / len(bodies):8.1f} {of_c / len(bodies):8.1f} {steps / len(bodies):33,.0f}")
            for function, count in functions.most_common(_SHOWN) if by_name else ():
                print(f"    {count / len(bodies):8.2f} {function}")
    print()


async def counted(tree: Path, phase: str, bodies: list[bytes]) -> tuple[Counter[str], int]:
    """The calls by function, and the instructions of the interpreter, of answering each of the reviews once."""
    with shared(tree) as (state, metrics, log):
        application, client = Reviews(state, metrics, log), Client("127.0.0.1")
        head = Head("POST", f"/{phase}", b"", b"timeout=10s", HEADERS, b"application/json")
        for _ in range(_WARM):
            for body in bodies:
                application.answer(head, body, client)
        functions: Counter[str] = Counter()

        def called(frame: FrameType, event: str, function: Any) -> None:
            if event == "call":
                functions[f"{_short(frame.f_code.co_filename)}:{frame.f_code.co_qualname}"] += 1
            elif event == "c_call" and function is not sys.setprofile:
                functions[f"{_C}{getattr(function, '__qualname__', function)}"] += 1

        answers: list[Any] = [None] * 2 * len(bodies)
        sys.setprofile(called)
        for index, body in enumerate(bodies):
            answers[index] = application.answer(head, body, client)
        sys.setprofile(None)
        steps = 0

        def traced(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal steps
            frame.f_trace_lines, frame.f_trace_opcodes = False, True
            steps += event == "opcode"
            return traced

        sys.settrace(traced)
        for index, body in enumerate(bodies, len(bodies)):
            answers[index] = application.answer(head, body, client)
        sys.settrace(None)
        if not all(type(each) is Answer for each in answers):
            raise SystemExit("a policy in Python took so long that it was stopped: try again when less else runs")
    return functions, steps


def _short(file: str) -> str:
    return "/".join(file.rsplit("/", 3)[-3:])


if __name__ == "__main__":
    main()
