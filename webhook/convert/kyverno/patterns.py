"""Kyverno's validate.pattern -> CEL: anchors, wildcards in keys, lists, values.

A pattern passes, fails, or is skipped. A conditional anchor that is not met skips the map that it stands in: in a list
that element, else the rule. So does a global anchor, unless its field is missing. What stands in a map is looked at in
an order, and the first that does not pass decides: anchors by their names; then fields with anchors somewhere below
them, from the last name to the first; then the others. Source: the documentation of Kyverno, "Validate Rules", anchors;
the order is what its engine does (tests/convert/kyverno/asked.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from webhook.convert import celtext
from webhook.convert.kyverno import patternscalars, variables
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


class Pattern(Struct, frozen=True):
    """A pattern in CEL. holds: it does not fail, but passes or is skipped. passes: it passes. out: a global anchor in
    it skips the rule."""

    holds: str
    passes: str
    out: str = "false"

    @property
    def skips(self) -> bool:
        """Whether it may be skipped."""
        return self.holds != self.passes


_ALWAYS: Final = Pattern("true", "true")


def _check(expression: str) -> Pattern:
    return Pattern(expression, expression)


def _after(parts: Sequence[Pattern]) -> Pattern:
    """Parts one after another: the first that does not pass decides."""
    holds, out = "true", []
    for each in reversed(parts):
        rest = holds
        if each.skips and rest != "true":
            rest = celtext.implies(each.passes, rest)
        holds = celtext.conjunction([each.holds, rest])
    before: list[str] = []
    for each in parts:
        if each.out != "false":
            out.append(celtext.conjunction([*before, each.out]))
        before.append(each.passes)
    return Pattern(holds, celtext.conjunction(before), celtext.disjunction(out))


def any_of(patterns: Sequence[Pattern]) -> Pattern:
    """One of several patterns passes, or none fails."""
    passes = celtext.disjunction(each.passes for each in patterns)
    if not any(each.skips for each in patterns):
        return _check(passes)
    return Pattern(celtext.disjunction([passes, celtext.conjunction(each.holds for each in patterns)]), passes)


def anchor(key: str) -> tuple[str, str]:
    """The anchor of a key, `(` for a conditional one, "" for none, and the key itself."""
    found = _ANCHOR.fullmatch(key)
    return ("", key) if found is None else (found["kind"] or "(", found["key"])


def _anchored(value: Any) -> bool:
    """Whether there is an anchor in a value."""
    if isinstance(value, dict):
        return any(anchor(key)[0] or _anchored(each) for key, each in value.items())
    return isinstance(value, list) and any(map(_anchored, value))


class Patterns:
    """Translates the patterns of a rule.

    of_pods: whether they are about Pods alone. typed: whether the kinds are Kubernetes' own, whose schemas say what is
    a list, a map or a scalar, and let nothing be null.
    differs: where the CEL differs from the pattern, and how; filled while patterns are translated.
    """

    def __init__(self, translator: Translator, *, of_pods: bool = False, typed: bool = False) -> None:
        self._translator, self._of_pods, self._typed = translator, of_pods, typed
        self.differs: list[tuple[Path, str]] = []

    def translated(self, pattern: Any, subject: str, at: Path) -> Pattern:
        """A pattern of an object, or of an element. Raises Unsupported or Unfinished, with the place."""
        if variables.has_references(pattern):
            raise Unfinished("a pattern that refers to other fields, $(…)", at)
        if isinstance(pattern, dict) and subject in ("object", "variables.pod"):
            return self._map(pattern, subject, at, 0)
        return self._value(pattern, subject, at, 0)

    def condition(self, value: Any, subject: str, key: str, at: Path) -> str:
        """Whether the condition of an anchor `(key): value` of a patch is met."""
        inner = celtext.select(subject, key)
        return celtext.conjunction([celtext.has(subject, key), self._value(value, inner, at, 0).passes])

    def _map(self, pattern: dict[str, Any], subject: str, at: Path, depth: int) -> Pattern:
        return _after(self._fields(pattern, subject, at, depth))

    def _fields(self, pattern: dict[str, Any], subject: str, at: Path, depth: int) -> list[Pattern]:
        """What is asked of a map, in the order in which Kyverno does."""
        if depth > _DEEPEST:
            raise Unsupported(f"a pattern of more than {_DEEPEST} levels", at)
        plain = [anchor(key)[1] for key in pattern]
        if len(set(plain)) < len(plain):
            raise Unsupported(f"a pattern that names {_repeated(plain)!r} twice", at)
        anchors = [each for each in pattern if anchor(each)[0] not in ("", "<")]
        rest = [each for each in pattern if each not in anchors]
        nested = [each for each in rest if _anchored(pattern[each])]
        if anchors or nested or any(anchor(each)[0] for each in rest):
            plain = sorted(each for each in rest if each not in nested)
            rest = [*sorted(nested, reverse=True), *plain]
        made = self._anchors(pattern, sorted(anchors), subject, at, depth)
        for written in rest:
            made += self._field(written, pattern[written], subject, (*at, written), depth)
        return made

    def _anchors(
        self, pattern: dict[str, Any], written: list[str], subject: str, at: Path, depth: int
    ) -> list[Pattern]:
        """The anchors of a map. A value of =() that is skipped skips the map only if no other anchor of it passes."""
        found = {each: self._anchor(each, pattern[each], subject, (*at, each), depth) for each in written}
        optional = [found[each] for each in written if anchor(each)[0] == "="]
        every = len(optional) == len(written) and all(each.skips for each in optional)
        if len(written) == 1 and every:
            return optional
        made = []
        for each in written:
            part = found[each]
            if anchor(each)[0] == "=" and part.skips:
                stays = part.holds if part.out == "false" else celtext.conjunction([part.holds, _not(part.out)])
                part = Pattern(part.holds, stays, part.out)
            made.append(part)
        if every and optional:
            made.append(Pattern("true", celtext.disjunction(each.passes for each in optional)))
        return made

    def _anchor(self, written: str, value: Any, subject: str, at: Path, depth: int) -> Pattern:
        kind, key = self._key(written, at)
        if celtext.is_wild(key):
            return _check(self._wild_key(kind, key, value, subject, at, depth))
        present, inner = self._present(subject, key), celtext.select(subject, key)
        if kind == "X":
            return _check(celtext.negation(present))
        if kind == "^":
            return _check(celtext.implies(present, self._existence(value, inner, at, depth)))
        if kind == "+":
            raise Unsupported(f"the anchor +({key}) in a validation", at)
        made = self._value(value, inner, at, depth)
        if kind == "(":
            return Pattern("true", celtext.conjunction([present, made.passes]))
        return Pattern(
            celtext.implies(present, made.holds),
            celtext.implies(present, made.passes),
            celtext.conjunction([present, made.out]) if made.out != "false" else "false",
        )

    def _field(self, written: str, value: Any, subject: str, at: Path, depth: int) -> list[Pattern]:
        """A field without an anchor, or with a global one."""
        kind, key = self._key(written, at)
        if celtext.is_wild(key):
            return [_check(self._wild_key(kind, key, value, subject, at, depth))]
        present, inner = self._present(subject, key), celtext.select(subject, key)
        if kind == "<":
            met = self._value(value, inner, at, depth).passes
            out = celtext.conjunction([present, _not(met)])
            return [Pattern("true", celtext.implies(present, met), out)]
        if isinstance(value, dict):
            # Without a list in between, a condition is one of the map around it too.
            there = celtext.conjunction([present, *self._is(inner, "map")])
            return [_check(there), *self._fields(value, inner, at, depth + 1)]
        if isinstance(value, list):
            made = self._list(value, inner, at, depth)
            return [_check(present), made]
        if value == "*" and not kind:
            return [_check(celtext.conjunction([present, f"{inner} != null"]))]
        check = self.scalar(value, inner, at)
        if not variables.has_variables(value) and patternscalars.of_nothing(value):
            return [_check(celtext.implies(present, check))]
        return [_check(celtext.conjunction([present, check]))]

    def _key(self, written: str, at: Path) -> tuple[str, str]:
        if variables.has_variables(written):
            raise Unfinished("a pattern with a variable in the name of a field", at)
        return anchor(written)

    def _present(self, subject: str, key: str) -> str:
        if key in ("metadata", "apiVersion", "kind") and subject == "object":
            return "true"
        return celtext.has(subject, key)

    def _is(self, subject: str, kind: str) -> list[str]:
        """That a value is a map, or a list, where no schema says so."""
        return [] if self._typed else [f"type({subject}) == {kind}"]

    def _value(self, value: Any, subject: str, at: Path, depth: int) -> Pattern:
        """What is asked of a value that is there."""
        if isinstance(value, dict):
            kind = [_check(each) for each in self._is(subject, "map")]
            return _after([*kind, *self._fields(value, subject, at, depth + 1)])
        if isinstance(value, list):
            return self._list(value, subject, at, depth)
        return _check(self.scalar(value, subject, at))

    def _list(self, value: list[Any], subject: str, at: Path, depth: int) -> Pattern:
        """Each element of a list satisfies the one item of the pattern. It is skipped if every element is."""
        if not value:
            raise Unsupported("a pattern with an empty list", at)
        if len(value) > 1:
            raise Unsupported("a pattern with a list of several items", at)
        if isinstance(value[0], list):
            raise Unsupported("a pattern with a list in a list", at)
        variable = self._translator.fresh()
        made = self._value(value[0], variable, (*at, 0), depth + 1)
        kind = self._is(subject, "list")
        if made.holds == made.passes == "true":
            return _check(celtext.conjunction(kind or [f"type({subject}) == list"]))
        held = celtext.conjunction([*kind, self._every(subject, variable, made.holds)])
        if not made.skips:
            return _check(held)
        one = "false" if made.passes == "false" else f"{subject}.exists({variable}, {made.passes})"
        passes = celtext.conjunction([held, celtext.disjunction([f"size({subject}) == 0", one])])
        return Pattern(held, passes)

    def _every(self, subject: str, variable: str, held: str) -> str:
        return "true" if held == "true" else f"{subject}.all({variable}, {held})"

    def _existence(self, value: Any, subject: str, at: Path, depth: int) -> str:
        """The value of an existence anchor: for each of its items, an element of the list satisfies it.

        Items that are no maps are errors of the rule, so that such a list is refused whatever it holds.
        """
        if not isinstance(value, list) or not value:
            raise Unsupported("an existence anchor without a list", at)
        terms = self._is(subject, "list")
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                text = f"the existence anchor ^({anchor(str(at[-1]))[1]}) with items that are no maps"
                raise Unsupported(f"{text}: Kyverno refuses every list there, whatever it holds", at)
            variable = self._translator.fresh()
            made = self._value(item, variable, (*at, index), depth + 1)
            terms.append(f"{subject}.exists({variable}, {made.passes})")
        return celtext.conjunction(terms)

    def _wild_key(self, kind: str, key: str, value: Any, subject: str, at: Path, depth: int) -> str:
        """A key with wildcards, which Kyverno takes in labels and annotations: one key of the object satisfies it."""
        if anchor(str(at[-2]))[1] not in _METADATA or kind not in ("", "=", "X"):
            raise Unsupported(f"a key with wildcards, {key!r}", at)
        variable = self._translator.fresh()
        alike = celtext.like(variable, key)
        if kind == "X":
            return f"!{subject}.exists({variable}, {alike})"
        inner = self._value(value, f"{subject}[{variable}]", at, depth + 1).passes
        if kind == "=":
            return f"{subject}.all({variable}, {celtext.implies(alike, inner)})"
        self.differs.append((at, "of several keys that match, one must satisfy the pattern, whichever it is"))
        return f"{subject}.exists({variable}, {celtext.conjunction([alike, inner])})"

    def scalar(self, value: Any, subject: str, at: Path) -> str:
        """The check of a scalar that is present. Where the object has a list, every element of it must pass."""
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
                return patternscalars.pattern(subject, value, typed=self._typed)
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


def _not(term: str) -> str:
    return celtext.negation(celtext.enclose(term))
