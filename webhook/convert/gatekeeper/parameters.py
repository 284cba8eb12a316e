"""The parameters of a constraint as the API server stores them: validated by the template's schema, with its defaults.

Gatekeeper makes a CustomResourceDefinition of each template, so the API server validates constraints as custom
resources. Source: the documentation of Gatekeeper, "Constraint Templates", with `legacySchema`.
"""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.customresources import definitions, judging
from webhook.apiserver.customresources.definitions import Kind
from webhook.apiserver.fielderrors import named
from webhook.convert.model import JSONObject, Unsupported, mapping
from webhook.paths import Path

_GROUP: Final = "constraints.gatekeeper.sh"
_VERSION: Final = "v1beta1"
_DEEPEST: Final = 24
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
_AT: Final = ("spec", "crd", "spec", "validation", "openAPIV3Schema")


def kind_of(kind: str, schema: Any, *, legacy: bool) -> Kind:
    """The custom kind that a template defines. schema: the schema of the parameters; {} if it has none.

    legacy: unknown fields are kept, and types may be missing. Raises Unsupported for a schema that the API server
    refuses.
    """
    if legacy:
        schema = _filled(schema or {}, 0)
    properties = {"parameters": schema} if schema else {}
    spec = {"type": "object", "properties": properties}
    definition = definitions.read({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.lower()}.{_GROUP}"},
        "spec": {
            "group": _GROUP, "scope": "Cluster",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": kind.lower(), "singular": kind.lower()},
            "versions": [{
                "name": _VERSION, "served": True, "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
            }],
        },
    })  # fmt: skip
    if definition.refused:
        raise Unsupported(f"the template's schema is refused: {definition.refused[0].body}", _AT)
    return definition.kinds[_VERSION]


def taken(kind: Kind, spec: JSONObject) -> Any:
    """The parameters of a constraint with the schema's defaults; None if there are none. Raises Unsupported for
    parameters that the schema refuses."""
    own = {"parameters": spec["parameters"]} if "parameters" in spec else {}
    value = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "constraint"}, "spec": own}
    decoded = judging.decoded(kind, value)
    for path in decoded.unknown:
        raise Unsupported(f"{named(path)} is not in the schema of the template", _known(path, spec))
    for error in judging.refusals(kind, decoded.value):
        raise Unsupported(f"the schema of the template refuses it: {error.text}", _known(error.path, spec))
    return decoded.value["spec"].get("parameters")


def _known(path: Path, spec: JSONObject) -> Path:
    """The longest prefix of a path that exists in the constraint."""
    value: Any = {"spec": spec}
    for length, step in enumerate(path):
        inner = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, list) and isinstance(step, int) and step < len(value):
            inner = value[step]
        if inner is None:
            return path[:length]
        value = inner
    return path


def _filled(schema: Any, depth: int) -> JSONObject:
    """A schema that keeps unknown fields, with the missing types filled in."""
    if depth > _DEEPEST:
        raise Unsupported(f"a template's schema of more than {_DEEPEST} levels", _AT)
    if not isinstance(schema, dict):
        return {_PRESERVE: True}
    made: JSONObject = dict(schema)
    fields = mapping(made.get("properties"), "properties of the template's schema", _AT)
    if fields:
        made["properties"] = {key: _filled(each, depth + 1) for key, each in fields.items()}
    for key in ("items", "additionalProperties"):
        if key in made and not isinstance(made[key], bool):
            made[key] = _filled(made[key], depth + 1)
    if "type" not in made and not made.get("x-kubernetes-int-or-string"):
        if "items" in made:
            made["type"] = "array"
        elif fields or "additionalProperties" in made or depth == 0:
            made["type"] = "object"
        else:
            made[_PRESERVE] = True
    if made.get("type") == "object" and "additionalProperties" not in made:
        made[_PRESERVE] = True
    return made
