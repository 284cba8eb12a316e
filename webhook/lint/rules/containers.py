"""GW208: policies that check the containers of a Pod, and forget its initContainers or ephemeralContainers."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from webhook.cel import Program
from webhook.cel.tree.ast import Call, Comprehension, Const, Expr, Ident, Select, children
from webhook.lint.alarms import Alarm, Rule
from webhook.lint.subject import AnyPolicy, Subject, variables_of
from webhook.paths import Path

FORGOTTEN: Final = "GW208"

RULES: Final = (
    Rule(FORGOTTEN, "forgotten-containers", "warning", "containers are checked, but not init and ephemeral ones"),
)

LISTS: Final = ("containers", "initContainers", "ephemeralContainers")

_OF_ALL: Final = frozenset(
    {
        "image",
        "imagePullPolicy",
        "securityContext",
        "env",
        "envFrom",
        "volumeMounts",
        "volumeDevices",
        "command",
        "args",
    }
)
"""The fields with the same meaning in all three lists. Others (resources, ports, probes) differ in purpose."""


def check(subject: Subject) -> Iterator[Alarm]:
    for policy, document in subject.in_cel():
        if not _of_pods(policy):
            continue
        reads = _Reads(variables_of(policy))
        for path, program in policy.evaluator.programs():
            if path[1] not in ("matchConditions", "variables"):
                reads.of(path, program)
        message = _forgotten(reads.lists, _ephemeral(policy))
        if message is not None and reads.first is not None:
            path, program, node = reads.first
            yield subject.in_expression(FORGOTTEN, document, path, program, node, message)
    for module in subject.modules:
        words = {
            each.value
            for each in ast.walk(module.tree)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        }
        names = {each.attr for each in ast.walk(module.tree) if isinstance(each, ast.Attribute)} | words
        policies = [each for each in subject.policies.policies if each.file == module.file and _of_pods(each)]
        if policies and "containers" in names and names & _OF_ALL:
            found: dict[str, set[str]] = {field: {each for each in LISTS if each in names} for field in names & _OF_ALL}
            message = _forgotten(found, any(map(_ephemeral, policies)))
            at = next((each for each in ast.walk(module.tree) if _is_containers(each)), None)
            if message is not None and isinstance(at, ast.expr):
                yield subject.in_module(FORGOTTEN, module, at, message)


def _is_containers(node: ast.AST) -> bool:
    return (isinstance(node, ast.Constant) and node.value == "containers") or (
        isinstance(node, ast.Attribute) and node.attr == "containers"
    )


def _forgotten(lists: Mapping[str, set[str]], ephemeral: bool) -> str | None:
    """The message of the alarm; None for none. lists: field -> the lists of containers that it is read in."""
    missing = {
        each
        for found in lists.values()
        if "containers" in found
        for each in LISTS[1:]
        if each not in found and (each != "ephemeralContainers" or ephemeral)
    }
    if not missing:
        return None
    fields = sorted(field for field, found in lists.items() if "containers" in found and not missing <= found)
    names = " and ".join(sorted(missing, reverse=True))
    return (
        f"{', '.join(fields)} of containers {'is' if len(fields) == 1 else 'are'} checked, but not of {names}: what is "
        "forbidden in one list is allowed in the other"
    )


def _of_pods(policy: AnyPolicy) -> bool:
    """Whether the policy may match Pods or workloads that create Pods."""
    return any(
        resource == "*" or resource in _WORKLOADS for rule in policy.match.rules for resource, _ in rule.resources
    )


_WORKLOADS: Final = frozenset(
    "pods podtemplates replicationcontrollers deployments replicasets statefulsets daemonsets jobs cronjobs".split()  # noqa: SIM905
)


def _ephemeral(policy: AnyPolicy) -> bool:
    """Whether the policy may match Pods themselves, which alone have ephemeral containers."""
    return any(
        resource in ("pods", "*")
        and subresource in ("", "ephemeralcontainers", "*")
        and ("" in rule.groups or "*" in rule.groups)
        for rule in policy.match.rules
        for resource, subresource in rule.resources
    )


class _Reads:
    """The fields of containers that the expressions of a policy read, and the lists that they are read in.

    lists: field -> names of lists. first: the place of the first read in `containers`.
    """

    def __init__(self, variables: Mapping[str, Program]) -> None:
        self._variables = variables
        self._of_variable: dict[str, frozenset[str]] = {}
        self._seen: set[str] = set()
        self.lists: dict[str, set[str]] = {}
        self.first: tuple[Path, Program, Expr] | None = None

    def of(self, path: Path, program: Program) -> None:
        """Record the reads of an expression and of the variables that it uses."""

        def work() -> None:
            self._walk(program.tree, {}, path, program)

        program.followed(work, self._variables)

    def _walk(self, node: Expr, local: Mapping[str, frozenset[str]], path: Path, program: Program) -> None:
        """local: loop variable -> the lists whose elements it may be."""
        if isinstance(node, Select):
            lists = self._elements(node.operand, local)
            if lists and node.field in _OF_ALL:
                self.lists.setdefault(node.field, set()).update(lists)
                if self.first is None and "containers" in lists:
                    self.first = path, program, node
        if isinstance(node, Call) and node.function == "_?._" and isinstance(node.args[1], Const):
            lists = self._elements(node.args[0], local)
            if lists and node.args[1].value in _OF_ALL:
                self.lists.setdefault(str(node.args[1].value), set()).update(lists)
                if self.first is None and "containers" in lists:
                    self.first = path, program, node
        if isinstance(node, Ident) and node.name in self._variables and node.name not in self._seen:
            self._seen.add(node.name)
            self._walk(self._variables[node.name].tree, {}, path, program)
        if isinstance(node, Comprehension):
            over = self._named(node.range, local)
            inner = {**local, node.var: over}
            if node.var2:
                inner[node.var2] = over
            self._walk(node.range, local, path, program)
            for each in (node.init, node.condition, node.step, node.result):
                self._walk(each, inner, path, program)
            return
        for child in children(node):
            self._walk(child, local, path, program)

    def _elements(self, node: Expr, local: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """The lists of which a value is an element."""
        if isinstance(node, Ident):
            return local.get(node.name, frozenset())
        if isinstance(node, Call) and node.function == "_[_]":
            return self._named(node.args[0], local)
        return frozenset()

    def _named(self, node: Expr, local: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """The lists of containers that a list is made of."""
        found: set[str] = set()
        pending = [node]
        while pending:
            each = pending.pop()
            if isinstance(each, Select) and each.field in LISTS and not each.test:
                found.add(each.field)
            if isinstance(each, Call) and each.function == "_?._":
                field = each.args[1]
                found |= {name for name in LISTS if isinstance(field, Const) and field.value == name}
            if isinstance(each, Ident) and each.name in self._variables:
                found |= self._in_variable(each.name, local)
            pending += children(each)
        return frozenset(found)

    def _in_variable(self, name: str, local: Mapping[str, frozenset[str]]) -> frozenset[str]:
        if name not in self._of_variable:
            self._of_variable[name] = frozenset()
            self._of_variable[name] = self._named(self._variables[name].tree, local)
        return self._of_variable[name]
