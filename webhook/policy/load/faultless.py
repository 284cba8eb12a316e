"""Files that are known to be without faults: those of the shipped library with policies, and with tests.

Loading a tree takes most of its time to compile expressions without faults, although only policies with a binding are
evaluated, which are few in a library. So `faultless.json` has the SHA-256 of each file in which every expression
compiles without a warning, and the first Kubernetes version for which this holds. A policy of such a file is compiled
when it is first needed. A file with policies in Python is in the table if nothing in it is refused
(webhook.policy.python.allowed); it is then parsed once instead of twice. A file that was changed in any way is not in
the table: it is compiled and checked as any other.

`python -m webhook.library.faults` writes it anew (`make docs`); a test compares.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from webhook.digests import sha256
from webhook.versions import Version, parse_version

FILE: Final = Path(__file__).with_name("faultless.json")


def is_faultless(content: bytes, version: Version) -> bool:
    """Whether a file of that content is known to be without faults in a Kubernetes version."""
    since = _known().get(digest(content))
    return since is not None and version >= since


def digest(content: bytes) -> str:
    """The key of a file's content in FILE."""
    return sha256(content).hexdigest()


@cache
def _known() -> dict[str, Version]:
    table = msgspec.json.decode(FILE.read_bytes(), type=dict[str, str])
    versions = {text: parse_version(text) for text in set(table.values())}
    return {known: versions[since] for known, since in table.items()}
