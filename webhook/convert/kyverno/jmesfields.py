"""Fields in CEL: optional chains, and what the name of a field says of its type wherever Kubernetes has it."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from webhook.convert import celtext
from webhook.convert.kyverno import images
from webhook.convert.kyverno.jmesvalues import Scalar

LISTS: Final = frozenset(
    {
        "containers", "initContainers", "ephemeralContainers", "volumes", "volumeMounts", "env", "envFrom", "ports",
        "rules", "tls", "paths", "subjects", "tolerations", "imagePullSecrets", "hostAliases", "finalizers",
        "ownerReferences", "externalIPs", "accessModes", "webhooks", "verbs", "resources", "apiGroups", "groups", "add",
        "drop", "args", "command", "topologySpreadConstraints",
    }
)  # fmt: skip
"""Fields that are lists wherever Kubernetes has them."""
MAPS: Final = frozenset(
    {
        "labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData", "binaryData", "limits",
        "requests",
    }
)  # fmt: skip
"""Fields that are maps wherever Kubernetes has them."""
EMPTY_OF: Final[dict[str, str]] = {
    **dict.fromkeys(LISTS, "[]"), **dict.fromkeys(MAPS, "{}"),
    **dict.fromkeys(("name", "namespace", "image", "serviceAccountName", "runtimeClassName", "value"), "''"),
}  # fmt: skip
OR_NONE: Final = ".orValue([])"


def as_list(value: Scalar) -> str:
    """The list that a value is; a list of it alone if it is none, and an empty one if it is absent."""
    if value.type == "list" or last(value.chain) in LISTS:
        return f"{value.chain}.orValue([])" if value.chain else value.cel
    if value.type != "dyn":
        return f"[{value.cel}]"
    return f"({value.cel} == null ? [] : type({value.cel}) == list ? {value.cel} : [{value.cel}])"


def last(chain: str) -> str:
    """The last field of an optional chain."""
    return chain.rpartition(".")[2].removeprefix("?")


def optional(chain: str) -> Scalar:
    """The value of an optional, or null. After an optional index the checker takes a bare null for the type of both."""
    nothing = "dyn(null)" if chain.endswith("]") else "null"
    return Scalar(f"{chain}.orValue({nothing})", chain, there=f"{chain}.hasValue()")


def selected(value: Scalar, chain: str) -> Scalar:
    """The field that a chain ends with. It is null, and not missing, where an index before it is beyond the end."""
    found = replace(optional(chain), indexed=value.indexed)
    if not value.indexed:
        return found
    own = celtext.disjunction([f"!{value.chain}.hasValue()", found.there])
    return replace(found, there=celtext.conjunction([*filter(None, [value.there]), own]))


def chain_of(base: str) -> str:
    """The optional of a list that may be absent; "" of another."""
    return base.removesuffix(OR_NONE) if base.endswith(OR_NONE) else ""


def part_of_image(reference: str, key: str) -> Scalar:
    """A part of the reference of an image. Without a digest there is none, and with one alone there is no tag."""
    cel = images.PARTS[key](reference)
    if key not in images.ABSENT:
        return Scalar(cel, type="string")
    return optional(f"({images.ABSENT[key](reference)} ? optional.none() : optional.of(dyn({cel})))")
