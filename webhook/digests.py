"""SHA-256 of small contents, without OpenSSL.

Importing hashlib loads OpenSSL, which takes as long as importing twenty modules. Python has a SHA-256 of its own, which
hashlib has where there is no OpenSSL. The results are the same, and a megabyte takes a few milliseconds.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import sha256
else:
    try:
        sha256 = import_module("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256
    except ImportError:  # pragma: no cover - a Python that was built without
        from hashlib import sha256

__all__ = ["sha256"]
