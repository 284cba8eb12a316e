"""Defaults of CustomResourceDefinitions (apiextensions.k8s.io/v1); those of custom resources stand in their schemas."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, struct
from webhook.apiserver.defaults.defaulting import Function


def definition(value: dict[str, Any]) -> None:
    """status.storedVersions: the version that is stored."""
    if (value.get("status") or {}).get("storedVersions"):
        return
    for version in struct(value, "spec").get("versions", ()):
        if version.get("storage"):
            struct(value, "status")["storedVersions"] = [version.get("name", "")]
            return


def definition_spec(value: dict[str, Any]) -> None:
    names = struct(value, "names")
    kind: str = names.get("kind", "")
    if kind:
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    if "conversion" not in value:
        value["conversion"] = {"strategy": "None"}


FUNCTIONS: Final[dict[str, Function]] = {
    "v1.CustomResourceDefinition": definition,
    "v1.CustomResourceDefinitionSpec": definition_spec,
    "v1.ServiceReference": constants(port=443),
}
