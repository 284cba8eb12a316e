"""A review on its way from the server to the process that writes it, and the lines of the files.

The server sends tuples with the fields of `Seen`, in MessagePack; the bytes of review and response are as they were
received and sent. Objects that policies looked up are numbered, and sent once: a later review has only their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

FORMAT: Final = 1
"""The version of the lines, in the first line of each file."""

MAX_LINE: Final = 64 << 20
"""The most bytes of a line."""

Said = tuple[str, str, str, str, bool]
"""What a policy found: the names of policy and binding, the action, the message, whether it is an evaluation error."""

Looked = tuple[str, Sequence[Any], float, Any]
"""A lookup: what (`namespace`, `get`, `list`, `access`), its arguments, the age of the answer in seconds, the answer.

The answer is the number of an object, None for no object, a list of numbers, or (`access`) whether it is allowed, the
reason and the error. A lookup that failed has the tuple of the error's type and text; one whose answer is too large
has False.
"""

Defined = tuple[int, str, bytes]
"""An object: its number, its kind, and its JSON."""

Served = tuple[str, str, str, str, bool]
"""A kind that is not built into Kubernetes: group, version, kind, plural, whether it is namespaced."""


Unread = tuple[str, str]
"""Why the objects of a review could not be read: the message and the reason of the policies' failures."""


class Seen(Struct, frozen=True, array_like=True):
    """A review. at: when it was answered, in seconds since the epoch. path: of its URL. revision: of the policies.

    changed: the mutating policies that changed the object. unread: if its objects could not be read; `body` is without
    them. forget: the numbers of all objects before are void.
    """

    at: float
    path: str
    revision: str
    body: bytes
    response: bytes
    findings: list[Said]
    changed: list[str]
    unread: Unread | None
    lookups: list[Looked]
    defined: list[Defined]
    served: list[Served]
    forget: bool


class Writing(Struct, frozen=True):
    """The orders that the process gets at its start.

    rotate: bytes of a file after which the next is begun. limit: bytes of all files in the folder. redact: paths of
    fields. kubernetes: the version of the cluster. cluster: whether policies look objects up in one.
    """

    folder: str
    rotate: int
    limit: int
    redact: list[str]
    kubernetes: str
    cluster: bool = True
