"""The rules of `jmespath/`, each with the objects that Kyverno and the converted policy are asked about.

A document of a file is either a list `[expression, operator, value, values]`, a rule that denies what the condition
holds for, or a whole rule with its `v`, the values of spec.v of a Widget, or with `pods`, the specs of Pods. What is
missing, null, empty or of another type is asked of each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from tests.convert.kyverno.generated import MISSING, widget
from tests.convert.kyverno.ours import Asked, Policy
from webhook.documents import syntax

FOLDER: Final = Path(__file__).parent / "jmespath"
OTHERS: Final[tuple[Any, ...]] = (MISSING, None, "", "q", 7, True, [], ["q"], {}, {"q": "q"})
"""Values of spec.v that every rule about a Widget is asked about, beside its own."""
_RULE: Final = "r"


class Question(Struct):
    """A rule and its requests. name: of its file, and its number or name there. odd: the requests whose value has
    another type than all that the rule is meant for."""

    name: str
    policy: Policy
    requests: list[Asked]
    odd: frozenset[int] = frozenset()

    @property
    def digest(self) -> str:
        """What was asked, so that an answer to something else is noticed."""
        asked = [self.policy["spec"], [[each.object, each.old, each.operation, each.user] for each in self.requests]]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]

    @property
    def rule(self) -> dict[str, Any]:
        found: dict[str, Any] = self.policy["spec"]["rules"][0]
        return found


def questions() -> Iterator[Question]:
    """Every rule of the folder."""
    for file in sorted(FOLDER.glob("*.yaml")):
        shared: dict[str, list[Any]] = {}
        for root in syntax.read_yaml(file.read_text()):
            if isinstance(root.value, list):
                for number, (expression, operator, value, values) in enumerate(root.value):
                    yield condition(f"{file.stem}-{number}", expression, operator, value, values)
            elif root.value and "shared" in root.value:
                shared = root.value["shared"]
            elif root.value:
                yield _whole(file.stem, root.value, shared)


def condition(name: str, expression: str, operator: str, value: Any, values: list[Any]) -> Question:
    """A rule that denies if a condition about an expression holds. Its message shows what the expression is."""
    key = f"{{{{ {expression} }}}}"
    validate = {
        "message": f"it is {key}",
        "deny": {"conditions": {"any": [{"key": key, "operator": operator, "value": value}]}},
    }
    return Question(name, policy(name, {"validate": validate}), _widgets(values), _odd(values))


def policy(name: str, rule: dict[str, Any], kind: str = "Widget") -> Policy:
    """An enforcing policy with one rule."""
    match = {"any": [{"resources": {"kinds": [kind], "operations": ["CREATE", "UPDATE"]}}]}
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": name.lower().replace(" ", "-").replace(",", "")},
        "spec": {"validationFailureAction": "Enforce", "rules": [{"name": _RULE, "match": match, **rule}]},
    }


def _whole(file: str, given: dict[str, Any], shared: dict[str, list[Any]]) -> Question:
    name = f"{file} {given['name']}"
    if "pods" in given:
        containers = [{"name": "a", "image": "b"}]
        specs = shared[given["pods"]] if isinstance(given["pods"], str) else given["pods"]
        requests = [
            Asked({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"o{number}", "namespace": "default"},
                "spec": {"containers": containers, **spec},
            })
            for number, spec in enumerate(specs)
        ]  # fmt: skip
        return Question(name, policy(name, given["rule"], "Pod"), requests)
    requests = _widgets(given["v"])
    for each in requests:
        each.operation, each.user = given.get("operation", "CREATE"), given.get("user", {})
        if "old" in given:
            each.old = {**each.object, "spec": given["old"]}
    return Question(name, policy(name, given["rule"]), requests, _odd(given["v"]))


def _widgets(values: list[Any]) -> list[Asked]:
    found = []
    for number, value in enumerate(_all(values)):
        spec = {"w": "x"} if value is MISSING else {"v": value, "w": "x"}
        found.append(Asked(widget(f"o{number}", spec, {"labels": {"app": "web"}})))
    return found


def _all(values: list[Any]) -> list[Any]:
    written = [json.dumps(each) for each in values]
    return [*values, *(each for each in OTHERS if each is MISSING or json.dumps(each) not in written)]


def _odd(values: list[Any]) -> frozenset[int]:
    types = {type(each) for each in values}
    return frozenset(at for at, each in enumerate(_all(values)) if each is not MISSING and type(each) not in types)
