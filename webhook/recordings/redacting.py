"""Takes values of Secrets, tokens and configured fields out of a review before it is written.

A value is replaced by one of the same type and length, made of the word REDACTED, so that most policies come to the
same verdict on it: base64 stays base64, and a text stays as long as it was. So a replay, which redacts what it
computes in the same way, compares like with like. Replaced are, in the request, and in what policies looked up:

- `data` and `stringData` of Secrets, wherever they stand: of an object, an old object, a list, within other objects;
- their annotation with the last applied configuration; in that of other objects, what would be replaced in them;
- the token of a TokenReview and a TokenRequest, and every field that is named as a credential;
- in all texts what looks like a credential (webhook.recordings.recognising);
- the configured fields;
- each of these values, of eight characters or more, in every other text of all these objects but their own names.

In the response, and in what policies said, these values are masked as webhook.admission.redaction masks them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from webhook.admission.redaction import FIELDS, LAST_APPLIED, LIMIT, Redaction
from webhook.recordings.fieldpaths import ANY, DEEP, FieldPath
from webhook.recordings.recognising import (
    CREDENTIALS,
    fill,
    is_about_credential,
    may_hold_secrets,
    without_credentials,
)

MAX_NAMED: Final = 64
"""The most fields of a review that are named as redacted."""

MAX_NAME: Final = 200
"""The most characters of such a name: of a longer one, the end is kept."""

MAX_COMPARED: Final = 300_000_000
"""The most characters that are compared to find the values elsewhere in a review. So many take some 0.3 s."""

_ELSEWHERE: Final = 8  # characters of a value that is looked for in other texts
_SHORTEST: Final = 3  # characters of a line of a value that is masked in texts
_EACH: Final = 64  # what a comparison costs besides its characters, in characters
_MAX_TRIES: Final = 16 * MAX_NAMED  # fields whose names are made, the same ones among them

_TOKENS: Final = frozenset(("TokenReview", "TokenRequest"))
_IDENTITY: Final = frozenset(("apiVersion", "kind", "name", "namespace", "generateName"))
_Container = dict[str, Any] | list[Any]
_Where = str | tuple[Any, Any]  # where a value stands: a text, or where its holder stands and the key there


class TooMuch(Exception):
    """The review holds so many values to redact that looking for them would take too long: it is not recorded."""


class Redactor:
    """Redacts reviews. paths: the configured fields."""

    def __init__(self, paths: Sequence[FieldPath] = ()) -> None:
        self.of_objects = tuple(path for path in paths if not path.of_request)
        self.of_request = tuple(path for path in paths if path.of_request)

    def begin(self) -> Redacting:
        """What redacts one review, or one object that was looked up."""
        return Redacting(self)


class Redacting:
    """Redacts one review: first `request`, then `patch` and `text`, which need to know what was redacted.

    named: the fields that were redacted. values: the texts that stood there.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.named: list[str] = []
        self.values: list[str] = []
        self._masks: Redaction | None = None
        self._again: set[str] = set()
        self._fillings: dict[int, str] = {}  # by identity: what stands in place of values
        self._compared = 0
        self._tries = 0
        self._last: _Where = ""
        self._of_secrets = False
        self._sure = False
        self._object: Any = None

    def request(self, request: dict[str, Any], text: bytes, known: Iterable[str] = ()) -> None:
        """Redact the `request` of an AdmissionReview, in place.

        text: the request as orjson writes it. known: values that were redacted in what policies looked up.
        """
        self.values += known
        resource = request.get("resource")
        name = resource.get("resource") if isinstance(resource, dict) else None
        self._of_secrets = name == "secrets"
        token = request.get("subResource") == "token" or name == "tokenreviews"
        self._object = request.get("object")
        sure = self._of_secrets or token or self._redactor.of_objects or self._redactor.of_request
        self._sure = bool(sure or self.values or may_hold_secrets(text))
        if not self._sure:
            return
        for field in ("object", "oldObject"):
            self._tree(request.get(field), f"request.{field}", secret=self._of_secrets, token=token)
        for path in self._redactor.of_request:
            self._configured(request, path, 0, "request")
        for field in ("options", "userInfo"):  # the rest are names
            self._tree(request.get(field), f"request.{field}", paths=False)
        self._elsewhere([request.get(field) for field in ("object", "oldObject", "options")])

    def looked_up(self, value: Any, kind: str) -> Any:
        """An object that a policy looked up, redacted in place. kind: of what was looked up."""
        if kind == "Secret" or self._redactor.of_objects or may_hold_secrets(orjson.dumps(value)):
            self._tree(value, "", secret=kind == "Secret")
            self._elsewhere([value])
        return value

    def repeats(self, text: bytes) -> bool:
        """Whether an object may hold one of the values. text: the object as orjson writes it. Raises TooMuch."""
        beginnings = {orjson.dumps(value[:_ELSEWHERE])[1:-1] for value in self._long_values()}
        self._count(len(beginnings) * (len(text) + _EACH))
        return any(beginning in text for beginning in beginnings)

    def repeated(self, value: Any) -> None:
        """Redact the values in an object that was looked up, in place: those of the request, or of other objects."""
        self._elsewhere([value])

    def patch(self, operations: Any) -> Any:
        """The operations of a JSON patch of the request's object."""
        if not isinstance(operations, list):
            return operations
        sure = self._sure or any(map(is_about_credential, operations))
        if not sure and not may_hold_secrets(orjson.dumps(operations)):
            return operations
        for operation in operations:
            if isinstance(operation, dict) and "value" in operation and isinstance(operation.get("path"), str):
                steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
                operation["value"] = self._patched(steps, operation["value"])
        self._elsewhere([operations])
        return operations

    def access(self, arguments: Sequence[Any]) -> list[Any]:
        """The arguments of an access check (webhook.access.Access): what a policy has taken from the request.

        A replay, in which the policy takes it from the redacted request, then asks the same.
        """
        if not self.values:
            return list(arguments)
        values = self._long_values()
        short = frozenset(value for value in self.values if len(value) < _ELSEWHERE)

        def without(value: Any, exact: frozenset[str] = frozenset()) -> Any:
            if isinstance(value, list | tuple):
                return [without(each, exact) for each in value]
            if value in exact:
                return fill(len(value))
            self._count(len(values) * (len(value) + _EACH))
            return self._without(values, value)

        user, verb, uid, groups, extra, *rest = arguments
        pairs = [[name, without(each, short)] for name, each in extra]
        return [without(user, short), verb, without(uid, short), without(groups, short), pairs, *map(without, rest)]

    def text(self, text: str) -> str:
        """A text of the response, or of what a policy said."""
        if self._masks is None:
            masked = {str(index): value for index, value in enumerate(self.values)}
            self._masks = Redaction.of({"kind": "Secret", "stringData": masked}, limit=LIMIT) if masked else Redaction()
        return self._masks.applied(without_credentials(text, lambda found: None))

    def texts(self, value: Any) -> Any:
        """The value with all texts in it as `text` gives them; keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return [self.texts(each) for each in value]
        if isinstance(value, dict):
            return {self.text(key): self.texts(each) for key, each in value.items()}
        return value

    # What is replaced

    def _patched(self, steps: list[str], value: Any) -> Any:
        """The value of an operation, redacted as it would be at its place in the object."""
        root: dict[str, Any] = {}
        node, there = root, self._object
        for step in steps:
            if isinstance(there, dict) and isinstance(there.get("kind"), str):
                node["kind"] = there["kind"]
            below: Any = None
            if isinstance(there, dict):
                below = there.get(step)
            elif isinstance(there, list) and step.isdecimal() and int(step) < len(there):
                below = there[int(step)]
            node[step] = {}
            last, node, there = node, node[step], below
        if not steps:
            root = {"": value}
            self._tree(value, "patch", secret=self._of_secrets)
            return root[""] if isinstance(value, dict | list) else self._filled(value)
        last[steps[-1]] = value
        self._tree(root, "patch", secret=self._of_secrets)
        return last[steps[-1]]

    def _tree(self, root: Any, name: _Where, *, secret: bool = False, token: bool = False, paths: bool = True) -> None:
        """Redact an object, and what is in it."""
        stack: list[tuple[Any, _Where, bool]] = [(root, name, secret)]
        if token and isinstance(root, dict):
            self._token(root, name)
        while stack:
            value, where, of_secret = stack.pop()
            if isinstance(value, list):
                self._members(enumerate(value), value, where, stack, of_secret=of_secret)
                continue
            if not isinstance(value, dict):
                continue
            kind = value.get("kind") if isinstance(value.get("kind"), str) else ""
            if of_secret or kind == "Secret":
                for field in FIELDS:
                    self._all(value, field, (where, field), encoded=field == "data")
            if kind in _TOKENS:
                self._token(value, where)
            self._applied(value, where, secret=of_secret or kind == "Secret")
            items = kind == "SecretList"
            self._members(value.items(), value, where, stack, of_secret=False, secrets=items)
        if paths:
            for path in self._redactor.of_objects:
                self._configured(root, path, 0, name)

    def _members(
        self,
        members: Iterable[tuple[Any, Any]],
        holder: Any,
        where: _Where,
        stack: list[tuple[Any, _Where, bool]],
        *,
        of_secret: bool,
        secrets: bool = False,
    ) -> None:
        for key, member in list(members):
            if key in CREDENTIALS:
                self._all(holder, key, (where, key))
            elif isinstance(member, str):
                found = without_credentials(member, self._note)
                if found != member:
                    self._name((where, key))
                    holder[key] = found
            elif member and isinstance(member, dict | list):
                inside = of_secret or (secrets and key == "items")
                stack.append((member, (where, key), inside))

    def _token(self, value: dict[str, Any], where: _Where) -> None:
        for part in ("spec", "status"):
            holder = value.get(part)
            if isinstance(holder, dict) and holder.get("token"):
                self._all(holder, "token", ((where, part), "token"))

    def _applied(self, value: dict[str, Any], where: _Where, *, secret: bool) -> None:
        """Redact the annotation with the last applied configuration."""
        metadata = value.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        applied = annotations.get(LAST_APPLIED) if isinstance(annotations, dict) else None
        if applied is None or annotations is None:
            return
        at = (where, f"metadata.annotations['{LAST_APPLIED}']")
        try:
            before = orjson.loads(applied) if isinstance(applied, str) else None
        except orjson.JSONDecodeError:
            before = None
        if secret or before is None:
            if secret or not isinstance(applied, str):
                if before is not None:
                    inner = Redacting(self._redactor)
                    inner._tree(before, "", secret=True)
                    self.values += inner.values
                self._all(annotations, LAST_APPLIED, at)
            return
        known = len(self.values)
        self._tree(before, at)
        if len(self.values) > known:
            annotations[LAST_APPLIED] = orjson.dumps(before).decode() + "\n" * applied.endswith("\n")

    def _configured(
        self, value: Any, path: FieldPath, index: int, where: _Where, visited: set[tuple[int, int]] | None = None
    ) -> None:
        """Redact the fields of a path, from the step with this index on. Each value is visited once for each step."""
        visited = set() if visited is None else visited
        if not isinstance(value, dict | list) or (id(value), index) in visited:
            return
        visited.add((id(value), index))
        deep = path.wild(index, DEEP)
        if deep:
            self._configured(value, path, index + 1, where, visited)
        members = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        for key, member in members:
            if deep:
                self._configured(member, path, index, (where, key), visited)
            elif path.wild(index, ANY) or str(key) == path.steps[index]:
                if index + 1 == len(path.steps):
                    self._all(value, key, (where, key))
                else:
                    self._configured(member, path, index + 1, (where, key), visited)

    def _all(self, holder: Any, key: Any, where: _Where, *, encoded: bool = False) -> None:
        """Redact a member, and everything in it."""
        member = holder.get(key) if isinstance(holder, dict) else holder[key]
        if not isinstance(member, dict | list):
            self._replace(holder, key, where, encoded=encoded)
            return
        stack: list[_Container] = [member]
        first = True
        while stack:
            inner = stack.pop()
            for each, value in list(inner.items() if isinstance(inner, dict) else enumerate(inner)):
                if isinstance(value, dict | list):
                    stack.append(value)
                else:
                    self._replace(inner, each, (where, each) if first else where, encoded=encoded)
            first = False

    def _replace(self, holder: Any, key: Any, where: _Where, *, encoded: bool = False) -> None:
        value = holder.get(key) if isinstance(holder, dict) else holder[key]
        if value is None or value == "":
            return
        self._name(where)
        holder[key] = self._filled(value, encoded=encoded)

    def _filled(self, value: Any, *, encoded: bool = False) -> Any:
        """What stands in place of a value."""
        if isinstance(value, bool):
            return False
        if isinstance(value, int | float):
            digits = len(str(abs(value)))
            replaced: Any = 0.0
            if isinstance(value, int):
                replaced = (10 ** (digits - 1) if value else 0) * (-1 if value < 0 else 1)
            (self._again.add if replaced == value else self.values.append)(str(value))
            return replaced
        if not isinstance(value, str):
            return value
        self.values.append(value)
        if encoded and (decoded := _decoded(value)) is not None:
            text = decoded.decode(errors="replace")
            self.values.append(text)
            self._add_lines(text)
            replaced = base64.b64encode(fill(len(decoded)).encode()).decode()
            if replaced == value:  # it was redacted before
                self._again.add(value)
        else:
            self._add_lines(value)
            replaced = fill(len(value))
        self._fillings[id(replaced)] = replaced
        return replaced

    def _add_lines(self, text: str) -> None:
        if "\n" in text:
            self.values += (line for line in text.splitlines() if len(line) >= _SHORTEST)

    def _name(self, where: _Where) -> None:
        if len(self.named) >= MAX_NAMED or self._tries >= _MAX_TRIES or where is self._last:
            return
        self._last = where
        self._tries += 1
        name = _text_of(where)
        if name not in self.named:
            self.named.append(name)

    def _note(self, found: str) -> None:
        self.values.append(found)

    def _elsewhere(self, roots: Sequence[Any]) -> None:
        """Replace the values in all other texts of the objects, but for what identifies these. Raises TooMuch."""
        values = self._long_values()
        if not values:
            return
        objects = [root for root in roots if isinstance(root, dict)]
        kept = [*objects, *(root.get("metadata") for root in objects)]
        texts = [
            (holder, key, text)
            for holder, key, text in _texts_in(roots)
            if len(text) >= _ELSEWHERE
            and id(text) not in self._fillings
            and not (key in _IDENTITY and any(holder is each for each in kept))
        ]
        self._count(len(values) * sum(len(text) + _EACH for _, _, text in texts))
        for holder, key, text in texts:
            found = self._without(values, text)
            if found is not text:
                holder[key] = found

    def _long_values(self) -> list[str]:
        """The values that are looked for in other texts, the longest first."""
        values = {value for value in self.values if len(value) >= _ELSEWHERE}
        return sorted(
            (value for value in values if value != fill(len(value)) and value not in self._again),
            key=lambda value: (-len(value), value),
        )

    def _count(self, characters: int) -> None:
        """Count what is about to be compared. Raises TooMuch."""
        self._compared += characters
        if self._compared > MAX_COMPARED:
            raise TooMuch

    def _without(self, values: Sequence[str], text: str) -> str:
        """The text with each value in it replaced. Raises TooMuch.

        To find a long value in a text may take the product of their lengths. So its first characters are looked for,
        which takes one pass, and counted by the caller; what is compared behind them is counted here.
        """
        for value in values:
            beginning = value[:_ELSEWHERE]
            at = text.find(beginning)
            if at < 0:
                continue
            pieces: list[str] = []
            done = 0
            while at >= 0:
                self._count(len(value) + _EACH)
                if text.startswith(value, at):
                    pieces += (text[done:at], fill(len(value)))
                    at = done = at + len(value)
                else:
                    at += 1
                at = text.find(beginning, at)
            if pieces:
                text = "".join((*pieces, text[done:]))
                self._count(len(text))
        return text


def _text_of(where: _Where) -> str:
    """The path of a field; of a long one the last MAX_NAME characters."""
    steps: list[str] = []
    length = 0
    while length <= MAX_NAME:
        holder, key = where if isinstance(where, tuple) else ("", where)
        step = key[-MAX_NAME - 1 :] if isinstance(key, str) else str(key)
        if step or isinstance(where, tuple):
            steps.append(step)
            length += len(step) + 1
        if not isinstance(where, tuple):
            break
        where = holder
    text = ".".join(reversed(steps))
    return text if len(text) <= MAX_NAME else "…" + text[1 - MAX_NAME :]


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _texts_in(roots: Iterable[Any]) -> Iterator[tuple[Any, Any, str]]:
    """Every text within the values, with its holder and its key there."""
    stack = list(roots)
    while stack:
        value = stack.pop()
        if isinstance(value, dict | list):
            for key, member in list(value.items() if isinstance(value, dict) else enumerate(value)):
                if isinstance(member, str):
                    yield value, key, member
                elif isinstance(member, dict | list):
                    stack.append(member)
