"""YAML text to plain JSON values, as kubectl reads it, and the places of these values in the text.

The reader is fast because it takes the events of libyaml's parser and builds the values itself in one loop: no nodes,
no resolvers, no recursion. Places are wanted for the few documents that have a finding, so the loop records none
unless asked; whoever wants one has the text read once more.

Stricter than kubectl in one thing: a key that stands twice in a mapping is an error (kubectl takes the last silently).
"""

from __future__ import annotations

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

from webhook.documents.syntax import misread, scalars
from webhook.documents.syntax.text import MAX_DEPTH, DuplicateKey, Places, Root, SyntaxProblem

MAX_ALIASED: Final = 500_000
"""Values that the aliases of one text may add up to; a billion laughs end here."""

_MERGE_TAG = "tag:yaml.org,2002:merge"


class _Missing:
    """No value: a mapping that waits for a key, or a scalar that is no constant."""


_NO_KEY: Final = _Missing()
_MERGE_KEY: Final = _Missing()
_OPEN: Final = _Missing()  # an anchor whose list or mapping has not ended yet


def read_yaml(text: str, *, with_places: bool = False) -> list[Root]:
    """The documents of a YAML stream. Raises SyntaxProblem."""
    try:
        return _Reading(text, with_places).roots()
    except SyntaxProblem as problem:
        if problem.offset is not None or with_places:
            raise
        # What needs a place to be told (the first of two equal keys) is found by reading with places.
        return _Reading(text, True).roots()
    except yaml.MarkedYAMLError as error:
        offset = getattr(error.problem_mark or error.context_mark, "index", None)
        what = " ".join(part for part in (error.problem, error.context) if part)
        if offset is not None and text.startswith("\t", offset):
            what = "a tab cannot indent; use spaces"
        elif offset is not None:
            what = misread.syntax_error(text, offset, what) or what
        raise SyntaxProblem(f"not YAML: {what}", offset) from None
    except yaml.reader.ReaderError as error:
        offset = len(text.encode()[: error.position].decode(errors="ignore"))
        code = error.character if isinstance(error.character, int) else ord(error.character[:1] or "?")
        raise SyntaxProblem(f"the character U+{code:04X} is not allowed in YAML", offset) from None


class _Reading:
    """The reading of one YAML stream."""

    def __init__(self, text: str, with_places: bool) -> None:
        self._text = text
        self._with_places = with_places
        self._anchors: dict[str, Any] = {}
        self._aliased = 0
        self._keys: dict[str, str | _Missing] = {}  # plain key text -> the key
        self._sources: list[Any] = []  # what was merged, kept alive so that no id is given twice

    def roots(self) -> list[Root]:
        next_event: Any = CParser(self._text).get_event
        roots: list[Root] = []
        while (event := next_event()) is not None:
            kind = type(event)
            if kind is DocumentStartEvent:
                self._anchors.clear()
                roots.append(self._document(next_event, event.start_mark.index))
        return roots

    def _document(self, next_event: Any, start: int) -> Root:
        """Read one document up to its end. One loop and an explicit stack: text cannot exhaust Python's or C's."""
        keys = self._keys
        constants, numeric = scalars.CONSTANTS, scalars.NUMERIC
        places: Places | None = {} if self._with_places else None
        tags: Places = {}
        root: list[Any] = []  # holds the document's value once it is there
        container: Any = root
        value: Any
        is_list = True
        key: Any = _NO_KEY
        stack: list[tuple[Any, Any, str | None]] = []
        merged: dict[int, set[str]] = {}  # id of a mapping -> its keys that came by a merge and may be overridden
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
                    if key in container and key not in merged.get(id(container), ()):
                        self._duplicate(container, key, event, places)
                    if places is not None:
                        places[id(container), key] = event.start_mark.index
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
                            raise SyntaxProblem(f"{text} is no value in JSON", event.start_mark.index)
                    else:
                        value = text
                else:
                    value = text
                if event.anchor is not None:
                    self._anchors[event.anchor] = value
            elif kind is MappingStartEvent or kind is SequenceStartEvent:
                value = {} if kind is MappingStartEvent else []
                if not is_list and key is _NO_KEY:
                    raise SyntaxProblem(
                        "a mapping's key must be a plain value, not a list or mapping", event.start_mark.index
                    )
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
                        raise SyntaxProblem(
                            "a mapping's key must be a plain value, not a list or mapping", event.start_mark.index
                        )
                    key = self._key(aliased, event)
                    if key in container and key not in merged.get(id(container), ()):
                        self._duplicate(container, key, event, places)
                    if places is not None:
                        places[id(container), key] = event.start_mark.index
                    continue
                value = self._alias(event, len(stack))
            else:  # the document's end
                break

            # A whole value (a scalar or an alias) for the place where the loop stands.
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
        return Root(root[0] if root else None, offset, places or {}, tags)

    def _scalar(self, event: Any) -> scalars.Scalar:
        """The value of a scalar that is quoted or has a tag."""
        if event.tag is None or event.tag == "!":
            return str(event.value)
        try:
            value = scalars.tagged(event.tag, event.value)
        except ValueError as error:
            raise SyntaxProblem(str(error), event.start_mark.index) from None
        if type(value) is float and value - value != 0.0:
            raise SyntaxProblem(f"{event.value} is no value in JSON", event.start_mark.index)
        return value

    def _key(self, value: scalars.Scalar, event: Any) -> str:
        try:
            return scalars.key(value)
        except ValueError as error:
            raise SyntaxProblem(str(error), event.start_mark.index) from None

    def _duplicate(self, container: Any, key: Any, event: Any, places: Places | None) -> None:
        if places is None:
            raise SyntaxProblem("a key stands twice")  # without an offset: read again, with places
        first = self._text.count("\n", 0, places[id(container), key]) + 1
        raise DuplicateKey(key, first, event.start_mark.index)

    def _alias(self, event: Any, depth: int) -> Any:
        """A copy of what an alias stands for: a policy may change a value in one place without changing the others."""
        at = event.start_mark.index
        if event.anchor not in self._anchors:
            # Not named: it may be a password that begins with a star.
            raise SyntaxProblem("an alias of an anchor that is not there; if text begins with *, quote it", at)
        value = self._anchors[event.anchor]
        if value is _OPEN:
            raise SyntaxProblem("an alias inside the very value that it stands for", at)
        if self._with_places:
            return value  # shared, so that its places are found; this reading's values go nowhere
        return self._copy(value, depth, at)

    def _copy(self, value: Any, depth: int, at: int) -> Any:
        # Long texts count by their length: repeating one costs nothing here, but writing the object out does.
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
        """`<<: value`. Like go-yaml v2, in the order of the text: a merge overrides the keys before it."""
        sources = [value] if isinstance(value, dict) else value
        if not isinstance(sources, list) or not all(isinstance(source, dict) for source in sources):
            raise SyntaxProblem("<< wants a mapping or a list of mappings", at)
        self._sources.append(value)
        names = merged.setdefault(id(into), set())
        for source in reversed(sources):  # of several, the first wins
            into.update(source)
            names.update(source)
            if places is not None:
                for name in source:
                    places[id(into), name] = places[id(source), name]
