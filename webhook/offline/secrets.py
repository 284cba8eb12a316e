"""Redacts the content of Secrets. Secrets are checked like other objects, but no output may contain their values."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import Struct

from webhook.access import Access, AccessDecision
from webhook.cel.value.values import Optional
from webhook.cel.why.privacy import Private
from webhook.cluster.view import Answer, ClusterView
from webhook.paths import Path
from webhook.schema import Kinds

MASK: Final = "***"
CHANGED_MASK: Final = "*** (changed)"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

_SHORTEST: Final = 3
"""The fewest characters of a value that is redacted. Redacting each "1" would hide nothing and spoil every message."""

_SLICE: Final = 6
"""The fewest characters of a part of a value that is redacted on its own."""

_FIELDS: Final = ("data", "stringData")


def is_secret(value: Any) -> bool:
    """Whether the object is a Secret, of any apiVersion."""
    return isinstance(value, dict) and value.get("kind") == "Secret"


def secrets_in(*values: Any) -> Iterator[dict[str, Any]]:
    """The Secrets among the values and anywhere inside them."""
    stack = list(values)
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if is_secret(value):
                yield value
            stack += (item for item in value.values() if isinstance(item, dict | list))
        elif isinstance(value, list):
            stack += (item for item in value if isinstance(item, dict | list))


def hidden(value: Any) -> str:
    """The replacement of a hidden value: its type and length. Booleans and null are not hidden."""
    while isinstance(value, Optional):
        value = value.value
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return length_of(value)
        case bytes() | list() | dict():
            one, many = {bytes: ("byte", "bytes"), list: ("item", "items")}.get(type(value), ("entry", "entries"))
            return f"<{len(value):,} {one if len(value) == 1 else many}>"
        case int() | float():
            return "<number>"
        case _:
            return f"<{type(value).__name__.lower()}>"


def length_of(text: str) -> str:
    """`<12 characters>`"""
    return f"<{len(text):,} character{'' if len(text) == 1 else 's'}>"


def private_parts(*values: Any) -> Private:
    """The private parts of the values: everything below data, stringData and the last-applied annotation of Secrets.

    Parts are identified by id(), so the values must live as long as the result.
    """
    parts: set[int] = set()
    holders: set[int] = set()
    for value in values:
        _find_private(value, parts, holders)
    return Private(frozenset(parts), frozenset(holders))


def _find_private(value: Any, parts: set[int], holders: set[int]) -> bool:
    """Add the private parts of a value, and their holders, to the sets. Returns whether it has private parts."""
    if not isinstance(value, dict | list):
        return False
    holds = False
    if isinstance(value, dict) and is_secret(value):
        for field in _FIELDS:
            holds |= _add_private(value.get(field), parts)
        metadata = value.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if isinstance(annotations, dict) and _add_private(annotations.get(LAST_APPLIED), parts):
            holders |= {id(annotations), id(metadata)}
            holds = True
    for item in value if isinstance(value, list) else value.values():
        if isinstance(item, dict | list) and id(item) not in parts:
            holds |= _find_private(item, parts, holders)
    if holds:
        holders.add(id(value))
    return holds


def _add_private(value: Any, parts: set[int]) -> bool:
    """Add a value and everything below it. Python's singletons, such as small ints, are left out: id() is not unique.

    Returns whether the value is private."""
    if value is None or value is True or value is False:
        return False
    if isinstance(value, dict | list):
        parts.add(id(value))
        for item in value if isinstance(value, list) else value.values():
            _add_private(item, parts)
        return True
    if not (isinstance(value, str) and len(value) < 2) and not (isinstance(value, int) and -6 < value < 257):
        parts.add(id(value))
    return True


class Redaction(Struct, frozen=True):
    """Removes the values of Secrets, and long parts of them, from texts. False in a boolean context without Secrets.

    `values`: the texts that are hidden as a whole, the longest first. `sliced`: lower-case texts; each slice of six of
    their characters is hidden too.
    """

    values: tuple[str, ...] = ()
    sliced: tuple[str, ...] = ()
    present: bool = False

    @classmethod
    def of(cls, *objects: Any) -> Redaction:
        """The redaction for texts that policies computed from these objects, for all Secrets inside them."""
        secrets = list(secrets_in(*objects))
        values: set[str] = set()
        sliced: set[str] = set()
        for secret in secrets:
            whole, parts = _values(secret)
            values.update(whole)
            sliced.update(parts)
        longest_first = sorted(values, key=lambda text: (-len(text), text))
        long = sorted({_folded(text) for text in sliced if len(text) >= _SLICE})
        return cls(tuple(longest_first), tuple(long), bool(secrets))

    def __bool__(self) -> bool:
        return self.present

    def applied(self, text: str) -> str:
        """The text with each value of a Secret replaced by its length: `<12 characters>`."""
        if not self.present:
            return text
        hide = bytearray(len(text))  # 1: hidden; 2: hidden, and the start of a value
        for value in self.values:
            at = text.find(value)
            while at >= 0:
                if not any(hide[at : at + len(value)]):
                    hide[at : at + len(value)] = b"\2" + b"\1" * (len(value) - 1)
                at = text.find(value, at + 1)
        for at in sorted(self._slices(text)):
            for place in range(at, at + _SLICE):
                hide[place] = hide[place] or 1
        return "".join(_masked_runs(text, hide))

    def names(self, path: Path) -> bool:
        """Whether a step of the path contains the value of a Secret."""
        return any(isinstance(step, str) and self.applied(step) != step for step in path)

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


class SecretsSeen:
    """A ClusterView that records the Secrets it returned, as messages of policies may contain their values."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self.seen: list[dict[str, Any]] = []

    @property
    def kinds(self) -> Kinds:
        """See ClusterView."""
        return self._view.kinds

    def forget(self) -> None:
        """Clear the record, before the next request."""
        self.seen.clear()

    def namespace(self, name: str) -> Answer:
        """See ClusterView."""
        return self._view.namespace(name)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        answer = self._view.get(api_version, kind, name, namespace)
        self.seen += secrets_in(answer.value)
        return answer

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        answer = self._view.list(api_version, kind, namespace)
        self.seen += secrets_in(answer.value)
        return answer

    def authorize(self, access: Access) -> AccessDecision:
        """See ClusterView."""
        return self._view.authorize(access)


