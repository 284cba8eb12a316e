"""Hostile expressions made at random, and a process that evaluates them within a limit on its memory.

Every function of every library is called, on values that are large, deep, or share their parts: thirty variables, each
a list of the one before it twice, have a billion leaves. `python -m tests.cel.hostile '{"seed": 1, …}'` is the process;
tests/cel/test_bounds.py starts it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Final

from msgspec import Struct

from tests.cel.evaluating import BINDINGS
from webhook.cel import Activation, CompileError, Environment, EvaluationError, types
from webhook.cel.cost import costs, metering
from webhook.cel.functions import libraries_of
from webhook.cel.library.authorizer import AUTHORIZER
from webhook.cel.library.declaring import Overload
from webhook.cel.program import Counting, Program, Recording
from webhook.cel.tree.types import Type
from webhook.versions import NEWEST

MIB: Final = 1024 * 1024


class Plan(Struct, frozen=True):
    """What the process is to do.

    cases: expressions for each overload; 0 is one for each name of a function, in one form. memory: the MiB that it
    may take beyond what it has at its start. work, cost: the limits of an expression. events: the calls, of Python
    functions and others, that one evaluation may make. seconds: the processor time that one evaluation may take; 0 is
    any.
    """

    seed: int
    cases: int
    memory: int
    work: int = costs.MAX_WORK
    cost: int = metering.EXPRESSION_COST
    events: int = 0
    seconds: float = 0.0


OVERLOADS: Final = tuple((library.name, overload) for library in libraries_of(NEWEST) for overload in library.overloads)
FORMS: Final = ("plain", "counted", "exact", "recording", "explained")

LARGE: Final = {
    "ascii": "a" * MIB,
    "emoji": "\U0001f600" * (MIB // 4),
    "latin": "é" * (MIB // 2),
    "digits": "9" * (MIB // 2),
    "blanks": " " * (MIB // 2),
    "thousand": "a" * 1000,
    "groups": "(a?)" * 2000,
    "named": "".join(f"(?P<n{n}>x?)" for n in range(1500)),
    "classes": r"\pL\PN" * 400,
    "repeated": "(.{1000}){1,3}|((a{9}){9}){9}",
    "clauses": "%.999f%s%d%e" * 1000,
    "url": "http://a" + "/%41" * 50_000 + "?" + "a=b&" * 50_000,
    "words": [f"word-{n}" for n in range(30_000)],
    "numbers": list(range(60_000)),
    "hundred": list(range(100)),
    "floats": [1e308] * 60_000,
    "maps": [{"a": n, "b": [n]} for n in range(20_000)],
    "lists": [[n] for n in range(30_000)],
    "rows": [list(range(300)) for _ in range(300)],
    "keys": {f"key-{n}": n for n in range(30_000)},
    "texts": ["a" * 20_000] * 300,
}
DEPTHS: Final = (3, 12, 30)
STEPS: Final = {
    "list": ("[1, 2, 3]", "[@, @]"),
    "wide": ("['a', 'b']", "[@, @, @, @, @, @, @, @]"),
    "map": ("{'a': 1}", "{'a': @, 'b': @}"),
    "keyed": ("{1u: 'a'}", "{dyn(1u): @, dyn(true): @, dyn(2.5): @}"),
    "optional": ("optional.of(1.5)", "optional.of([@, @])"),
    "time": ("[timestamp(0)]", "[@, @]"),
    "text": ("'0123456789'", "@ + @"),
    "sum": ("1", "@ + @"),
    "joined": ("['ab']", "[dyn(@).join(), dyn(@).join('-')]"),
    "filtered": ("[1, 2]", "[dyn(@.filter(e, e in @)), @]"),
    "truth": ("x.hundred == []", "@ || @"),
}


def _variables() -> tuple[Environment, dict[str, Program]]:
    """The environment with variables that double one another, and their programs."""
    environment = Environment({"x": types.DYN, "authorizer": types.parse(AUTHORIZER)})
    programs: dict[str, Program] = {}
    for kind, (start, step) in STEPS.items():
        source = f"dyn({start})"
        for level in range(max(DEPTHS) + 1):
            name = f"variables.{kind}{level}"
            programs[name] = environment.compile(source)
            environment = environment.extend({name: types.DYN})
            source = f"dyn({step.replace('@', name)})"
    return environment, programs


class Expressions:
    """A source of hostile expressions; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.makers = {
            result: [each for _, each in OVERLOADS if str(each.result) == result and result != "T"]
            for result in {str(each.result) for _, each in OVERLOADS}
        }

    def any_of(self, *texts: str) -> str:
        return self.random.choice(texts)

    def one_of_each_name(self) -> Iterator[tuple[str, Overload]]:
        by_name: dict[tuple[str, str], list[Overload]] = {}
        for library, overload in OVERLOADS:
            by_name.setdefault((library, overload.name), []).append(overload)
        return ((library, self.random.choice(several)) for (library, _), several in by_name.items())

    def shared(self) -> str:
        return f"variables.{self.any_of(*STEPS)}{self.random.choice(DEPTHS)}"

    def value(self, wanted: Type, depth: int = 2) -> str:
        """An expression of a type, or of dyn."""
        if depth and self.random.random() < 0.3 and self.makers.get(str(wanted)):
            return self.call(self.random.choice(self.makers[str(wanted)]), depth - 1)
        match wanted.name:
            case "string":
                large = [f"x.{name}" for name, value in LARGE.items() if isinstance(value, str)]
                return self.any_of(
                    *large, "'a'", "''", "variables.text3", "variables.text12", "string(x.thousand + 'b')"
                )
            case "list":
                large = [f"x.{name}" for name, value in LARGE.items() if isinstance(value, list)]
                element = self.value(wanted.params[0], 0) if wanted.params else "1"
                return self.any_of(
                    *large, self.shared(), f"[dyn({element}), dyn({element})]", f"[{', '.join(['x'] * 40)}]"
                )
            case "map":
                return self.any_of("x", "x.keys", "{}", "variables.map30", "{'a': variables.list30}")
            case "int":
                return self.any_of("0", "1", "-1", "7", "1000", "9223372036854775807", "x.ascii.size()")
            case "uint":
                return self.any_of("0u", "3u", "18446744073709551615u")
            case "double":
                return self.any_of("1e308", "0.0", "1.5", "double('NaN')")
            case "bool":
                return self.any_of("true", "false", f"{self.value(types.DYN, 0)} == {self.value(types.DYN, 0)}")
            case "bytes":
                return self.any_of("b'a'", "bytes(string(x.ascii))", "bytes(string(x.emoji)) + bytes(string(x.latin))")
            case "duration":
                return self.any_of("duration('1h')", "duration(string(x.digits))")
            case "timestamp":
                return self.any_of("timestamp(0)", "timestamp(string(x.digits))")
            case "type":
                return f"type({self.value(types.DYN, 0)})"
            case "optional_type":
                inner = self.value(wanted.params[0], 0)
                return self.any_of(
                    f"optional.of({inner})", "optional.none()", f"optional.of({inner}).optMap(o, [o, o][0])"
                )
            case "dyn" | "T" | "K" | "V" | "U":
                return self.any_of(
                    self.any_of(*(f"x.{name}" for name in LARGE)),
                    self.shared(),
                    self.shared(),
                    f"dyn({self.value(types.STRING, 0)})",
                    "x",
                )
        if wanted.name.endswith("Authorizer"):
            return "authorizer"
        if wanted.name.endswith("NamedFormat"):
            return self.any_of("format.dns1123Subdomain().value()", "format.uri().value()", "format.byte().value()")
        makers = [each for each in self.makers[str(wanted)] if wanted not in each.params]
        return self.call(self.random.choice(makers), max(depth - 1, 0))

    def call(self, overload: Overload, depth: int = 2) -> str:
        """A call of an overload."""
        args = [self.value(each, depth) for each in overload.params]
        name = overload.name
        if name.startswith("@"):  # sortBy, a macro, calls it
            return f"dyn({args[0]}).sortBy(e, dyn({args[1]})[0])"
        if not overload.member:
            return f"{name}({', '.join(args)})"
        return f"({args[0]}).{name}({', '.join(args[1:])})"

    def around(self, call: str) -> str:
        """A boolean expression with the call: alone, in a loop that keeps every result, in one that absorbs errors."""
        several = self.any_of("x.hundred", "x.numbers", "x.maps", "lists.range(3000)", "x.keys")
        return self.any_of(
            f"dyn({call}) == dyn({call})",
            f"[dyn({call})] != [{self.shared()}]",
            f"{several}.map(i, dyn({call})).size() > 0",
            f"{several}.map(i, [dyn({call}), i]).map(j, [j, j]).size() > 0",
            f"{several}.all(i, dyn({call}) == i || true)",
            f"{several}.all(i, x.hundred.exists(j, dyn({call}) == j || 1 / 0 == j) || true)",
            f"{several}.transformMapEntry(i, e, {{string(i): dyn({call})}}).size() > 0",
            f"{several}.filter(i, x.hundred.exists_one(k, k == i) || dyn({call}) == i).size() > 0",
            f"'%s %s'.format([dyn({call}), {self.shared()}]).size() > 0",
            f"{{'a': dyn({call}), ?'b': optional.of(dyn({call}))}} == {self.shared()}",
            f"dyn({call}) in [{self.shared()}, {call}, dyn({call})]",
            f"[optional.of(dyn({call}))].indexOf(optional.of({self.shared()})) >= 0",
        )


