"""The face of the room: what the API server makes of an object until mutating admission, and between two mutations."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver import decoding, encoding, gotext
from webhook.apiserver.decoding import Decoded
from webhook.apiserver.gotypes import serves_group, struct_of
from webhook.apiserver.problems import FieldProblem, problem
from webhook.nearest import nearest
from webhook.schema import Kinds

__all__ = ["Decoded", "received", "unserved"]


def received(value: dict[str, Any]) -> Decoded:
    """The object as the API server passes it on, and what it refuses of it. The value is not modified.

    Of custom kinds the metadata is decoded; the rest stays as it is.
    """
    struct = struct_of(value["apiVersion"], value["kind"])
    if struct is None:
        metadata = decoding.decode_metadata(value.get("metadata"))
        encoding.encode_metadata(metadata.object)
        return Decoded({**value, "metadata": metadata.object}, metadata.problems)
    decoded = decoding.decode(value, struct)
    encoding.encode(decoded.object, struct)
    return decoded


_NO_LONGER: Final = frozenset({"extensions"})
"""Built-in groups that the API server serves no kind of any more."""


def unserved(api_version: str, kind: str, kinds: Kinds) -> FieldProblem | None:
    """Why the API server has no such kind, if its group is built in: it has other kinds, or other versions; else None.

    A custom kind may exist though no definition of it is known: of its group nothing is said.
    """
    group = api_version.rpartition("/")[0]
    if not serves_group(group) and group not in _NO_LONGER and "." in group:
        return None
    message = f"no matches for kind {gotext.quote(kind)} in version {gotext.quote(api_version)}"
    serving = sorted({each.api_version for each in kinds if each.kind == kind})
    if serving:
        return problem(("apiVersion",), message, "NotFound", advice=" or ".join(serving[:3]))
    served = tuple(sorted({each.kind for each in kinds if each.api_version == api_version}))
    return problem(("kind",), message, "NotFound", advice=nearest(kind, served) or "")