def masked(
    before: dict[str, Any], after: dict[str, Any], redaction: Redaction
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both objects with the content of Secrets masked, for a diff.

    A Secret keeps its keys, and CHANGED_MASK marks the values that changed. Values that a policy copied elsewhere, from
    this Secret or from another one that it read, are replaced by their lengths. redaction: of all Secrets that the
    policies read.
    """
    if not (is_secret(before) or is_secret(after)):
        return before, _copies_hidden(after, before, redaction) if redaction else after
    shown_before, shown_after = dict(before), dict(after)
    for field in ("data", "stringData"):
        old, new = before.get(field), after.get(field)
        if field in before:
            shown_before[field] = _masked(old, old)
        if field in after:
            shown_after[field] = _masked(new, old)
    for shown, original in ((shown_before, before), (shown_after, after)):
        metadata = original.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if isinstance(metadata, dict) and isinstance(annotations, dict) and LAST_APPLIED in annotations:
            shown["metadata"] = {**metadata, "annotations": {**annotations, LAST_APPLIED: MASK}}
    for field, value in shown_after.items():
        # The values of the data are masked already. This redacts the keys that a policy added.
        shown_after[field] = _copies_hidden(value, shown_before.get(field), redaction)
    return shown_before, shown_after


def _copies_hidden(value: Any, old: Any, redaction: Redaction) -> Any:
    """A value with the content of Secrets redacted. Parts that `old` has too are kept."""
    if value == old:
        return value
    if isinstance(value, str):
        return redaction.applied(value)
    if isinstance(value, list):
        were = old if isinstance(old, list) else []
        return [item if item in were else _copies_hidden(item, None, redaction) for item in value]
    if isinstance(value, dict):
        known = old if isinstance(old, dict) else {}
        return {
            key if key in known else redaction.applied(key): _copies_hidden(item, known.get(key), redaction)
            for key, item in value.items()
        }
    return value


def _masked(values: Any, old: Any) -> Any:
    if not isinstance(values, dict):
        return MASK if values == old else CHANGED_MASK
    known = old if isinstance(old, dict) else {}
    return {key: CHANGED_MASK if key in known and known[key] != value else MASK for key, value in values.items()}


def _values(secret: dict[str, Any]) -> tuple[set[str], set[str]]:
    """The texts of a Secret that are redacted as a whole, and those whose slices are redacted too."""
    current = {form for field in _FIELDS for value in _leaves(secret.get(field)) for form in _forms(value, field)}
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
    public = {field: value for field, value in secret.items() if field not in _FIELDS}
    public["metadata"] = {**(metadata or {}), "annotations": {**(annotations or {}), LAST_APPLIED: None}}
    public_texts = {str(value) for value in _leaves(public)}
    texts = (value for value in _leaves(parsed) if str(value) not in public_texts)
    before = {form for value in texts for field in _FIELDS for form in _forms(value, field)}
    return whole | before, current | before


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
    """The forms of a value that a message may contain: itself, its lines, decoded and encoded base64, hexadecimal."""
    text = str(value)
    decoded = _decoded(text) if field == "data" else text
    forms: list[str] = [text, *text.splitlines(), decoded, *decoded.splitlines()]
    for each in {text, decoded}:
        encoded = each.encode(errors="replace")
        forms += _encoded(encoded)
        forms.append(encoded.hex())
    for form in forms:
        for variant in (form, form.strip()):
            if len(variant) >= _SHORTEST:
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
