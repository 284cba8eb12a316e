"""Kyverno's validate.pattern -> CEL: anchors, wildcards in keys, lists, values.

A conditional anchor decides about what surrounds it: the element of the list that it stands in, or else the whole rule.
So each of these is a `_Scope` with its conditions and its checks. Source: the documentation of Kyverno, "Validate
Rules", anchors.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, field

from webhook.convert import celtext
from webhook.convert.kyverno import values, variables
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.model import Unfinished, Unsupported
from webhook.lazypatterns import lazily
from webhook.paths import Path

_ANCHOR = lazily(r"(?P<kind>[=^X<+]?)\((?P<key>.{1,253})\)")
_DEEPEST: Final = 24  # levels of a pattern
_METADATA: Final = ("labels", "annotations")
_OPERATORS: Final = ("!", ">", "<", ">=", "<=")
_MAPS_OF_TEXTS: Final = ("labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData")
_NO_LISTS: Final = frozenset({"apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.generateName"})
_NO_LISTS_OF_PODS: Final = frozenset(
    {
        "name", "image", "imagePullPolicy", "hostNetwork", "hostPID", "hostIPC", "hostPort", "containerPort",
        "privileged", "runAsNonRoot", "runAsUser", "runAsGroup", "allowPrivilegeEscalation", "readOnlyRootFilesystem",
        "procMount", "cpu", "memory", "path", "type", "serviceAccountName", "automountServiceAccountToken",
        "priorityClassName", "restartPolicy", "readOnly", "mountPath",
    }
)  # fmt: skip
"""Fields that are one value wherever a Pod has them, so that their checks need no branch for a list."""


class _Scope(Struct):
    """What is asked of one element of a list, or of the whole object, and under which conditions."""

    conditions: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)


class Pattern(Struct, frozen=True):
    """A pattern in CEL. applies: the conditions of its anchors; check: what must hold then."""

    applies: str
    check: str

    @property
    def holds(self) -> str:
        return celtext.implies(self.applies, self.check)


def anchor(key: str) -> tuple[str, str]:
    """The anchor of a key, `(` for a conditional one, "" for none, and the key itself."""
    found = _ANCHOR.fullmatch(key)
    return ("", key) if found is None else (found["kind"] or "(", found["key"])


class Patterns:
    """Translates the patterns of a rule.

    of_pods: whether they are about Pods alone.
    differs: where the CEL differs from the pattern, and how; filled while patterns are translated.
    """

    def __init__(self, translator: Translator, *, of_pods: bool = False) -> None:
        self._translator, self._of_pods = translator, of_pods
        self.differs: list[tuple[Path, str]] = []
        self._everywhere: list[str] = []  # conditions of global anchors

    def translated(self, pattern: Any, subject: str, at: Path) -> Pattern:
        """A pattern of an object, or of an element. Raises Unsupported or Unfinished, with the place."""
        if variables.has_references(pattern):
            raise Unfinished("a pattern that refers to other fields, $(…)", at)
        if not isinstance(pattern, dict):
            return Pattern("true", self._value(pattern, subject, at, 0))
        self._everywhere = []
        scope = _Scope()
        self._map(pattern, subject, scope, at, 0)
        return Pattern(celtext.conjunction([*self._everywhere, *scope.conditions]), celtext.conjunction(scope.checks))

    def condition(self, value: Any, subject: str, key: str, at: Path) -> str:
        """Whether the condition of an anchor `(key): value` of a patch is met."""
        inner = celtext.select(subject, key)
        return celtext.conjunction([celtext.has(subject, key), self._condition(value, inner, at, 0)])

    def _map(self, pattern: dict[str, Any], subject: str, scope: _Scope, at: Path, depth: int) -> None:
        if depth > _DEEPEST:
            raise Unsupported(f"a pattern of more than {_DEEPEST} levels", at)
        plain = [anchor(key)[1] for key in pattern]
        if len(set(plain)) < len(plain):
            raise Unsupported(f"a pattern that names {_repeated(plain)!r} twice", at)
        for written, value in pattern.items():
            kind, key = anchor(written)
            place = (*at, written)
            if variables.has_variables(written):
                raise Unfinished("a pattern with a variable in the name of a field", place)
            if celtext.is_wild(key):
                scope.checks.append(self._wild_key(kind, key, value, subject, place, depth))
                continue
            present, inner = celtext.has(subject, key), celtext.select(subject, key)
            if key in ("metadata", "apiVersion", "kind") and subject == "object":
                present = "true"
            if kind == "X":
                scope.checks.append(celtext.negation(present))
            elif kind == "=":
                scope.checks.append(celtext.implies(present, self._whole(value, inner, place, depth)))
            elif kind == "^":
                scope.checks.append(celtext.conjunction([present, self._existence(value, inner, place, depth)]))
            elif kind in ("(", "<"):
                condition = celtext.conjunction([present, self._condition(value, inner, place, depth)])
                scope.conditions.append(condition)
            elif kind == "+":
                raise Unsupported(f"the anchor +({key}) in a validation", place)
            elif value is None:
                scope.checks.append(celtext.implies(present, values.pattern(inner, None)))
            elif isinstance(value, dict):
                below = _Scope()
                self._map(value, inner, below, place, depth + 1)
                # Without a list in between, a condition is one of the rule: it holds only if its parents are there.
                scope.conditions += [celtext.conjunction([present, each]) for each in below.conditions]
                scope.checks.append(celtext.conjunction([present, *below.checks]))
            else:
                scope.checks.append(celtext.conjunction([present, self._value(value, inner, place, depth)]))

    def _whole(self, value: Any, subject: str, at: Path, depth: int) -> str:
        """A value with the conditions of its anchors, as one expression."""
        if not isinstance(value, dict):
            return self._value(value, subject, at, depth)
        scope = _Scope()
        self._map(value, subject, scope, at, depth + 1)
        return celtext.implies(celtext.conjunction(scope.conditions), celtext.conjunction(scope.checks))

    def _condition(self, value: Any, subject: str, at: Path, depth: int) -> str:
        """The value of a conditional anchor: whether it is met. A list is if an element is, and no other fails."""
        if isinstance(value, dict):
            scope = _Scope()
            for key, inner in value.items():
                kind, name = anchor(key)
                one = {name: inner} if kind == "(" else {key: inner}
                if kind == "(" or (isinstance(inner, dict | list) and kind == ""):
                    inside = celtext.select(subject, name)
                    met = self._condition(inner, inside, (*at, key), depth + 1)
                    scope.checks.append(celtext.conjunction([celtext.has(subject, name), met]))
                else:
                    self._map(one, subject, scope, at, depth + 1)
            return celtext.conjunction([*scope.conditions, *scope.checks])
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
            variable = self._translator.fresh()
            scope = _Scope()
            self._map(value[0], variable, scope, (*at, 0), depth + 1)
            applies, check = celtext.conjunction(scope.conditions), celtext.conjunction(scope.checks)
            met = f"{subject}.exists({variable}, {applies})" if applies != "true" else f"size({subject}) > 0"
            rest = "true" if check == "true" else f"{subject}.all({variable}, {celtext.implies(applies, check)})"
            return celtext.conjunction([met, rest])
        return self._value(value, subject, at, depth)

    def _value(self, value: Any, subject: str, at: Path, depth: int) -> str:
        if isinstance(value, dict):
            return self._whole(value, subject, at, depth)
        if isinstance(value, list):
            return self._list(value, subject, at, depth)
        return self.scalar(value, subject, at)

    def _list(self, value: list[Any], subject: str, at: Path, depth: int) -> str:
        if not value:
            return f"type({subject}) == list"
        if len(value) > 1:
            raise Unsupported("a pattern with a list of several items", at)
        if isinstance(value[0], list):
            raise Unsupported("a pattern with a list in a list", at)
        variable = self._translator.fresh()
        item = value[0]
        if isinstance(item, dict):
            self._hoist(item, subject, at, depth)
            item = {key: inner for key, inner in item.items() if anchor(key)[0] != "<"} | {
                f"({anchor(key)[1]})": inner for key, inner in item.items() if anchor(key)[0] == "<"
            }
        inner = self._whole(item, variable, (*at, 0), depth + 1)
        return f"type({subject}) == list" if inner == "true" else f"{subject}.all({variable}, {inner})"

    def _hoist(self, item: dict[str, Any], subject: str, at: Path, depth: int) -> None:
        """A global anchor in a list: the rule applies if it holds for one of the elements."""
        for key, inner in item.items():
            kind, name = anchor(key)
            if kind == "<":
                variable = self._translator.fresh()
                met = self._condition(inner, celtext.select(variable, name), (*at, 0, key), depth + 1)
                if not subject.startswith(("object.", "variables.")):
                    raise Unsupported("a global anchor in a list in a list", at)
                there = celtext.conjunction([*_presence(subject), ""][:-1])
                held = celtext.conjunction([celtext.has(variable, name), met])
                self._everywhere.append(celtext.conjunction([there, f"{subject}.exists({variable}, {held})"]))

    def _existence(self, value: Any, subject: str, at: Path, depth: int) -> str:
        """The value of an existence anchor: for each of its items, an element of the list satisfies it."""
        if not isinstance(value, list) or not value:
            raise Unsupported("an existence anchor without a list", at)
        self.differs.append((at, "a list that is missing is refused, as no element of it satisfies the pattern"))
        terms = []
        for index, item in enumerate(value):
            variable = self._translator.fresh()
            if isinstance(item, dict):
                scope = _Scope()
                self._map(item, variable, scope, (*at, index), depth + 1)
                inner = celtext.conjunction([*scope.conditions, *scope.checks])
            else:
                inner = self.scalar(item, variable, (*at, index))
            terms.append(f"{subject}.exists({variable}, {inner})")
        return celtext.conjunction(terms)

    def _wild_key(self, kind: str, key: str, value: Any, subject: str, at: Path, depth: int) -> str:
        """A key with wildcards, which Kyverno takes in labels and annotations: one key of the object satisfies it."""
        if anchor(str(at[-2]))[1] not in _METADATA or kind not in ("", "=", "X"):
            raise Unsupported(f"a key with wildcards, {key!r}", at)
        variable = self._translator.fresh()
        alike = celtext.like(variable, key)
        if kind == "X":
            return f"!{subject}.exists({variable}, {alike})"
        inner = self._value(value, f"{subject}[{variable}]", at, depth + 1)
        if kind == "=":
            return f"{subject}.all({variable}, {celtext.implies(alike, inner)})"
        self.differs.append((at, "of several keys that match, one must satisfy the pattern, whichever it is"))
        return f"{subject}.exists({variable}, {celtext.conjunction([alike, inner])})"

    def scalar(self, value: Any, subject: str, at: Path) -> str:
        """The check of a scalar that is present. Where the object has a list, every element of it must pass."""
        if value == "*":
            return f"{subject} != null"
        if not self._may_be_list(subject, at):
            return self._single(value, subject, at)
        variable = self._translator.fresh()
        every = f"{subject}.all({variable}, {self._single(value, variable, at)})"
        return f"(type({subject}) == list ? {every} : {celtext.enclose(self._single(value, subject, at))})"

    def _may_be_list(self, subject: str, at: Path) -> bool:
        """Whether the value of a field may be a list: all but an element of one, and fields that are known."""
        _, _, field = subject.rpartition(".")
        if "." not in subject and "[" not in subject:
            return False
        if len(at) > 1 and anchor(str(at[-2]))[1] in _MAPS_OF_TEXTS:
            return False
        return subject.removeprefix("object.") not in _NO_LISTS and not (self._of_pods and field in _NO_LISTS_OF_PODS)

    def _single(self, value: Any, subject: str, at: Path) -> str:
        """The check of one value."""
        try:
            value = variables.known(value, self._translator)
            if not variables.has_variables(value):
                if isinstance(value, dict | list):
                    raise Unfinished("a pattern with a variable that is a list or a map", at)
                return values.pattern(subject, value)
            operator = "!" if value.startswith("!") else ""
            if not operator and value.startswith(_OPERATORS):
                raise Unfinished("an operator before a variable in a pattern")
            if any(isinstance(each, str) and set(each) & {"|", "&"} for each in variables.parts(value)):
                raise Unfinished("a pattern of several alternatives, with variables")
            wild = variables.wild(value)
            written = self._translator.scalar(variables.value(value.removeprefix(operator), self._translator))
        except Unsupported as error:
            error.path = error.path or at
            raise
        if written.chain.startswith("params."):
            raise Unfinished("a pattern whose value is in a ConfigMap, which may have operators and wildcards", at)
        if written.type == "list":
            raise Unfinished("a pattern with a variable that is a list", at)
        if wild:
            same = celtext.conjunction([celtext.scalar(subject), celtext.like_written(subject, f"[{written.cel}]")])
            return f"!({same})" if operator else same
        as_text = written.cel if written.type == "string" else f"string({written.cel})"
        same = celtext.conjunction([celtext.scalar(subject), f"string({subject}) == {as_text}"])
        return f"!({same})" if operator else same


def _repeated(names: list[str]) -> str:
    return next(each for each in names if names.count(each) > 1)


def _presence(subject: str) -> list[str]:
    """That each step of a path such as object.spec.containers is there."""
    root, *steps = subject.split(".")
    if root == "variables":
        root, steps = f"{root}.{steps[0]}", steps[1:]
    terms = []
    for step in steps:
        terms.append(celtext.has(root, step))
        root = celtext.select(root, step)
    return terms
