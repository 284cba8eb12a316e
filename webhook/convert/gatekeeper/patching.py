"""Values at the locations of mutators, as JSON patches: what is missing on the way is made, as Gatekeeper makes it.

ApplyConfiguration would merge a value with what is there, and refuses to change lists and mappings that are atomic.
Gatekeeper replaces: `spec.nodeSelector.zone` is set, and what else nodeSelector has stays; `spec.nodeSelector` replaces
all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from webhook.convert import celtext, jsonpatches
from webhook.convert.gatekeeper.locations import Step

NONE: Final = "[]"


class Value(Struct, frozen=True):
    """What is written. write: the expression of the value, of the optional expression of what is there. new: of a value
    where there is nothing; "" if nothing is made then. needed: a condition on what is there; "true" for any."""

    write: Callable[[str], str]
    new: str = ""
    needed: Callable[[str], str] = lambda _: "true"


class Test(Struct, frozen=True):
    """A test of a path. steps: how many of the location it has. there: whether it must exist, or must not."""

    steps: int
    there: bool


class Patch(Struct, frozen=True):
    """A location, what is written there, and under which tests."""

    steps: Sequence[Step]
    value: Value
    tests: Sequence[Test]

    @property
    def expression(self) -> str:
        """The operations: a list of JSONPatch."""
        return self._operations(0, "object", "")

    def _operations(self, start: int, root: str, base: str) -> str:
        """The operations from a step on. root: the mapping that holds it. base: the expression of its pointer."""
        end = next((place for place in range(start, len(self.steps)) if self.steps[place].list_key), len(self.steps))
        early = [self._tested(test, start, root) for test in self.tests if start < test.steps <= end]
        if end == len(self.steps):
            keys = [each.key for each in self.steps[start:]]
            there = celtext.optional(root, *keys)
            if not self.value.new:
                early.append(f"{there}.hasValue()")
            early.append(self.value.needed(there))
            add = f"[JSONPatch{{op: 'add', path: {_path(base, keys)}, value: {self.value.write(there)}}}]"
            made = _parents(root, base, keys[:-1]) if self.value.new else []
            return _guarded(early, [*made, add])
        return _guarded(early, self._in_list(start, end, root, base))

    def _tested(self, test: Test, start: int, root: str) -> str:
        there = celtext.optional(root, *[each.key for each in self.steps[start : test.steps]]) + ".hasValue()"
        return there if test.there else celtext.negation(there)

    def _in_list(self, start: int, place: int, root: str, base: str) -> list[str]:
        """The operations on the elements of the list of a step, and on the list where it lacks the element."""
        keys, step = [each.key for each in self.steps[start : place + 1]], self.steps[place]
        index, element = f"i{place}", f"c{place}"
        there = celtext.optional(root, *keys)
        listed = f"{there}.orValue([])"
        own = [test for test in self.tests if test.steps == place + 1]
        named = step.list_value not in (None, "*")
        chosen = f"{celtext.optional(element, step.list_key)}.orValue(null) == {celtext.text(step.list_value or '')}"
        terms = []
        if all(test.there for test in own):
            at = f"{_path(base, keys, '/')} + string({index})"
            if place + 1 == len(self.steps):
                value = self.value.write(f"optional.of({element})")
                inner = f"[JSONPatch{{op: 'replace', path: {at}, value: {value}}}]"
            else:
                inner = self._operations(place + 1, element, at)
            condition = f"{chosen}, " if named else ""
            terms.append(f"{listed}.transformList({index}, {element}, {condition}{inner}).flatten()")
        later = [test for test in self.tests if test.steps > place]
        if named and self.value.new and not any(test.there for test in later):
            made = self._element(place)
            if made:
                new = f"[{there}.hasValue() ? JSONPatch{{op: 'add', path: {_path(base, keys, '/-')}, value: {made}}} : "
                new += f"JSONPatch{{op: 'add', path: {_path(base, keys)}, value: [{made}]}}]"
                lacking = f"!{listed}.exists({element}, {chosen})"
                terms.append(_guarded([lacking], [*_parents(root, base, keys[:-1]), new]))
        return terms

    def _element(self, place: int) -> str:
        """A new element for the list of a step, with what the location says of it; "" if that is about all elements of
        a list within it, which is not there."""
        step = self.steps[place]
        if place + 1 == len(self.steps):
            return self.value.new
        inner = self._made(place + 1)
        return (
            f"{{{celtext.text(step.list_key)}: dyn({celtext.text(step.list_value or '')}), {inner}}}" if inner else ""
        )

    def _made(self, place: int) -> str:
        """The entry of a mapping for a step, with all below it."""
        step = self.steps[place]
        if step.list_key:
            element = self._element(place) if step.list_value != "*" else ""
            value = f"[{element}]" if element else ""
        elif place + 1 == len(self.steps):
            value = self.value.new
        else:
            inner = self._made(place + 1)
            value = f"{{{inner}}}" if inner else ""
        return f"{celtext.text(step.key)}: dyn({value})" if value else ""


def _path(base: str, keys: Sequence[str], end: str = "") -> str:
    """The expression of a pointer."""
    text = celtext.text(jsonpatches.pointer(keys) + end)
    return f"{base} + {text}" if base else text


def _parents(root: str, base: str, keys: Sequence[str]) -> list[str]:
    """Operations that make the mappings on the way that are missing."""
    terms = []
    for length in range(1, len(keys) + 1):
        missing = f"!{celtext.optional(root, *keys[:length])}.hasValue()"
        terms.append(f"({missing} ? [JSONPatch{{op: 'add', path: {_path(base, keys[:length])}, value: {{}}}}] : [])")
    return terms


def _guarded(conditions: Sequence[str], terms: Sequence[str]) -> str:
    """The lists of operations one after another, if the conditions are met."""
    joined = " +\n".join(terms) or NONE
    met = celtext.conjunction(conditions)
    if met == "true" or joined == NONE:
        return joined
    enclosed = f"({joined})" if len(terms) > 1 else joined
    return f"({celtext.enclose(met, '||')} ? {enclosed} : [])"
