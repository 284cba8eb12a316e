"""The function library for JSON patches, in expressions of mutations.

https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/#patch-type-json-patch. The types
Object and JSONPatch are in webhook.cel.value.messages.
"""

from __future__ import annotations

from webhook.cel.cost import costs
from webhook.cel.library.declaring import Library, function


def escape_key(key: str) -> str:
    """The key escaped as one token of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


LIBRARY = Library(
    "jsonpatch",
    (1, 32),
    (
        function(
            "jsonpatch.escapeKey",
            "string -> string",
            escape_key,
            "The text as a token of a JSON patch's path, with `~` and `/` escaped.",
            "jsonpatch.escapeKey('k8s.io/my~label') == 'k8s.io~1my~0label'",
            cost=costs.text,
        ),
    ),
)
