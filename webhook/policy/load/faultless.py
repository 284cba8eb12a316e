"""Files that are known to be without faults: those of the shipped library with policies, and with tests.

Most of the time of loading a tree goes into compiling what is found to be right, and of a library only the few policies
with a binding are evaluated. So `faultless.json` has the SHA-256 of each file in which every expression compiles
without a warning, and the first Kubernetes version from which that is so. A policy of a file with that content is
compiled when it is first asked for. Of a file with policies in Python it is known that nothing in it is refused
(webhook.policy.python.allowed), so that it is parsed once and not twice. A file that was changed in any way is not
known, and is compiled and searched as every other.

`python -m webhook.library.faults` writes it anew (`make docs`); a test compares.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from webhook.versions import Version, parse_version

FILE: Final = Path(__file__).with_name("faultless.json")


def is_faultless(content: bytes, version: Version) -> bool:
    """Whether a file of that content is known to be without faults in a Kubernetes version."""
    since = _known().get(digest(content))
    return since is not None and version >= since


def digest(content: bytes) -> str:
    """What stands in FILE for a file's content."""
    return sha256(content).hexdigest()


@cache
def _known() -> dict[str, Version]:
    table = msgspec.json.decode(FILE.read_bytes(), type=dict[str, str])
    versions = {text: parse_version(text) for text in set(table.values())}
    return {known: versions[since] for known, since in table.items()}
