"""Redacts the content of Secrets: every text about a request that leaves the process goes through a Redaction.

Offline tools make one for each request (webhook.offline.verdicts). In the server the engine itself masks what policies
say, before it becomes a message, a warning, an audit annotation or a log line (webhook.admission.confidential).
"""

from __future__ import annotations

import base64
import binascii
import json
import marshal
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from webhook.access import Access, AccessDecision
from webhook.cluster.view import Answer, ClusterView
from webhook.paths import Path
from webhook.schema import Kinds

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

FIELDS: Final = ("data", "stringData")
"""The fields of a Secret whose values are hidden."""

HIDDEN: Final = "(hidden: it may contain values of a large Secret)"

LIMIT: Final = 20_000
"""The most characters of a review's Secrets that are looked for in what the server says: a client chooses their size,
and looking costs time. It is some 50 ms for so many."""

INDEXED: Final = 1 << 18
"""The most characters, in all forms, that are kept as an index of slices (some 90 bytes each)."""

_SHORTEST: Final = 3
"""The fewest characters of a value that is redacted. Redacting each "1" would hide nothing and spoil every message."""

_WORDS: Final = frozenset({"true", "false", "null"})
"""Values that are not redacted, as they are in half of all messages."""

_WHOLE: Final = 100
"""The most texts that are looked for one by one."""

_SLICE: Final = 6
"""The fewest characters of a part of a value that is redacted on its own."""


def is_secret(value: Any) -> bool:
    """Whether the object is a Secret, of any apiVersion."""
    return isinstance(value, dict) and value.get("kind") == "Secret"


def secrets_in(*values: Any) -> Iterator[dict[str, Any]]:
    """The Secrets among the values and anywhere inside them."""
    stack = [value for value in values if _may_hold_secrets(value)]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if value.get("kind") == "Secret":
                yield value
            stack += [item for item in value.values() if isinstance(item, _CONTAINERS)]
        elif isinstance(value, list):
            stack += [item for item in value if isinstance(item, _CONTAINERS)]


def _may_hold_secrets(value: Any) -> bool:
    """Whether the word Secret is in a value: to write it by marshal takes a tenth of what a walk in Python takes."""
    if value is None:
        return False
    try:
        return b"Secret" in marshal.dumps(value)
    except ValueError:  # deeply nested, or of types that marshal does not write
        return True


_CONTAINERS: Final = (dict, list)  # of a tuple, isinstance takes a third of the time that it takes of a union


def length_of(text: str) -> str:
    """`<12 characters>`"""
    return f"<{len(text):,} character{'' if len(text) == 1 else 's'}>"


