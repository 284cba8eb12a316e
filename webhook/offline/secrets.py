"""Secrets are checked like any other object, and nothing that is shown may hold what is in them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from webhook.access import Access, AccessDecision
from webhook.cluster.view import Answer, ClusterView
from webhook.schema import Kinds

MASK: Final = "***"
CHANGED_MASK: Final = "*** (changed)"
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"

_SHORTEST: Final = 3
"""Characters: masking a value such as "1" wherever it stands would hide nothing and make any message unreadable."""


def is_secret(value: Any) -> bool:
    """Whether this object is a Secret, in whatever version."""
    return isinstance(value, dict) and value.get("kind") == "Secret"


@dataclass(frozen=True, slots=True)
class Redaction:
    """Takes the values of Secrets out of texts."""

    values: tuple[str, ...] = ()

    @classmethod
    def of(cls, *objects: Any) -> Redaction:
        """The redaction for texts that policies made of these objects."""
        values = {text for value in objects if is_secret(value) for text in _values(value)}
        return cls(tuple(sorted(values, key=lambda text: (-len(text), text))))

    def applied(self, text: str) -> str:
        """The text with every value of a Secret as `***`."""
        for value in self.values:
            text = text.replace(value, MASK)
        return text


class SecretsSeen:
    """A ClusterView that remembers the Secrets that it handed out: what policies say may hold their values."""

    def __init__(self, view: ClusterView) -> None:
        self._view = view
        self.seen: list[dict[str, Any]] = []

    @property
    def kinds(self) -> Kinds:
        """See ClusterView."""
        return self._view.kinds

    def forget(self) -> None:
        """Start anew, for the next request."""
        self.seen.clear()

    def namespace(self, name: str) -> Answer:
        """See ClusterView."""
        return self._view.namespace(name)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        answer = self._view.get(api_version, kind, name, namespace)
        if is_secret(answer.value):
            self.seen.append(answer.value)
        return answer

    def list(self, api_version: str, kind: str, namespace: str | None = None) -> Answer:
        """See ClusterView."""
        answer = self._view.list(api_version, kind, namespace)
        self.seen += filter(is_secret, answer.value)
        return answer

    def authorize(self, access: Access) -> AccessDecision:
        """See ClusterView."""
        return self._view.authorize(access)


def masked(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both objects fit to be shown side by side: of a Secret only the keys, and which values changed."""
    if not (is_secret(before) or is_secret(after)):
        return before, after
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
    return shown_before, shown_after


def _masked(values: Any, old: Any) -> Any:
    if not isinstance(values, dict):
        return MASK if values == old else CHANGED_MASK
    known = old if isinstance(old, dict) else {}
    return {key: CHANGED_MASK if key in known and known[key] != value else MASK for key, value in values.items()}


def _values(secret: dict[str, Any]) -> Iterator[str]:
    for field in ("data", "stringData"):
        entries = secret.get(field)
        for value in entries.values() if isinstance(entries, dict) else (entries,):
            yield from _forms(value, field)
    metadata = secret.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict):
        yield from _forms(annotations.get(LAST_APPLIED), "stringData")


def _forms(value: Any, field: str) -> Iterator[str]:
    """A value as it is, line by line (messages are one line), and decoded or encoded as base64."""
    if isinstance(value, list | dict):
        for item in value if isinstance(value, list) else value.values():
            yield from _forms(item, field)
        return
    if value is None or isinstance(value, bool):
        return
    text = str(value)
    forms = [text, *text.splitlines()]
    if field == "data":
        try:
            decoded = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError):
            decoded = ""
        forms += [decoded, *decoded.splitlines()]
    else:
        forms.append(base64.b64encode(text.encode(errors="replace")).decode())
    for form in forms:
        for shown in (form, form.strip()):
            if len(shown) >= _SHORTEST:
                yield shown
