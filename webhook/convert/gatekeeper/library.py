"""Constraints whose template is in Rego, or not among the sources: a template in CEL by the kind's name in the public
library."""

from __future__ import annotations

from typing import Final

from webhook.convert.gatekeeper.known import KNOWN, PARAMETERS
from webhook.convert.gatekeeper.templates import Template
from webhook.convert.model import JSONObject, Outcome, Unsupported

NEAREST: Final = {
    "K8sPSPAllowedUsers": "pod-security-restricted",
    "K8sPSPSeccomp": "pod-security-restricted",
    "K8sPSPSeccompV2": "pod-security-restricted",
    "K8sPSPAppArmor": "pod-security-baseline",
    "K8sPSPSELinuxV2": "pod-security-baseline",
}
"""Templates that are not converted -> the nearest policy of our library."""


def template(outcome: Outcome, spec: JSONObject, given: Template | None) -> Template:
    """A template in CEL for a constraint of a known kind. Raises Unsupported for any other."""
    kind = outcome.kind
    if kind not in KNOWN:
        why = f"its template is in {given.engines}" if given else f"no template of the kind {kind} is among the sources"
        near = f"; the library's policy {NEAREST[kind]} is the nearest" if kind in NEAREST else ""
        raise Unsupported(f"{why}, and no CEL policy is known for this kind{near}", ("spec",))
    parameters = spec.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise Unsupported("parameters must be a mapping", ("spec", "parameters"))
    if unknown := sorted(parameters.keys() - PARAMETERS.get(kind, frozenset())):
        raise Unsupported(f"the parameter {unknown[0]} of {kind} is not known", ("spec", "parameters", unknown[0]))
    for field in ("labels", "annotations"):
        items = parameters.get(field)
        if items is not None and not (isinstance(items, list) and all(_is_keyed(each) for each in items)):
            text = f"the parameter {field} of {kind}: expected a list of mappings with a key, as in the public template"
            raise Unsupported(text, ("spec", "parameters", field))
    outcome.differs(("spec",), f"{kind} is in Rego: a policy in CEL with the same name and parameters takes its place")
    made = given or Template(kind, outcome)
    return Template(kind, made.outcome, KNOWN[kind], operations=made.operations, custom=made.custom)


def _is_keyed(item: object) -> bool:
    return isinstance(item, dict) and isinstance(item.get("key"), str)
