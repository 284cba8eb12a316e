"""The face of the room: what the API server makes of an object until mutating admission, and between two mutations."""

from __future__ import annotations

from typing import Any

from webhook.apiserver import decoding, encoding
from webhook.apiserver.conversion import convert
from webhook.apiserver.decoding import Decoded
from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.gotypes import struct_of

__all__ = ["Decoded", "received"]


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
    set_defaults(decoded.object, value["apiVersion"], value["kind"])
    refused = convert(decoded.object, value["apiVersion"], value["kind"])
    encoding.encode(decoded.object, struct)
    return decoded if refused is None else Decoded(decoded.object, (*decoded.problems, refused))