class Redaction(Struct, frozen=True):
    """Removes the values of Secrets, and long parts of them, from texts. False in a boolean context without Secrets.

    Hidden are, whatever their case: values of 3 characters or more (but not the words true, false and null), in plain,
    reversed, in base64 and in hexadecimal; and each part of one, in these forms, of six characters or more.

    `values`: the texts that are hidden as a whole, the longest first. `sliced`: lower-case texts; each slice of six of
    their characters is hidden too. `index`: all of `sliced`, cut to slices, and values shorter than a slice; None if
    these are more than INDEXED characters. `whole`: the values that the index does not find. `present`: there is a
    Secret. `excessive`: there is more than `limit` allowed, so nothing is known.
    """

    values: tuple[str, ...] = ()
    sliced: tuple[str, ...] = ()
    index: frozenset[str] | None = None
    whole: tuple[str, ...] = ()
    present: bool = False
    excessive: bool = False

    @classmethod
    def of(cls, *objects: Any, limit: int | None = None) -> Redaction:
        """The redaction for texts that policies computed from these objects, for all Secrets inside them.

        limit: the most characters that the Secrets may hold for their values to be looked for. If they hold more,
        every text is hidden as a whole. None: no limit.
        """
        secrets = list(secrets_in(*objects))
        if not secrets:
            return cls()
        if limit is not None and _size(secrets) > limit:
            return cls(present=True, excessive=True)
        values: set[str] = set()
        sliced: set[str] = set()
        for secret in secrets:
            whole, parts = _values(secret)
            values.update(whole)
            sliced.update(parts)
        longest_first = sorted(values, key=lambda text: (-len(text), text))
        apart = [text for text in longest_first if text not in sliced and len(text) >= _SLICE]
        if len(apart) > _WHOLE:  # each is looked for in every text
            sliced.update(apart)
            apart = []
        long = sorted({_folded(text) for text in sliced if len(text) >= _SLICE})
        index = None
        if sum(map(len, long)) <= INDEXED:
            slices = {text[at : at + _SLICE] for text in long for at in range(len(text) - _SLICE + 1)}
            index = frozenset(slices | {_folded(text) for text in values if len(text) < _SLICE})
        return cls(tuple(longest_first), tuple(long), index, tuple(apart), present=True)

    def __bool__(self) -> bool:
        return self.present

    def applied(self, text: str) -> str:
        """The text with each value of a Secret replaced by its length: `<12 characters>`."""
        if not self.present or not text:
            return text
        if self.excessive:
            return HIDDEN
        hide = bytearray(len(text))  # 1: hidden; 2: hidden, and the start of a value
        if self.index is not None:
            self._mark(text, self.index, hide)
            self._search(text, self.whole, hide)
        else:
            self._search(text, self.values, hide)
            for at in sorted(self._slices(text)):
                for place in range(at, at + _SLICE):
                    hide[place] = hide[place] or 1
        return "".join(_masked_runs(text, hide))

    def holds(self, text: str) -> bool:
        """Whether a text contains something to hide."""
        if self.index is None and len(text) >= _SLICE:  # to look for each part would take too long for every string
            return self.excessive or any(value in text for value in self.values)
        return self.applied(text) != text

    def names(self, path: Path) -> bool:
        """Whether a step of the path contains the value of a Secret."""
        return any(isinstance(step, str) and self.applied(step) != step for step in path)

    def _mark(self, text: str, index: frozenset[str], hide: bytearray) -> None:
        """Mark what the index has, in time linear in the text."""
        folded = _folded(text)
        for at in range(len(folded)):
            for length in range(_SLICE, _SHORTEST - 1, -1):
                if folded[at : at + length] in index:
                    end = min(at + length, len(folded))
                    hide[at:end] = b"\1" * (end - at)
                    break

    def _search(self, text: str, values: Iterable[str], hide: bytearray) -> None:
        for value in values:
            at = text.find(value)
            while at >= 0:
                if not any(hide[at : at + len(value)]):
                    hide[at : at + len(value)] = b"\2" + b"\1" * (len(value) - 1)
                elif self.index is not None:  # parts are marked, by the index
                    hide[at : at + len(value)] = b"\1" * len(value)
                at = text.find(value, at + 1)

    def _slices(self, text: str) -> Iterator[int]:
        """The indices at which slices of values begin in a text, ignoring case."""
        folded = _folded(text)
        places: dict[str, list[int]] = {}
        for at in range(len(folded) - _SLICE + 1):
            places.setdefault(folded[at : at + _SLICE], []).append(at)
        if places:
            for value in self.sliced:
                shared = {value[at : at + _SLICE] for at in range(len(value) - _SLICE + 1)} & places.keys()
                for each in shared:
                    yield from places[each]


def _masked_runs(text: str, hide: bytearray) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = at + 1
        if not hide[at]:
            while end < len(text) and not hide[end]:
                end += 1
            yield text[at:end]
        else:
            while end < len(text) and hide[end] == 1:
                end += 1
            yield length_of(text[at:end])
        at = end


