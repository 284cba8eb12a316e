"""SHA-256 of little, without OpenSSL.

Importing hashlib loads OpenSSL, which takes as long as importing twenty modules. Python has a SHA-256 of its own, which
hashlib has where there is no OpenSSL, with the same results. It takes 3 ms a megabyte, some five times as long as
OpenSSL, so of much it is OpenSSL's that is used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from hashlib import _Hash

MUCH: Final = 1 << 20
"""Bytes for which OpenSSL is worth loading."""

_OWN: Final = "_sha2" if sys.version_info >= (3, 12) else "_sha256"


def sha256(content: bytes = b"", more: int = 0) -> _Hash:
    """A SHA-256 object as hashlib has them. more: the bytes that will be added to it."""
    if "_hashlib" not in sys.modules and len(content) + more < MUCH:
        try:
            own: Any = import_module(_OWN).sha256
        except ImportError:  # pragma: no cover - a Python that was built without
            pass
        else:
            made: _Hash = own(content)
            return made
    from hashlib import sha256 as of_openssl

    return of_openssl(content)
