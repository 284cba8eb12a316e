"""Recognises credentials by the names of fields, and in texts: `Bearer …`, JSON Web Tokens, private keys, passwords in
URLs. Says what stands in their place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

CREDENTIALS: Final = frozenset(
    (
        *("token", "accessToken", "refreshToken", "bearerToken", "idToken", "password", "passwd", "passphrase"),
        *("clientSecret", "privateKey", "secretKey", "secretAccessKey", "apiKey"),
        *("access_token", "refresh_token", "bearer_token", "id_token", "access-token", "refresh-token", "id-token"),
        *("client_secret", "client-secret", "private_key", "secret_key", "secret_access_key", "api_key"),
    )
)
"""Names of fields that are redacted with all that is in them, in any object."""

_WORD: Final = "REDACTED"
_SHORTEST: Final = 8  # characters of a text in which a credential is looked for

# In the texts as orjson writes them, which has no escapes for letters. Without any of these, nothing has to be redacted
# but configured fields: they are much faster to look for than every field is to visit.
_SIGNS: Final = (
    *(b"Secret", b"TokenRe", b"earer ", b"EARER ", b"eyJ", b"PRIVATE KEY", b"asic ", b"ASIC ", b"\\u"),
    *(f'{name}":'.encode() for name in sorted(CREDENTIALS)),
    *(f'{name}\\"'.encode() for name in sorted(CREDENTIALS)),
)
_URL: Final = re.compile(r"://[^\s/?#]{1,4096}@")  # a user, or a user and a password
_TEXTS: Final = (
    re.compile(r"(?<=[Bb]earer )[\w\-.~+/=]{8,}|(?<=BEARER )[\w\-.~+/=]{8,}"),
    re.compile(r"(?<=[Bb]asic )[\w\-.~+/=]{8,}|(?<=BASIC )[\w\-.~+/=]{8,}"),
    re.compile(r"(?<![\w\-])eyJ[\w\-]{8,}\.[\w\-]{4,}(?:\.[\w\-]*)?"),
    re.compile(r"(?:(?<=PRIVATE KEY-----)|(?<=PRIVATE KEY BLOCK-----))(?:[^-]|-(?!----))+"),
    _URL,
)


def fill(length: int) -> str:
    """The text of so many characters that stands in place of another."""
    return (_WORD * (length // len(_WORD) + 1))[:length]


def is_about_credential(operation: Any) -> bool:
    """Whether an operation of a JSON patch is about a field that is named as a credential, or about one in it."""
    path = operation.get("path") if isinstance(operation, dict) else None
    return isinstance(path, str) and not CREDENTIALS.isdisjoint(path.split("/"))


def may_hold_secrets(text: bytes) -> bool:
    """Whether there may be something to redact in a value, as orjson writes it."""
    return any(sign in text for sign in _SIGNS) or (b"@" in text and b"://" in text)


def without_credentials(text: str, note: Callable[[str], None]) -> str:
    """The text with everything replaced that looks like a credential. note: called with each."""
    if len(text) < _SHORTEST:
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
