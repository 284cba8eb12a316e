"""Random pairs of policy trees, and objects for them. Each pair is a tree and the same tree after a few edits.

Trees are maps of path -> text. The parts that edits change are drawn anew; everything else stays as it is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

Values = dict[str, Any]

GROUP = "admissionregistration.k8s.io"
_KINDS = {
    "pods": ("", "v1"),
    "configmaps": ("", "v1"),
    "namespaces": ("", "v1"),
    "secrets": ("", "v1"),
    "deployments": ("apps", "v1"),
    "cronjobs": ("batch", "v1"),
    "widgets": ("example.com", "v1"),
}
_TEAMS = ("a", "b", "c")


class Tree:
    """The parts of a tree: name -> what makes its text."""

    def __init__(self, random: Random, *, secrets: bool) -> None:
        self._random = random
        self._secrets = secrets
        self.parts: dict[str, list[Values] | str] = {}
        self._policies: list[str] = []
        for number in range(random.randint(2, 5)):
            self._add_policy(number)
        self._definition()
        for name in ("limits", "more"):
            self.params(name)
        if random.random() < 0.4:
            self.namespace()
        for number in range(random.randint(0, 2)):
            self.exception(number)

    def texts(self) -> dict[str, str]:
        """The files."""
        found = {}
        for name, part in self.parts.items():
            if isinstance(part, str):
                found[f"{name}.py"] = part
            else:
                found[f"{name}.yaml"] = "---\n".join(json.dumps(each) + "\n" for each in part)
        return found

    def edit(self) -> None:
        """Change a part of the tree."""
        edits: list[Callable[[], None]] = [
            self._edit_policy,
            self._edit_policy,
            self._edit_binding,
            lambda: self.params(self._random.choice(("limits", "more"))),
            lambda: self.exception(self._random.randint(0, 1)),
            lambda: self._add_policy(9),
            self._remove,
            self.namespace,
            self._definition,
        ]
        self._random.choices(edits, [6, 6, 4, 4, 3, 2, 2, 1, 1])[0]()

    # Parts

    def _add_policy(self, number: int) -> None:
        name = f"p{number}"
        self._policies = [*dict.fromkeys([*self._policies, name])]
        roll = self._random.random()
        if roll < 0.5:
            self._cel(name)
        elif roll < 0.75:
            self._mutating(name)
        elif roll < 0.9:
            self._python(name)
        else:
            self._python_mutating(name)

    def _edit_policy(self) -> None:
        name = self._random.choice(self._policies)
        part, kind = self.parts[name], self._kind(name)
        if isinstance(part, str):
            (self._python if kind.startswith("Validating") else self._python_mutating)(name)
        elif kind.startswith("Validating"):
            self._cel(name)
        else:
            self._mutating(name)

    def _edit_binding(self) -> None:
        name = self._random.choice(self._policies)
        self.parts[f"{name}-bindings"] = self._bindings(name, self._kind(name))

    def _remove(self) -> None:
        if len(self._policies) > 1:
            name = self._policies.pop(self._random.randrange(len(self._policies)))
            del self.parts[name], self.parts[f"{name}-bindings"]
            for number in range(2):
                self.parts.pop(f"exception{number}", None)

    def _kind(self, name: str) -> str:
        bindings = self.parts[f"{name}-bindings"]
        assert not isinstance(bindings, str)
        return str(bindings[0]["kind"]).removesuffix("Binding")

    def _definition(self) -> None:
        """A CustomResourceDefinition, whose defaults and bounds differ from time to time."""
        size: Values = {"type": "integer", "maximum": self._random.choice((3, 9))}
        if self._random.random() < 0.5:
            size["default"] = self._random.randint(0, 4)
        spec = {"type": "object", "properties": {"size": size, "team": {"type": "string"}}}
        schema = {"type": "object", "properties": {"spec": spec}}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        self.parts["definition"] = [
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": "widgets.example.com"},
                "spec": {
                    "group": "example.com",
                    "names": {"kind": "Widget", "plural": "widgets"},
                    "scope": "Namespaced",
                    "versions": [version],
                },
            }
        ]

    def params(self, name: str) -> None:
        """One or two objects that policies look up; one of them is missing at times."""
        kind = "Secret" if self._secrets and name == "more" else "ConfigMap"
        field = "stringData" if kind == "Secret" else "data"
        data = {"max": str(self._random.randint(1, 6)), "team": self._random.choice(_TEAMS), "word": "swordfish"}
        made = [
            {
                "apiVersion": "v1",
                "kind": kind,
                "metadata": {"name": name, "namespace": namespace, "labels": {"of": name}},
                field: data,
            }
            for namespace in ("shop", "bank")[: self._random.randint(1, 2)]
        ]
        self.parts[name] = made

    def namespace(self) -> None:
        labels = {"tier": self._random.choice(("gold", "iron"))}
        self.parts["namespace"] = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}
        ]

    def exception(self, number: int) -> None:
        policy = self._random.choice(self._policies)
        objects: Values = {"namespaces": [self._random.choice(("shop", "bank"))]}
        if self._random.random() < 0.3:
            objects = {"labelSelector": {"matchLabels": {"team": self._random.choice(_TEAMS)}}}
        self.parts[f"exception{number}"] = [
            {
                "apiVersion": "gatewright.dev/v1",
                "kind": "PolicyException",
                "metadata": {"name": f"exception{number}"},
                "spec": {
                    "policies": [{"name": policy, "kind": self._kind(policy)}],
                    "objects": objects,
                    "reason": "a reason",
                    "approvedBy": "someone",
                    "expires": self._random.choice(("2099-01-01", "2099-01-01", "2020-01-01")),
                },
            }
        ]

    # Policies

    def _rules(self) -> list[Values]:
        names = self._random.sample(sorted(_KINDS), self._random.randint(1, 3))
        return [
            {
                "apiGroups": [_KINDS[name][0]],
                "apiVersions": [_KINDS[name][1]],
                "operations": self._random.choice((["CREATE"], ["CREATE", "UPDATE"], ["*"])),
                "resources": [name],
            }
            for name in names
        ]

    def _match(self) -> Values:
        found: Values = {"resourceRules": self._rules()}
        if self._random.random() < 0.25:
            found["namespaceSelector"] = {"matchLabels": {"tier": "gold"}}
        if self._random.random() < 0.2:
            found["objectSelector"] = {"matchLabels": {"team": self._random.choice(_TEAMS)}}
        return found

    def _param_kind(self) -> Values | None:
        if self._random.random() < 0.5:
            return None
        return {"apiVersion": "v1", "kind": "Secret" if self._secrets and self._random.random() < 0.5 else "ConfigMap"}

    def _bindings(self, name: str, kind: str) -> list[Values]:
        policy = self.parts[name]
        params = '"v1/' in policy if isinstance(policy, str) else "paramKind" in policy[0]["spec"]
        return [self._binding(name, kind, number, params=params) for number in range(self._random.randint(1, 2))]

    def _binding(self, name: str, kind: str, number: int, *, params: bool) -> Values:
        spec: Values = {"policyName": name}
        if kind == "ValidatingAdmissionPolicy":
            spec["validationActions"] = self._random.choice(
                (["Deny"], ["Deny"], ["Warn"], ["Audit"], ["Warn", "Audit"])
            )
        if params:
            ref: Values = {"parameterNotFoundAction": self._random.choice(("Allow", "Deny"))}
            which = self._random.choice(("limits", "more"))
            if self._random.random() < 0.4:
                ref["selector"] = {"matchLabels": {"of": which}}
            else:
                ref["name"] = which
            if self._random.random() < 0.5:
                ref["namespace"] = "shop"
            spec["paramRef"] = ref
        if self._random.random() < 0.3:
            spec["matchResources"] = self._match()
        return {
            "apiVersion": f"{GROUP}/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": f"{name}-{number}"},
            "spec": spec,
        }

    def _policy(self, name: str, kind: str, spec: Values) -> None:
        param_kind = self._param_kind()
        self.parts[name] = [
            {
                "apiVersion": f"{GROUP}/v1",
                "kind": kind,
                "metadata": {"name": name},
                "spec": {
                    "failurePolicy": self._random.choice(("Fail", "Fail", "Ignore")),
                    "matchConstraints": self._match(),
                    **({"paramKind": param_kind} if param_kind else {}),
                    **spec,
                },
            }
        ]
        self.parts[f"{name}-bindings"] = self._bindings(name, kind)

    def _expression(self, *, params: bool) -> str:
        some = [
            "has(object.metadata.labels) && 'team' in object.metadata.labels",
            f"object.metadata.labels.team == '{self._random.choice(_TEAMS)}'",  # an error without the label
            f"object.metadata.name.size() < {self._random.randint(3, 8)}",
            "!has(object.metadata.annotations) || !('late' in object.metadata.annotations)",
            "request.namespace != 'bank'",
            f"!has(object.spec) || !has(object.spec.replicas) || object.spec.replicas < {self._random.randint(1, 6)}",
            "namespaceObject == null || !has(namespaceObject.metadata.labels.tier)"
            " || namespaceObject.metadata.labels.tier == 'gold'",
        ]
        if params:
            some += [
                "params == null || !has(params.data) || int(params.data.max) > 3",
                "params == null || object.metadata.?labels[?'team'].orValue('') == params.?data.?team.orValue('x')",
            ]
        return self._random.choice(some)

    def _cel(self, name: str) -> None:
        self._policy(name, "ValidatingAdmissionPolicy", {})
        part = self.parts[name]
        assert not isinstance(part, str)
        spec = part[0]["spec"]
        params = "paramKind" in spec
        spec["validations"] = [
            {
                "expression": self._expression(params=params),
                **(
                    {"messageExpression": "'not so: ' + object.metadata.name"}
                    if self._random.random() < 0.4
                    else {"message": f"rule {self._random.randint(1, 3)}"}
                ),
            }
            for _ in range(self._random.randint(1, 3))
        ]
        if self._random.random() < 0.3:
            expression = self._expression(params=False)
            spec["matchConditions"] = [{"name": "some", "expression": expression}]

    def _mutating(self, name: str) -> None:
        value = self._random.choice(_TEAMS)
        annotation = self._random.choice(("late", "early"))
        expressions = [
            f"Object{{metadata: Object.metadata{{labels: {{'team': '{value}'}}}}}}",
            f"Object{{metadata: Object.metadata{{annotations: {{'{annotation}': '{value}'}}}}}}",
            "Object{metadata: Object.metadata{labels: {'was': object.metadata.?labels[?'team'].orValue('none')}}}",
            "Object{metadata: Object.metadata{annotations: {'team': object.metadata.labels.team}}}",  # may fail
        ]
        spec: Values = {
            "reinvocationPolicy": self._random.choice(("Never", "IfNeeded")),
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {"expression": self._random.choice(expressions)},
                }
            ],
        }
        self._policy(name, "MutatingAdmissionPolicy", spec)

    def _resources(self) -> str:
        names = self._random.sample(sorted(_KINDS), self._random.randint(1, 3))
        return json.dumps(["/".join(filter(None, (*_KINDS[name], name))) for name in names])

    def _python(self, name: str) -> None:
        reads = self._random.random() < 0.4
        kind = "Secret" if self._secrets else "ConfigMap"
        field = "stringData" if kind == "Secret" else "data"
        param = ', param_kind="v1/ConfigMap"' if self._random.random() < 0.4 else ""
        lines = [
            "from gatewright import Request, validate",
            "",
            f"LIMIT = {self._random.randint(3, 8)}",
            "",
            f'@validate(name="{name}", resources={self._resources()}, operations=["CREATE"]{param}'
            + (f', reads=["v1/{kind}"])' if reads else ")"),
            f"def policy(request: Request{', params' if param else ''}):",
            '    name = (request.object or {}).get("metadata", {}).get("name", "")',
            "    if len(name) > LIMIT:",
            '        yield f"{name} is longer than {LIMIT}"',
        ]
        if reads:
            lines += [
                f'    found = request.cluster.get("v1", "{kind}", "more", "shop").value',
                f'    if found is None or found.get("{field}", {{}}).get("team") == "a":',
                '        yield "not for team a"',
            ]
        if param:
            lines += [
                '    if params is not None and params["data"].get("team") == "b":',
                '        yield "not for team b"',
            ]
        if self._random.random() < 0.2:
            lines += ['    if name.endswith("1"):', '        raise ValueError("one")']
        self.parts[name] = "\n".join(lines) + "\n"
        self.parts[f"{name}-bindings"] = self._bindings(name, "ValidatingAdmissionPolicy")

    def _python_mutating(self, name: str) -> None:
        lines = [
            "from gatewright import Request, mutate",
            "",
            f'@mutate(name="{name}", resources={self._resources()}, operations=["CREATE"])',
            "def policy(request: Request) -> None:",
            '    labels = request.object["metadata"].setdefault("labels", {})',
            f'    labels.setdefault("team", "{self._random.choice(_TEAMS)}")',
        ]
        if self._random.random() < 0.3:
            lines += ['    request.object["metadata"]["annotations"]["late"] = "x"']  # fails without annotations
        self.parts[name] = "\n".join(lines) + "\n"
        self.parts[f"{name}-bindings"] = self._bindings(name, "MutatingAdmissionPolicy")


def pair(random: Random) -> tuple[dict[str, str], dict[str, str]]:
    """A tree, and what it is after some edits."""
    tree = Tree(random, secrets=random.random() < 0.2)
    old = tree.texts()
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        tree.edit()
    return old, tree.texts()


def manifests(random: Random) -> str:
    """Objects of all kinds that the policies are about, as one file."""
    found: list[Values] = []
    for number in range(random.randint(4, 14)):
        metadata: Values = {"name": f"x{'y' * random.randint(0, 6)}{number}"}
        if random.random() < 0.6:
            metadata["labels"] = {"team": random.choice(_TEAMS)}
        if random.random() < 0.3:
            metadata["annotations"] = {random.choice(("late", "early")): "x"}
        found.append(_object(random, random.choice(sorted(_KINDS)), metadata))
    if random.random() < 0.3:  # a param that stands among what is judged
        data = {"max": "5", "team": random.choice(_TEAMS)}
        metadata = {"name": "limits", "namespace": "bank", "labels": {"of": "limits"}}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    return "---\n".join(json.dumps(each) + "\n" for each in found)


def _object(random: Random, resource: str, metadata: Values) -> Values:
    if resource != "namespaces":
        metadata["namespace"] = random.choice(("shop", "bank"))
    pod: Values = {"containers": [{"name": "c", "image": "x:1"}]}
    template = {"metadata": {"labels": {"app": "x", **metadata.get("labels", {})}}, "spec": pod}
    match resource:
        case "pods":
            return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}
        case "configmaps":
            return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}
        case "namespaces":
            metadata["labels"] = {**metadata.get("labels", {}), "tier": random.choice(("gold", "iron"))}
            return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        case "secrets":
            return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"p": "swordfish"}}
        case "deployments":
            spec = {
                "replicas": random.randint(1, 6),
                "selector": {"matchLabels": {"app": "x"}},
                "template": template,
            }
            return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
        case "cronjobs":
            template["spec"] = {**pod, "restartPolicy": "Never"}
            job = {"spec": {"template": template}}
            return {
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "metadata": metadata,
                "spec": {"schedule": "* * * * *", "jobTemplate": job},
            }
        case _:
            spec = {"team": "a"} if random.random() < 0.5 else {"size": random.randint(0, 12)}
            return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": spec}
