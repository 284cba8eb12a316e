"""Four typical expressions on one Deployment: Gatewright's CEL in comparison with the two public CEL packages.

All engines evaluate the same expressions on the same object. cel-python and cel-expr-python first convert the object to
their own types. Their times are printed without the conversion (done once, before the measurement) and with it (which
every admission request needs). Gatewright evaluates on the JSON value.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import celpy
from cel_expr_python import cel
from celpy.adapter import json_to_cel

from bench.deployment import DEPLOYMENT
from bench.figures import keep
from webhook.cel import Activation, Environment, Program, types

EXPRESSIONS = {
    "no hostPath": "!has(object.spec.template.spec.volumes) || "
    "object.spec.template.spec.volumes.all(v, !has(v.hostPath))",
    "replica bounds": "object.spec.replicas >= 1 && object.spec.replicas <= 10",
    "finalizer": "has(object.metadata.finalizers) && "
    "object.metadata.finalizers.exists(f, f == 'example.com/external-state')",
    "protocols": "object.spec.template.spec.containers.all(c, !has(c.ports) || "
    "c.ports.all(p, !has(p.protocol) || p.protocol in ['TCP', 'UDP']))",
}

ROUNDS = 7
SECONDS_A_ROUND = 0.05


def microseconds(call: Callable[[], Any]) -> float:
    """The time of a call in µs, the best of several rounds."""
    count, elapsed = 1, 0.0
    while elapsed < SECONDS_A_ROUND / 4:
        count *= 2
        elapsed = _timed(call, count)
    count = max(1, int(count * SECONDS_A_ROUND / elapsed))
    return min(_timed(call, count) for _ in range(ROUNDS)) / count * 1e6


def _timed(call: Callable[[], Any], count: int) -> float:
    gc.disable()
    start = time.perf_counter()
    for _ in range(count):
        call()
    elapsed = time.perf_counter() - start
    gc.enable()
    return elapsed


def engines(expression: str) -> dict[str, Callable[[], Any]]:
    """Name of an engine -> a function that evaluates the expression once."""
    program = Environment({"object": types.DYN}).compile(expression)

    environment = celpy.Environment()
    runner = environment.program(environment.compile(expression))
    converted = {"object": json_to_cel(DEPLOYMENT)}

    cpp = cel.NewEnv(variables={"object": cel.Type.DYN})
    compiled = cpp.compile(expression)
    activation = cpp.Activation({"object": DEPLOYMENT})

    return {
        "gatewright": lambda: program.evaluate(Activation({"object": DEPLOYMENT})),
        "cel-expr-python": lambda: compiled.eval(activation).value(),
        "cel-expr-python, converting": lambda: compiled.eval(data={"object": DEPLOYMENT}).value(),
        "cel-python": lambda: bool(runner.evaluate(converted)),
        "cel-python, converting": lambda: bool(runner.evaluate({"object": json_to_cel(DEPLOYMENT)})),
    }


def main() -> None:
    print("CEL: four expressions on one Deployment, µs an evaluation (Gatewright: with a new Activation each time)\n")
    names = ["gatewright", "cel-expr-python", "cel-expr-python, converting", "cel-python", "cel-python, converting"]
    print(f"{'':16}" + "".join(f"{name:>29}" for name in names))
    worst = {name: float("inf") for name in names[1:]}
    for title, expression in EXPRESSIONS.items():
        found = engines(expression)
        values = {name: call() for name, call in found.items()}
        if len(set(values.values())) != 1:
            raise SystemExit(f"the engines return different values for {title}: {values}")
        times = {name: microseconds(call) for name, call in found.items()}
        print(f"{title:16}" + "".join(f"{times[name]:29.2f}" for name in names))
        worst = {name: min(least, times[name] / times["gatewright"]) for name, least in worst.items()}
    print(f"\n{'least ratio':16}{'1':>29}" + "".join(f"{worst[name]:28.1f}x" for name in names[1:]))
    print("wanted: at least 2x cel-expr-python without conversion, at least 100x cel-python\n")
    for name, wanted in (("cel-expr-python", 2), ("cel-python", 100)):
        keep(f"{name} beside an expression here, at the least", worst[name], "x", at_least=wanted)
    explained()


def explained() -> None:
    """Evaluation by a program that never explained, and by one that did: both run the same code in the same time."""
    print("Evaluation before and after an explain, which must not make it slower, µs\n")
    print(f"{'':16}{'evaluate':>29}{'evaluate, once explained':>29}{'explain':>29}")
    for title, expression in EXPRESSIONS.items():
        plain, explaining = (Environment({"object": types.DYN}).compile(expression) for _ in range(2))
        explain = microseconds(partial(_explain, explaining))
        times = {program: float("inf") for program in (plain, explaining)}
        for program in (plain, explaining) * 3:  # in turn, because other processes use the machine too
            times[program] = min(times[program], microseconds(partial(_evaluate, program)))
        print(f"{title:16}{times[plain]:29.2f}{times[explaining]:29.2f}{explain:29.2f}")
    print()


def _explain(program: Program) -> Any:
    return program.explain(Activation({"object": DEPLOYMENT}))


def _evaluate(program: Program) -> Any:
    return program.evaluate(Activation({"object": DEPLOYMENT}))