class TooManySteps(BaseException):
    """An evaluation made more calls than it may."""


@contextmanager
def counted(events: int) -> Iterator[None]:
    """A block that may make so many calls; 0 is any number."""
    left = events

    def count(_: FrameType, event: str, __: Any) -> None:
        nonlocal left
        left -= event in ("call", "c_call")
        if left < 0:
            sys.setprofile(None)
            raise TooManySteps

    if events:
        sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


def evaluated(program: Program, form: str, variables: Mapping[str, Program]) -> str:
    """Evaluate a program in one form. Returns how it ended."""
    bindings = {**BINDINGS, "x": LARGE}
    recording = Recording(bindings, {}, variables)
    run: dict[str, Callable[[], Any]] = {
        "plain": lambda: program.evaluate(Activation(bindings, {}, variables)),
        "counted": lambda: program.evaluate_counting(Counting(bindings, {}, variables)),
        "exact": lambda: program.evaluate_exactly(Activation(bindings, {}, variables)),
        "recording": lambda: program.witnesses(recording, "x"),
        "explained": lambda: program.explain(recording),
    }
    try:
        run[form]()
    except EvaluationError as error:
        text = str(error)
        return "cut off" if "operation cancelled" in text else "error"
    return "value"


def limited(memory: int) -> None:
    """Limit the address space of this process to what it has, and so many MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + memory * MIB
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(plan: Plan) -> dict[str, Any]:
    """Evaluate hostile expressions as planned. Returns how they ended, what was called, and what went wrong."""
    costs.MAX_WORK = plan.work  # type: ignore[misc]
    metering.TREE_WORK = 10 * plan.work  # type: ignore[misc]
    metering.EXPRESSION_COST = plan.cost  # type: ignore[misc]
    environment, variables = _variables()
    source = Expressions(plan.seed)
    ended: Counter[str] = Counter()
    called: Counter[str] = Counter()
    faults: list[list[str]] = []
    slowest: list[tuple[float, str, str]] = []
    limited(plan.memory)
    for library, overload in OVERLOADS if plan.cases else source.one_of_each_name():
        for _ in range(plan.cases or 1):
            # A call of mismatched types does not compile; a few attempts find one that does.
            for attempt in range(12):
                expression = source.around(source.call(overload, 2 if attempt < 6 else 0))
                try:
                    program = environment.compile(expression)
                except CompileError:
                    ended["refused"] += 1
                    continue
                called[f"{library}.{overload.name}"] += 1
                break
            else:
                continue
            for form in FORMS if plan.cases else [source.any_of(*FORMS)]:
                began = time.process_time()
                try:
                    with counted(plan.events):
                        ended[evaluated(program, form, variables)] += 1
                except (TooManySteps, Exception) as error:  # whatever it is, it is a fault
                    faults.append([form, type(error).__name__, str(error)[:200], expression])
                took = time.process_time() - began
                slowest.append((took, form, expression))
                if plan.seconds and took > plan.seconds:
                    faults.append([form, "seconds", f"{took:.1f}", expression])
        slowest = sorted(slowest, reverse=True)[:5]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"ended": ended, "called": called, "faults": faults, "slowest": slowest, "peak": peak}


if __name__ == "__main__":
    print(json.dumps(main(Plan(**json.loads(sys.argv[1])))))
