"""ConstraintTemplates: the kind of their constraints, and their policy in CEL, if they have one.

Source: the documentation of Gatekeeper, "Integration with Kubernetes Validating Admission Policy".
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from webhook.apiserver.customresources.definitions import Kind as CustomKind
from webhook.convert.gatekeeper import parameters
from webhook.convert.model import JSONObject, Outcome, Unsupported, listing, mapping
from webhook.paths import Path

TARGET: Final = "admission.k8s.gatekeeper.sh"
ENGINE: Final = "K8sNativeValidation"


class Template(Struct):
    """A template. source: the policy in CEL; None if there is none. engines: the engines that the template has code
    for. at: the path of the source. custom: the kind that the template defines, with the schema of its parameters; None
    if it is unknown. used: whether a converted constraint uses it.
    """

    kind: str
    outcome: Outcome
    source: JSONObject | None = None
    at: Path = ("spec",)
    operations: tuple[str, ...] = ()
    custom: CustomKind | None = None
    engines: str = ""
    used: bool = False


def read(outcomes: list[Outcome]) -> dict[str, Template]:
    """The templates by the kind of their constraints. Notes their errors in their outcomes."""
    found: dict[str, Template] = {}
    for outcome in outcomes:
        try:
            template = _read(outcome)
        except Unsupported as error:
            outcome.refuse(error.path or ("spec",), str(error))
            continue
        except (AttributeError, TypeError) as error:
            outcome.refuse(("spec",), f"it is malformed: a value of the wrong type in spec ({type(error).__name__})")
            continue
        if template.kind in found:
            outcome.refuse(("spec",), f"a second template for constraints of the kind {template.kind}")
            continue
        found[template.kind] = template
    return found


def _read(outcome: Outcome) -> Template:
    spec = mapping(outcome.document.value.get("spec"), "spec", ("spec",))
    at = ("spec", "crd", "spec", "names", "kind")
    crd = mapping(mapping(spec.get("crd"), "crd", ("spec", "crd")).get("spec"), "crd.spec", ("spec", "crd"))
    kind = mapping(crd.get("names"), "names", ("spec", "crd")).get("kind")
    if not isinstance(kind, str) or not kind:
        raise Unsupported("a template that names no kind, so it is incomplete", ("spec",))
    if outcome.name != kind.lower():
        text = f"a template whose name is not {kind.lower()[:80]!r}, as that of its kind, which Gatekeeper refuses"
        raise Unsupported(text, ("metadata", "name"))
    targets = listing(spec.get("targets"), "targets", ("spec", "targets"))
    if len(targets) != 1:
        raise Unsupported(f"a template with {len(targets)} targets: expected one", ("spec",))
    target = mapping(targets[0], "a target", ("spec", "targets", 0))
    template = Template(kind, outcome)
    validation = mapping(crd.get("validation"), "validation", ("spec", "crd"))
    schema = mapping(validation.get("openAPIV3Schema"), "openAPIV3Schema", ("spec", "crd"))
    legacy = validation.get("legacySchema", not outcome.document.value["apiVersion"].endswith("/v1"))
    template.custom = parameters.kind_of(kind, schema, legacy=legacy is True)
    if target.get("target") != TARGET:
        raise Unsupported(f"the target {str(target.get('target'))[:60]!r}", ("spec", "targets", 0))
    if operations := target.get("operations"):
        template.operations = tuple(str(each) for each in listing(operations, "operations", at))
    engines = ["Rego"] if target.get("rego") else []
    for index, each in enumerate(listing(target.get("code"), "code", ("spec", "targets", 0, "code"))):
        code = mapping(each, "code", ("spec", "targets", 0, "code", index))
        if code.get("engine") == ENGINE:
            template.at = ("spec", "targets", 0, "code", index, "source")
            template.source = mapping(code.get("source"), "source", template.at)
            return template
        engines.append(str(code.get("engine"))[:40])
    template.engines = ", ".join(dict.fromkeys(engines)) or "no language"
    return template


def finish(templates: dict[str, Template], outcomes: list[Outcome]) -> None:
    """Note the result for each template, which becomes a part of its constraints' policies."""
    kinds = {each.kind for each in outcomes if each.document.value["apiVersion"].startswith("constraints.")}
    for template in templates.values():
        if template.used:
            template.outcome.absorbed = True
        elif template.kind not in kinds:
            template.outcome.refuse(
                (), f"no constraint of the kind {template.kind} is among the sources: nothing is bound"
            )
        else:
            written = f"the template is in {template.engines}, and " if template.source is None else ""
            template.outcome.refuse((), f"{written}none of its constraints is converted")
