"""Writes values at the locations of mutators as JSON patches, and creates missing parents as Gatekeeper does.

An ApplyConfiguration would merge a value with the present one, and cannot change atomic lists and mappings. Gatekeeper
replaces the value at the location: `spec.nodeSelector.zone` sets one key, and `spec.nodeSelector` replaces all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from webhook.convert import celtext, jsonpatches
from webhook.convert.gatekeeper.locations import Step

NONE: Final = "[]"


class Value(Struct, frozen=True):
    """The value to write. write: makes its expression from the optional expression of the present value. new: the
    expression where there is no value; "" if none is created. needed: makes a condition on the present value."""

    write: Callable[[str], str]
    new: str = ""
    needed: Callable[[str], str] = lambda _: "true"


class Test(Struct, frozen=True):
    """A test of a path. steps: the number of the location's steps in the path. there: whether the path must exist or
    must not."""

    steps: int
    there: bool


class Patch(Struct, frozen=True):
    """A location, the value to write there, and the tests that must hold."""

    steps: Sequence[Step]
    value: Value
    tests: Sequence[Test]

    @property
    def expression(self) -> str:
        """The expression of the operations, a list of JSONPatch."""
        return self._operations(0, "object", "")

    def _operations(self, start: int, root: str, base: str) -> str:
        """The operations from a step on. root: the mapping that holds the step's field. base: the expression of the
        pointer to it."""
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
        """The operations on the elements of a step's list, and on the list itself if the element is missing."""
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
        """A new element for a step's list, with the fields that the location names; "" if the location goes on to all
        elements of an inner list, which a new element does not have."""
        step = self.steps[place]
        if place + 1 == len(self.steps):
            return self.value.new
        inner = self._made(place + 1)
        return (
            f"{{{celtext.text(step.list_key)}: dyn({celtext.text(step.list_value or '')}), {inner}}}" if inner else ""
        )

    def _made(self, place: int) -> str:
        """The entry of a mapping for a step, with the steps below it."""
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
    """The operations that create missing parents."""
    terms = []
    for length in range(1, len(keys) + 1):
        missing = f"!{celtext.optional(root, *keys[:length])}.hasValue()"
        terms.append(f"({missing} ? [JSONPatch{{op: 'add', path: {_path(base, keys[:length])}, value: {{}}}}] : [])")
    return terms


def _guarded(conditions: Sequence[str], terms: Sequence[str]) -> str:
    """The lists of operations, concatenated, under the conditions."""
    joined = " +\n".join(terms) or NONE
    met = celtext.conjunction(conditions)
    if met == "true" or joined == NONE:
        return joined
    enclosed = f"({joined})" if len(terms) > 1 else joined
    return f"({celtext.enclose(met, '||')} ? {enclosed} : [])"
