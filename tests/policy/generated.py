"""Generated policies, and requests to evaluate them on: expressions that hold, fail, err and do not compile."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from tests.policy.trees import config_map, pod, policy

CONDITIONS = (
    "true",
    "false",
    "  1 == 2 ||\n  false\n",
    "object == null",
    "object.metadata.name == 'web'",
    "object.nope == 1",
    "has(object.spec.x)",
    "object.spec.x > 1",
    "object.spec.x / 0 == 1",
    "!has(object.metadata.labels)",
    "object.metadata.labels['a.b/c'] == 'd'",
    "'x' in object.metadata.labels",
    "object.spec.containers.all(c, c.image != 'nginx')",
    "size(object.spec.containers) > 0 && object.spec.containers[1].name == 'b'",
    "oldObject == null",
    "has(oldObject.spec)",
    "oldObject.spec.x == 1",
    "params == null",
    "has(params.data)",
    "params.data.x == 'y'",
    "namespaceObject == null",
    "namespaceObject.metadata.UID == 'x'",
    "namespaceObject.metadata.labels.team == 'a'",
    "has(namespaceObject.metadata.annotations)",
    "namespaceObject.spec.finalizers == ['kubernetes']",
    "namespaceObject.status.phase == 'Active'",
    "request.name == 'web'",
    "request.subResource == ''",
    "request.?subResource.orValue('') == ''",
    "has(request.namespace)",
    "request.operation == 'CREATE'",
    "request.userInfo.groups == ['dev']",
    "request.userInfo.username.startsWith('j')",
    "has(request.userInfo.extra)",
    "request.dryRun",
    "request.options == null",
    "request.kind.group == ''",
    "request.requestKind == request.kind",
    "request.requestResource.resource == 'pods'",
    "variables.a == 1",
    "variables.bad == 1",
    "variables.c.exists(x, x.name == 'main')",
    "variables.s == 'x'",
)
TEXTS = (
    "'plain'",
    "''",
    "'  '",
    "' trimmed '",
    "'two\\nlines'",
    "'a line\\n'",
    "'a\\ttab'",
    "'no ' + object.metadata.name",
    "object.nope + 'x'",
    "string(object.spec.x)",
    "string(variables.a)",
    "string(variables.bad)",
    "variables.s",
    "request.name",
    "request.userInfo.username",
    "namespaceObject.metadata.name",
    "'x' + string(params.data.x)",
)
VARIABLES = (
    ("a", "1"),
    ("a", "object.spec.x"),
    ("a", "variables.a2"),
    ("a2", "2"),
    ("bad", "object.nope"),
    ("c", "object.spec.containers"),
    ("c", "variables.bad"),
    ("s", "'x'"),
    ("s", "object.metadata.name"),
    ("s", "request.name"),
)


@dataclass(frozen=True)
class Case:
    """A policy, and what to evaluate it on."""

    policy: dict[str, Any]
    operation: str
    object: dict[str, Any] | None
    old_object: dict[str, Any] | None
    params: dict[str, Any] | None
    namespace: dict[str, Any] | None


class Cases:
    """An endless source of cases, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self) -> Case:
        spec = self._spec()
        operation = self._random.choice(["CREATE", "UPDATE", "DELETE"])
        with_params = "paramKind" in spec and self._maybe(0.7)
        return Case(
            policy(**spec),
            operation,
            None if operation == "DELETE" else self._pod(),
            None if operation == "CREATE" else self._pod(),
            config_map("c", {"x": self._random.choice("yz")}) if with_params else None,
            None if self._maybe(0.15) else self._namespace(),
        )

    def _maybe(self, chance: float) -> bool:
        return self._random.random() < chance

    def _spec(self) -> dict[str, Any]:
        pick, some = self._random.choice, self._random.randint
        spec: dict[str, Any] = {"failurePolicy": pick(["Fail", "Fail", "Ignore"])}
        if self._maybe(0.6):
            spec["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
        if self._maybe(0.8):
            chosen = self._random.sample(VARIABLES, some(1, 4))
            spec["variables"] = [{"name": name, "expression": text} for name, text in chosen]
        if self._maybe(0.4):
            spec["matchConditions"] = [{"name": f"c{n}", "expression": pick(CONDITIONS)} for n in range(some(1, 3))]
        if self._maybe(0.4):
            texts = (*TEXTS, "null")
            spec["auditAnnotations"] = [{"key": f"k{n}", "valueExpression": pick(texts)} for n in range(some(1, 2))]
        spec["validations"] = [self._validation() for _ in range(some(1, 3))]
        return spec

    def _validation(self) -> dict[str, str]:
        validation = {"expression": self._random.choice(CONDITIONS)}
        if self._maybe(0.5):
            validation["message"] = self._random.choice([" m ", "m"])
        if self._maybe(0.5):
            validation["messageExpression"] = self._random.choice(TEXTS)
        if self._maybe(0.3):
            validation["reason"] = self._random.choice(["Forbidden", "Invalid", "RequestEntityTooLarge"])
        return validation

    def _pod(self) -> dict[str, Any]:
        made = pod(self._random.choice(["web", "db"]))
        if self._maybe(0.5):
            made["metadata"]["labels"] = {"a.b/c": "d", "x": "y"}
        else:
            del made["metadata"]["labels"]
        if self._maybe(0.5):
            made["spec"]["x"] = self._random.choice([0, 1, 2, 1.5, "x", True])
        return made

    def _namespace(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "default", "labels": {"team": self._random.choice("ab")}, "uid": "u"},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        }
