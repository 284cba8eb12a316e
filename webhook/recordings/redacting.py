"""Takes values of Secrets, tokens and configured fields out of a review before it is written.

A value is replaced by one of the same type and length, made of the word REDACTED, so that most policies come to the
same verdict on it: base64 stays base64, and a text stays as long as it was. So a replay, which redacts what it
computes in the same way, compares like with like. Replaced are, in the request, and in what policies looked up:

- `data` and `stringData` of Secrets, wherever they stand: of an object, an old object, a list, within other objects;
- their annotation with the last applied configuration; in that of other objects, what would be replaced in them;
- the token of a TokenReview and a TokenRequest, and every field that is named as a credential (CREDENTIALS);
- in all texts what looks like a credential: `Bearer …`, JSON Web Tokens, private keys, passwords in URLs;
- the configured fields;
- each of these values, of eight characters or more, in every other text of the objects but their own names.

In the response, and in what policies said, these values are masked as webhook.admission.redaction masks them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from webhook.admission.redaction import FIELDS, LAST_APPLIED, LIMIT, Redaction
from webhook.recordings.fieldpaths import ANY, DEEP, FieldPath

CREDENTIALS: Final = frozenset(
    (
        *("token", "accessToken", "refreshToken", "bearerToken", "idToken", "password", "passwd", "passphrase"),
        *("clientSecret", "privateKey", "secretKey", "secretAccessKey", "apiKey"),
        *("access_token", "refresh_token", "bearer_token", "id_token", "access-token", "refresh-token", "id-token"),
        *("client_secret", "client-secret", "private_key", "secret_key", "secret_access_key", "api_key"),
    )
)
"""Names of fields whose texts are redacted, in any object."""

MAX_NAMED: Final = 64
"""The most fields of a review that are named as redacted."""

MAX_COMPARED: Final = 2_000_000
"""The most comparisons of a value with a text of the request."""

_WORD: Final = "REDACTED"
_ELSEWHERE: Final = 8  # characters of a value that is looked for in other texts

# In the texts as orjson writes them, which has no escapes for letters. Without any of these, nothing has to be redacted
# but configured fields: they are much faster to look for than every field is to visit.
_SIGNS: Final = (
    *(b"Secret", b"TokenRe", b"earer ", b"EARER ", b"eyJ", b"PRIVATE KEY", b"asic ", b"ASIC ", b"\\u"),
    *(f'{name}":'.encode() for name in sorted(CREDENTIALS)),
    *(f'{name}\\"'.encode() for name in sorted(CREDENTIALS)),
)
_URL: Final = re.compile(r"://[^\s/?#@]{1,512}@")  # a user, or a user and a password
_TEXTS: Final = (
    re.compile(r"(?<=[Bb]earer )[\w\-.~+/=]{8,}|(?<=BEARER )[\w\-.~+/=]{8,}"),
    re.compile(r"(?<=[Bb]asic )[\w\-.~+/=]{8,}|(?<=BASIC )[\w\-.~+/=]{8,}"),
    re.compile(r"(?<![\w\-])eyJ[\w\-]{8,}\.[\w\-]{4,}(?:\.[\w\-]*)?"),
    re.compile(r"(?<=PRIVATE KEY-----)[^-]+"),
    _URL,
)
_TOKENS: Final = frozenset(("TokenReview", "TokenRequest"))
_IDENTITY: Final = frozenset(("apiVersion", "kind", "name", "namespace", "generateName"))
_Container = dict[str, Any] | list[Any]


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
        self._of_secrets = False
        self._object: Any = None

    def request(self, request: dict[str, Any], text: bytes) -> None:
        """Redact the `request` of an AdmissionReview, in place. text: the request as orjson writes it."""
        resource = request.get("resource")
        name = resource.get("resource") if isinstance(resource, dict) else None
        self._of_secrets = name == "secrets"
        token = request.get("subResource") == "token" or name == "tokenreviews"
        self._object = request.get("object")
        sure = self._of_secrets or token or self._redactor.of_objects or self._redactor.of_request
        if not sure and not _suspicious(text):
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
        if kind == "Secret" or self._redactor.of_objects or _suspicious(orjson.dumps(value)):
            self._tree(value, "", secret=kind == "Secret")
            self._elsewhere([value])
        return value

    def patch(self, operations: Any) -> Any:
        """The operations of a JSON patch of the request's object."""
        if not isinstance(operations, list):
            return operations
        sure = self._of_secrets or self.values or self._redactor.of_objects
        if not sure and not _suspicious(orjson.dumps(operations)):
            return operations
        for operation in operations:
            if isinstance(operation, dict) and "value" in operation and isinstance(operation.get("path"), str):
                steps = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
                operation["value"] = self._patched(steps, operation["value"])
        self._elsewhere([operations])
        return operations

    def text(self, text: str) -> str:
        """A text of the response, or of what a policy said."""
        if self._masks is None:
            masked = {str(index): value for index, value in enumerate(self.values)}
            self._masks = Redaction.of({"kind": "Secret", "stringData": masked}, limit=LIMIT) if masked else Redaction()
        return self._masks.applied(_without_credentials(text, lambda found: None))

    def texts(self, value: Any) -> Any:
        """The value with all texts in it as `text` gives them; keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return [self.texts(each) for each in value]
        if isinstance(value, dict):
            return {self.text(key): self.texts(each) for key, each in value.items()}
        return value

    def also(self, values: Iterable[str]) -> None:
        """Mask these in texts too: they were redacted in what policies looked up."""
        self.values += values
        self._masks = None

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

    def _tree(self, root: Any, name: str, *, secret: bool = False, token: bool = False, paths: bool = True) -> None:
        """Redact an object, and what is in it."""
        stack: list[tuple[Any, str, bool]] = [(root, name, secret)]
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
                    self._all(value, field, f"{where}.{field}", encoded=field == "data")
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
        where: str,
        stack: list[tuple[Any, str, bool]],
        *,
        of_secret: bool,
        secrets: bool = False,
    ) -> None:
        for key, member in list(members):
            if isinstance(member, str):
                if key in CREDENTIALS and member:
                    self._replace(holder, key, f"{where}.{key}")
                else:
                    found = _without_credentials(member, self._note)
                    if found != member:
                        self._name(f"{where}.{key}")
                        holder[key] = found
            elif isinstance(member, dict | list):
                inside = of_secret or (secrets and key == "items")
                stack.append((member, f"{where}.{key}" if where else str(key), inside))

    def _token(self, value: dict[str, Any], where: str) -> None:
        for part in ("spec", "status"):
            holder = value.get(part)
            if isinstance(holder, dict) and holder.get("token"):
                self._all(holder, "token", f"{where}.{part}.token")

    def _applied(self, value: dict[str, Any], where: str, *, secret: bool) -> None:
        """Redact the annotation with the last applied configuration."""
        metadata = value.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        applied = annotations.get(LAST_APPLIED) if isinstance(annotations, dict) else None
        if applied is None or annotations is None:
            return
        at = f"{where}.metadata.annotations['{LAST_APPLIED}']"
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

    def _configured(self, value: Any, path: FieldPath, index: int, where: str) -> None:
        """Redact the fields of a path, from the step with this index on."""
        deep = path.wild(index, DEEP)
        if deep:
            self._configured(value, path, index + 1, where)
        if not isinstance(value, dict | list):
            return
        members = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        for key, member in members:
            if deep:
                self._configured(member, path, index, f"{where}.{key}")
            elif path.wild(index, ANY) or str(key) == path.steps[index]:
                if index + 1 == len(path.steps):
                    self._all(value, key, f"{where}.{key}")
                else:
                    self._configured(member, path, index + 1, f"{where}.{key}")

    def _all(self, holder: Any, key: Any, where: str, *, encoded: bool = False) -> None:
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
                    self._replace(inner, each, f"{where}.{each}" if first else where, encoded=encoded)
            first = False

    def _replace(self, holder: Any, key: Any, where: str, *, encoded: bool = False) -> None:
        value = holder.get(key) if isinstance(holder, dict) else holder[key]
        if value is None or value == "":
            return
        self._name(where)
        holder[key] = self._filled(value, encoded=encoded)

    def _filled(self, value: Any, *, encoded: bool = False) -> Any:
        """What stands in place of a value."""
        if isinstance(value, bool):
            return False
        if isinstance(value, int):
            self.values.append(str(value))
            return (10 ** (len(str(abs(value))) - 1) if value else 0) * (-1 if value < 0 else 1)
        if isinstance(value, float):
            self.values.append(str(value))
            return 0.0
        if not isinstance(value, str):
            return value
        self.values.append(value)
        if encoded and (decoded := _decoded(value)) is not None:
            text = decoded.decode(errors="replace")
            self.values.append(text)
            if "\n" in text:
                self.values += text.splitlines()
            replaced = base64.b64encode(fill(len(decoded)).encode()).decode()
            if replaced == value:  # it was redacted before
                self._again.add(value)
            return replaced
        if "\n" in value:
            self.values += value.splitlines()
        return fill(len(value))

    def _name(self, where: str) -> None:
        if len(self.named) < MAX_NAMED and where not in self.named:
            self.named.append(where)

    def _note(self, found: str) -> None:
        self.values.append(found)

    def _elsewhere(self, roots: Sequence[Any]) -> None:
        """Replace the values in all other texts of the objects, but for what identifies these. Raises TooMuch."""
        values = sorted({value for value in self.values if len(value) >= _ELSEWHERE}, key=len, reverse=True)
        values = [value for value in values if value != fill(len(value)) and value not in self._again]
        if not values:
            return
        compared = 0
        objects = [root for root in roots if isinstance(root, dict)]
        kept = [*objects, *(root.get("metadata") for root in objects)]
        for holder, key, text in _texts_in(roots):
            if key in _IDENTITY and any(holder is each for each in kept):
                continue
            compared += len(values)
            if compared > MAX_COMPARED:
                raise TooMuch
            found = text
            for value in values:
                if value in found:
                    found = found.replace(value, fill(len(value)))
            if found is not text:
                holder[key] = found


def fill(length: int) -> str:
    """The text of so many characters that stands in place of another."""
    return (_WORD * (length // len(_WORD) + 1))[:length]


def _suspicious(text: bytes) -> bool:
    """Whether there may be something to redact in a value, as orjson writes it."""
    return any(sign in text for sign in _SIGNS) or (b"@" in text and b"://" in text)


def _without_credentials(text: str, note: Callable[[str], None]) -> str:
    """The text with everything replaced that looks like a credential. note: is told of each."""
    if len(text) < _ELSEWHERE:
        return text

    def replaced(match: re.Match[str]) -> str:
        if match.re is _URL:
            user = match[0][len("://") : -1]
            if ":" not in user:
                return match[0]
            note(user)
            return f"://{fill(len(user))}@"
        note(match[0])
        return fill(len(match[0]))

    for pattern in _TEXTS:
        text = pattern.sub(replaced, text)
    return text


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
