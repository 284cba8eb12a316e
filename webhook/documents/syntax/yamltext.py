"""Parses YAML text into plain JSON values, as kubectl does, with their positions in the text.

It is fast because one loop builds the values from the events of libyaml's parser: no nodes, no resolvers, no recursion.
Only the few documents with a finding need positions, so the first parse records none; the text is parsed a second time
if they are needed.

Of a key that a mapping has twice the last counts, as for kubectl; Root.repeated names it. Two keys that are equal in
JSON only (`1` and `'1'`) are an error: which of them kubectl sends is left to chance.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import yaml
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from webhook.documents.syntax import longvalues, misread, scalars
from webhook.documents.syntax.common import MAX_DEPTH, DuplicateKey, Places, Root, SyntaxProblem
from webhook.documents.syntax.misplacing import structure_error
from webhook.lazypatterns import lazily

MAX_ALIASED: Final = 500_000
"""The most values that the aliases of one text may expand to. It stops a billion-laughs attack."""

_NOT_A_KEY = "a mapping's key must be a plain value, not a list or mapping"
_COLON: Final = "found unexpected ':'"
_COLONS = lazily(r"""(?<=[^\s"'\]}]):(?=[,?\[\]{}])""")
_MERGE_TAG = "tag:yaml.org,2002:merge"


class _Missing:
    """The type of markers for a missing value."""


_NO_KEY: Final = _Missing()
_MERGE_KEY: Final = _Missing()
_OPEN: Final = _Missing()  # the value of an anchor inside its own list or mapping


def read_yaml(text: str, *, with_places: bool = False) -> list[Root]:
    """The documents of a YAML stream. Raises SyntaxProblem."""
    reading = _Reading(text, with_places)
    try:
        return _read(reading, text, with_places)
    except yaml.MarkedYAMLError as error:
        colon = _unused(text) if error.problem == _COLON else ""
        if not colon:
            raise _of_grammar(text, error, reading.read_to) from None
    # In `[fd00::]` libyaml takes a colon before a bracket or comma for the end of a key; kubectl's parser takes it for
    # text. Another character in its place has the same offset, and is a colon again in the values.
    replaced = _COLONS.sub(colon, text)
    reading = _Reading(replaced, with_places, colon)
    try:
        return _read(reading, replaced, with_places, colon)
    except yaml.MarkedYAMLError as error:
        raise _of_grammar(text, error, reading.read_to) from None


def _unused(text: str) -> str:
    """A character for private use that is not in a text; "" if the text has all of them."""
    return next((letter for letter in map(chr, range(0xE000, 0xF900)) if letter not in text), "")


def _read(reading: _Reading, text: str, with_places: bool, colon: str = "") -> list[Root]:
    try:
        roots = reading.roots()
        if reading.repeats and not with_places:
            # Their places are needed: parse again, with positions.
            reading = _Reading(text, True, colon)
            for root, placed in zip(roots, reading.roots(), strict=True):
                root.repeated = placed.repeated
    except SyntaxProblem as problem:
        problem.read_to = reading.read_to
        raise
    except yaml.reader.ReaderError as error:
        offset = len(text.encode()[: error.position].decode(errors="ignore"))
        code = error.character if isinstance(error.character, int) else ord(error.character[:1] or "?")
        raise SyntaxProblem(f"the character U+{code:04X} is not allowed in YAML", offset) from None
    return roots


def _of_grammar(text: str, error: yaml.MarkedYAMLError, read_to: int) -> SyntaxProblem:
    offset = getattr(error.problem_mark or error.context_mark, "index", None)
    began = getattr(error.context_mark, "index", None)
    what = " ".join(part for part in (error.problem, error.context) if part)
    if offset is not None and text.startswith("\t", offset):
        what = "a tab cannot indent; use spaces"
    elif offset is not None:
        misreading = misread.syntax_error(text, offset, what)
        what, offset = (
            (misreading, offset) if misreading else structure_error(text, offset, began, what) or (what, offset)
        )
    problem = SyntaxProblem(f"not YAML: {what}", offset, grammar=True)
    problem.read_to = read_to
    return problem


class _Reading:
    """One parse of a YAML stream. colon: what stands for a colon in the text; "" for nothing."""

    def __init__(self, text: str, with_places: bool, colon: str = "") -> None:
        self._text = text
        self._colon = colon
        self._with_places = with_places
        self._anchors: dict[str, Any] = {}
        self._aliased = 0
        self._keys: dict[str, str | _Missing] = {}  # cache: text of a plain key -> JSON key
        self._kept: list[Any] = []  # merged and replaced values, kept alive so that their ids are not reused
        self._texts: dict[tuple[int, str], bool] = {}  # with places: whether a mapping's key is a text
        self._plain: dict[str, bool] = {}  # text of a plain key -> whether it is one
        self._merges: dict[int, int] = {}  # with places: id of a mapping -> the offset of its merge key
        self._repeated: list[DuplicateKey] = []  # with places: of the document
        self.repeats = False  # whether any mapping has a key twice
        self.read_to = 0  # where the last complete document ends

    def roots(self) -> list[Root]:
        long = len(self._text) > longvalues.LONGEST
        next_event: Any = longvalues.Events(self._text) if long else CParser(self._text).get_event
        if self._colon:
            next_event = partial(self._with_colons, next_event)
        roots: list[Root] = []
        while (event := next_event()) is not None:
            kind = type(event)
            if kind is DocumentStartEvent:
                self._anchors.clear()
                self._repeated = []
                root, self.read_to = self._document(next_event, event.start_mark.index)
                roots.append(root)
        return roots

    def _with_colons(self, next_event: Any) -> Any:
        event = next_event()
        if type(event) is ScalarEvent:
            event.value = event.value.replace(self._colon, ":")
        return event

    def _document(self, next_event: Any, start: int) -> tuple[Root, int]:
        """Read one document, and give the offset of its end.

        Uses a loop with an explicit stack, so that deep nesting cannot exhaust the call stack.
        """
        keys = self._keys
        constants, numeric = scalars.CONSTANTS, scalars.NUMERIC
        places: Places | None = {} if self._with_places else None
        tags: Places = {}
        root: list[Any] = []  # at the end, its only item is the document's value
        container: Any = root
        value: Any
        is_list = True
        key: Any = _NO_KEY
        stack: list[tuple[Any, Any, str | None]] = []
        merged: dict[int, set[str]] = {}  # id of a mapping -> its keys from a merge, which may be overridden
        offset = start

        while True:
            event = next_event()
            kind = type(event)
            if kind is ScalarEvent:
                text = event.value
                if not is_list and key is _NO_KEY:
                    if event.implicit[0] and event.tag is None:
                        known = keys.get(text)
                        if known is None:
                            known = keys[text] = _MERGE_KEY if text == "<<" else self._key(scalars.plain(text), event)
                        key = known
                    else:
                        key = _MERGE_KEY if event.tag == _MERGE_TAG else self._key(self._scalar(event), event)
                    if event.anchor is not None:
                        self._anchors[event.anchor] = text
                    if key is _MERGE_KEY:
                        self._merge_key(container, event, merged)
                        continue
                    if key in container and key not in merged.get(id(container), ()):
                        self._duplicate(container, key, event, places)
                    if places is not None:
                        places[id(container), key] = event.start_mark.index
                        self._texts[id(container), key] = self._is_text(event)
                    continue
                if event.tag is not None:
                    value = self._scalar(event)
                    if not event.tag.startswith(scalars.TAG) or event.tag[len(scalars.TAG) :] not in scalars.TAGS:
                        tags[id(container), len(container) if is_list else key] = event.start_mark.index
                elif event.implicit[0]:
                    if text in constants:
                        value = constants[text]
                    elif text[0] in numeric:
                        value = scalars.number(text)
                        if type(value) is float and value - value != 0.0:  # infinite or NaN
                            raise SyntaxProblem(f"{text} is not a JSON value", event.start_mark.index)
                    else:
                        value = text
                else:
                    value = text
                if event.anchor is not None:
                    self._anchors[event.anchor] = value
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                value = {} if kind is MappingStartEvent else []
                if not is_list and key is _NO_KEY:
                    raise SyntaxProblem(_NOT_A_KEY, event.start_mark.index, grammar=True)
                if len(stack) >= MAX_DEPTH:
                    raise SyntaxProblem(f"nested more than {MAX_DEPTH} levels deep", event.start_mark.index)
                if is_list:
                    if container is root:
                        offset = event.start_mark.index
                    if places is not None:
                        places[id(container), len(container)] = event.start_mark.index
                    container.append(value)
                elif key is not _MERGE_KEY:
                    container[key] = value
                if event.anchor is not None:
                    self._anchors[event.anchor] = _OPEN
                stack.append((container, key, event.anchor))
                container, is_list, key = value, kind is SequenceStartEvent, _NO_KEY
                continue
            elif kind is MappingEndEvent or kind is SequenceEndEvent:
                value = container
                container, key, anchor = stack.pop()
                is_list = type(container) is list
                if anchor is not None:
                    self._anchors[anchor] = value
                if key is _MERGE_KEY:
                    self._merge(container, value, event.start_mark.index, merged, places)
                key = _NO_KEY
                continue
            elif kind is AliasEvent:
                if not is_list and key is _NO_KEY:
                    aliased = self._alias(event, len(stack))
                    if isinstance(aliased, dict | list):
                        raise SyntaxProblem(_NOT_A_KEY, event.start_mark.index, grammar=True)
                    key = self._key(aliased, event)
                    if key in container and key not in merged.get(id(container), ()):
                        self._duplicate(container, key, event, places)
                    if places is not None:
                        places[id(container), key] = event.start_mark.index
                        self._texts[id(container), key] = self._is_text(event)
                    continue
                value = self._alias(event, len(stack))
            else:  # the document's end
                break

            # Add a complete value (a scalar or an alias) to the current list or mapping.
            if is_list:
                if container is root:
                    offset = event.start_mark.index
                if places is not None:
                    places[id(container), len(container)] = event.start_mark.index
                container.append(value)
            else:
                if key is _MERGE_KEY:
                    self._merge(container, value, event.start_mark.index, merged, places)
                else:
                    container[key] = value
                key = _NO_KEY
        return Root(root[0] if root else None, offset, places or {}, tags, self._repeated), event.end_mark.index

    def _scalar(self, event: Any) -> scalars.Scalar:
        """The value of a quoted or tagged scalar."""
        if event.tag is None or event.tag == "!":
            return str(event.value)
        try:
            value = scalars.tagged(event.tag, event.value)
        except ValueError as error:
            raise SyntaxProblem(str(error), event.start_mark.index) from None
        if type(value) is float and value - value != 0.0:
            raise SyntaxProblem(f"{event.value} is not a JSON value", event.start_mark.index)
        return value

    def _key(self, value: scalars.Scalar, event: Any) -> str:
        try:
            return scalars.key(value)
        except ValueError as error:
            raise SyntaxProblem(str(error), event.start_mark.index) from None

    def _duplicate(self, container: Any, key: Any, event: Any, places: Places | None) -> None:
        """Note a key that its mapping has already. `1` and `'1'` are two keys in YAML, and one in JSON: an error."""
        self.repeats = True
        if places is None:
            return  # read_yaml parses again, with positions
        at = event.start_mark.index
        duplicate = DuplicateKey(key, self._text.count("\n", 0, places[id(container), key]) + 1, at)
        was_text = self._texts.get((id(container), key), True)
        is_text = self._is_text(event)
        if was_text != is_text:
            raise duplicate
        self._repeated.append(duplicate)
        self._kept.append(container[key])

    def _is_text(self, event: Any) -> bool:
        """Whether a key, or the alias of one, is a text in YAML."""
        if type(event) is AliasEvent:
            return isinstance(self._anchors.get(event.anchor or ""), str)
        if event.tag is not None or not event.implicit[0]:
            return True
        known = self._plain.get(event.value)
        if known is None:
            known = self._plain[event.value] = isinstance(scalars.plain(event.value), str)
        return known

    def _merge_key(self, container: Any, event: Any, merged: dict[int, set[str]]) -> None:
        """Note a second `<<` in a mapping: both are merged, the second over the first, as kubectl does."""
        at = event.start_mark.index
        if id(container) in merged:
            self.repeats = True
            if self._with_places:
                first = self._text.count("\n", 0, self._merges[id(container)]) + 1
                self._repeated.append(DuplicateKey("<<", first, at))
        self._merges.setdefault(id(container), at)

    def _alias(self, event: Any, depth: int) -> Any:
        """A copy of the value of an alias, so that a policy can change one occurrence without the others."""
        at = event.start_mark.index
        if event.anchor not in self._anchors:
            # The message does not quote it: it may be a password that begins with a star.
            raise SyntaxProblem("alias of an unknown anchor; if it is text that begins with *, quote it", at)
        value = self._anchors[event.anchor]
        if value is _OPEN:
            raise SyntaxProblem("an alias inside of its own anchor's value", at)
        if self._with_places:
            return value  # shared, so that `places` has it; only positions are used from this parse
        return self._copy(value, depth, at)

    def _copy(self, value: Any, depth: int, at: int) -> Any:
        # Long texts count by their length: an alias of one is cheap here, but serializing the object is not.
        self._aliased += 1 + (len(value) >> 6 if type(value) is str else 0)
        if self._aliased > MAX_ALIASED:
            raise SyntaxProblem(f"aliases repeat more than {MAX_ALIASED:,} values", at)
        if type(value) is not dict and type(value) is not list:
            return value
        if depth >= MAX_DEPTH:
            raise SyntaxProblem(f"nested more than {MAX_DEPTH} levels deep", at)
        if type(value) is dict:
            return {key: self._copy(item, depth + 1, at) for key, item in value.items()}
        return [self._copy(item, depth + 1, at) for item in value]

    def _merge(
        self, into: dict[str, Any], value: Any, at: int, merged: dict[int, set[str]], places: Places | None
    ) -> None:
        """Merge `<<: value`. As in go-yaml v2, the order in the text decides: a merge overrides the keys before it."""
        sources = [value] if isinstance(value, dict) else value
        if not isinstance(sources, list) or not all(isinstance(source, dict) for source in sources):
            raise SyntaxProblem("<<: expected a mapping or a list of mappings", at)
        self._kept.append(value)
        names = merged.setdefault(id(into), set())
        for source in reversed(sources):  # the first of several wins
            into.update(source)
            names.update(source)
            if places is not None:
                for name in source:
                    places[id(into), name] = places[id(source), name]
