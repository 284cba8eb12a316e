"""The CEL specification's conformance suite, as the tests read it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cel.evaluating import unchecked
from webhook.cel import Activation, CompileError, Environment, EvaluationError, Program, types
from webhook.cel.check.frontend import Declarations, Frontend
from webhook.cel.library import standard
from webhook.cel.library.declaring import FunctionDeclaration
from webhook.cel.library.resolution import Functions
from webhook.cel.tree.types import Type
from webhook.cel.value.aggregates import make_map
from webhook.cel.value.numbers import UInt
from webhook.cel.value.operators import TYPE_NAMES, equal
from webhook.cel.value.times import Duration, Timestamp
from webhook.cel.value.values import Optional

STANDARD = Functions((standard.LIBRARY,)).declarations
SUITE = Path(__file__).parents[3] / "shared" / "conformance"

# Parts of the suite for CEL that Kubernetes does not have.
NOT_IN_KUBERNETES = {
    "math_ext": "math.* is not in Kubernetes",
    "encoders_ext": "base64.* is not in Kubernetes",
    "bindings_ext": "cel.bind is not in Kubernetes",
    "block_ext": "cel.block is not in Kubernetes",
    "enums": "needs protocol buffers",
    "proto2": "needs protocol buffers",
}


@dataclass(frozen=True)
class Case:
    raw: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.raw['file']}/{self.raw['section']}/{self.raw['name']}"

    @property
    def expression(self) -> str:
        return str(self.raw["expr"])


def cases() -> list[Case]:
    return [Case(raw) for raw in json.loads((SUITE / "cel-spec.json").read_text())["tests"]]


def refused() -> dict[tuple[str, str], str]:
    """(file, expression) -> why a kube-apiserver refuses it."""
    entries = json.loads((SUITE / "refused-by-kubernetes.json").read_text())
    return {(entry["file"], entry["expr"]): entry["why"] for entry in entries}


def value(tagged: dict[str, Any]) -> Any:
    """A value of the suite's tagged form."""
    ((tag, content),) = tagged.items()
    match tag:
        case "int":
            return int(content)
        case "uint":
            return UInt(content)
        case "double":
            return float(content)
        case "bytes":
            return base64.b64decode(content)
        case "list":
            return [value(item) for item in content]
        case "map":
            return make_map((0, value(key), value(item)) for key, item in content)
        case "type":
            return TYPE_NAMES.get(content, Type(content))
        case "timestamp":
            return Timestamp(int(content["seconds"]) * 10**9 + int(content.get("nanos", 0)))
        case "duration":
            return Duration(int(content["seconds"]) * 10**9 + int(content.get("nanos", 0)))
        case _:
            return content


def declared(described: Any) -> Type:
    """A type of the suite's form."""
    if isinstance(described, str):
        return types.parse(described)
    if "param" in described:
        return Type(described["param"], is_param=True)
    if "abstract" in described:
        return Type(described["abstract"], tuple(map(declared, described.get("params", ()))))
    ((name, params),) = described.items()
    return Type(name, tuple(map(declared, params if isinstance(params, list) else [params])))


def functions(raw: dict[str, Any]) -> list[FunctionDeclaration]:
    """The functions that a case declares: for checking only."""
    return [
        FunctionDeclaration(
            overload["id"],
            each["name"],
            tuple(map(declared, overload["params"])),
            declared(overload["result"]),
            overload["instance"],
        )
        for each in raw.get("type_env", ())
        for overload in each.get("function", ())
    ]


def compiled(case: Case, environment: Environment) -> Program:
    """The program of a case, checked unless the case says otherwise. Raises CompileError."""
    if case.raw.get("disable_check"):
        return unchecked(case.expression, environment)
    return environment.compile(case.expression)


def run(case: Case, *, exactly: bool = False) -> Any:
    """What the case's expression gives: a value, or the EvaluationError or CompileError."""
    raw = case.raw
    variables = {each["name"]: declared(each["ident"]) for each in raw.get("type_env", ()) if "ident" in each}
    environment = Environment(variables, container=raw.get("container", ""))
    activation = Activation({name: value(bound) for name, bound in raw.get("bindings", {}).items()})
    try:
        if functions(raw):
            return Frontend(variables, Declarations([*STANDARD, *functions(raw)])).check(case.expression).type
        program = compiled(case, environment)
        if raw.get("check_only"):
            return program.type
        return program.evaluate_exactly(activation) if exactly else program.evaluate(activation)
    except (CompileError, EvaluationError) as error:
        return error


def agrees(case: Case, result: Any) -> bool:
    """Whether a result is what the case expects."""
    raw = case.raw
    if isinstance(result, CompileError | EvaluationError):
        return "error" in raw
    if raw.get("check_only"):
        return bool(result == declared(raw["deduced_type"]))
    if "value" not in raw:
        return False
    wanted = value(raw["value"])
    if isinstance(result, float) and isinstance(wanted, float) and wanted != wanted:
        return result != result
    if isinstance(result, Optional):
        return False
    return type(result) is type(wanted) and equal(result, wanted)