def _folded(text: str) -> str:
    """The text in lower case, with the same length: each character keeps its index."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(map(_lower, text))


def _lower(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 else character


_SEARCHED: Final = 64  # objects of which it is known which Secrets they hold


class SecretsSeen:
    """A ClusterView that records the Secrets it returned, as messages of policies may contain their values."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self._searched: dict[int, tuple[Any, list[dict[str, Any]]]] = {}  # by id(); the value keeps the id in use
        self.seen: list[dict[str, Any]] = []

    @property
    def kinds(self) -> Kinds:
        """See ClusterView."""
        return self._view.kinds

    def forget(self) -> None:
        """Clear the record, before the next request."""
        self.seen.clear()

    def also(self, other: SecretsSeen) -> None:
        """Add what another view has recorded."""
        if other is not self:
            self.seen += other.seen

    def namespace(self, name: str) -> Answer:
        """See ClusterView."""
        return self._view.namespace(name)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        answer = self._view.get(api_version, kind, name, namespace)
        value = answer.value
        if value is None:
            return answer
        # Most are params, which one policy after the other asks for.
        known = self._searched.get(id(value))
        if known is None:
            if len(self._searched) >= _SEARCHED:
                self._searched.clear()
            known = self._searched[id(value)] = value, list(secrets_in(value))
        self.seen += known[1]
        return answer

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        answer = self._view.list(api_version, kind, namespace)
        self.seen += secrets_in(answer.value)
        return answer

    def authorize(self, access: Access) -> AccessDecision:
        """See ClusterView."""
        return self._view.authorize(access)


def _values(secret: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The texts of a Secret that are redacted as a whole, and those whose slices are redacted too."""
    current = {form for field in FIELDS for value in _leaves(secret.get(field)) for form in _forms(value, field)}
    metadata = secret.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    applied = annotations.get(LAST_APPLIED) if isinstance(annotations, dict) else None
    if applied is None:
        return current, current
    whole = current | set(_forms(applied, "stringData"))
    try:
        parsed = json.loads(applied)
    except (TypeError, ValueError, RecursionError):
        return whole, whole
    if not isinstance(parsed, dict):
        return whole, whole
    # Slices of the last-applied object are redacted too, unless the text is also in a public field of the Secret.
    public = {field: value for field, value in secret.items() if field not in FIELDS}
    public["metadata"] = {**(metadata or {}), "annotations": {**(annotations or {}), LAST_APPLIED: None}}
    public_texts = {str(value) for value in _leaves(public)}
    texts = (value for value in _leaves(parsed) if str(value) not in public_texts)
    before = {form for value in texts for field in FIELDS for form in _forms(value, field)}
    return whole | before, current | before


def _size(secrets: Iterable[dict[str, Any]]) -> int:
    """The characters that Secrets hold in the fields whose values are hidden."""
    total = 0
    for secret in secrets:
        metadata = secret.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        applied = annotations.get(LAST_APPLIED) if isinstance(annotations, dict) else None
        total += sum(len(str(value)) for value in _leaves([applied, *map(secret.get, FIELDS)]))
    return total


def _leaves(value: Any) -> Iterator[Any]:
    """The strings and numbers inside a value."""
    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, list | dict):
            stack += value if isinstance(value, list) else value.values()
        elif value is not None and not isinstance(value, bool):
            yield value


def _forms(value: Any, field: str) -> Iterator[str]:
    """The forms of a value that a message may contain: itself, its lines, these reversed, base64 and hexadecimal."""
    text = str(value)
    decoded = _decoded(text) if field == "data" else text
    forms: list[str] = [text, *text.splitlines(), decoded, *decoded.splitlines()]
    forms += [form[::-1] for form in {*forms}]
    for each in {text, decoded}:
        encoded = each.encode(errors="replace")
        forms += _encoded(encoded)
        forms.append(encoded.hex())
    for form in forms:
        for variant in (form, form.strip()):
            if len(variant) >= _SHORTEST and variant.lower() not in _WORDS:
                yield variant


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _encoded(content: bytes) -> Iterable[str]:
    """The base64 forms of some bytes: alone, and at the two other offsets inside longer content."""
    yield base64.b64encode(content).decode()
    for before in (1, 2):  # without the characters that also depend on neighbouring bytes
        yield base64.b64encode(b"\0" * before + content)[before + 1 : (before + len(content)) * 8 // 6].decode()
