"""Evaluates expressions in cel-expr-python's own runtime: a program of its own, for that runtime may crash.

Standard input has one JSON object a line, {"expression"}, after a first one that is the value of `x`; standard output
one line for each: {"compile": text}, {"error": text} or {"value": tagged}.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from cel_expr_python import cel

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def tagged(value: Any) -> Any:
    """A value as JSON that keeps types apart."""
    if isinstance(value, bool):
        return {"bool": value}
    if isinstance(value, int):
        return {"int": str(int(value))}
    if isinstance(value, float):
        return {"double": repr(value)}
    if isinstance(value, str):
        return {"string": value}
    if isinstance(value, bytes | bytearray):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return {"list": [tagged(each) for each in value]}
    if isinstance(value, dict):
        return {"map": sorted(([tagged(key), tagged(each)] for key, each in value.items()), key=repr)}
    if isinstance(value, datetime):
        return {"time": (value - EPOCH) // timedelta(microseconds=1)}
    if isinstance(value, timedelta):
        return {"span": value // timedelta(microseconds=1)}
    if hasattr(value, "value"):  # an element of a list or map, as that runtime hands it out
        return tagged(value.value())
    return {type(value).__name__: str(value)}


def main() -> None:
    x = json.loads(sys.stdin.readline())
    env = cel.NewEnv(variables={"x": cel.Type.DYN})
    for line in sys.stdin:
        answer: dict[str, Any]
        try:
            compiled = env.compile(json.loads(line)["expression"])
        except RuntimeError as error:
            answer = {"compile": str(error)}
        else:
            try:
                result = compiled.eval(data={"x": x})
                answer = (
                    {"error": str(result.value())}
                    if result.type() == cel.Type.ERROR
                    else {"value": tagged(result.value())}
                )
            except Exception as error:
                answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
