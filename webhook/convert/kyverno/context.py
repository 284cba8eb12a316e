"""What the expressions of a rule may use: the variables of its context, the object, ConfigMaps as params."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from webhook.convert.kyverno import jmeslogic, variables
from webhook.convert.kyverno.celautogen import Part
from webhook.convert.kyverno.expressions import Translator
from webhook.convert.kyverno.jmesvalues import Missing, Scalar, Value
from webhook.convert.model import JSONObject, Outcome, Unfinished, Unsupported, listing, mapping
from webhook.paths import Path

_SOURCES: Final = {
    "apiCall": "an apiCall, a request to the API server or over HTTP",
    "globalReference": "a globalReference, data that Kyverno keeps of other calls",
    "imageRegistry": "imageRegistry, metadata from a registry",
}
CONFIG_MAP: Final = {"apiVersion": "v1", "kind": "ConfigMap"}
NEWER: Final = "(object == null ? oldObject : object)"
"""request.object for Kyverno, where a rule is about deletion too: then it is the old one."""
OLDER: Final = "(oldObject == null ? dyn({}) : oldObject)"


def pod_of(subject: str) -> str:
    """The Pod that an object is, or the template of those that it makes."""
    return (
        f"{subject}.kind == 'Pod' ? {subject} : "
        f"{subject}.kind == 'CronJob' ? {subject}.spec.jobTemplate.spec.template : {subject}.spec.template"
    )


PODS: Final = {
    "pod": pod_of("object"),
    "judged": "object == null ? oldObject : object",
    "oldPod": f"oldObject == null ? dyn({{}}) : {pod_of('oldObject')}",
}
"""The variables of rules for Pods and what makes them. judged: the object, or the old one if it is deleted."""


class Context:
    """The context of a rule. root: the expression for what patterns are about. old: for request.oldObject. deletes:
    whether it applies to deletion. ignores: whether errors of the rule let a request pass. typed:
    whether its kinds are Kubernetes' own. param_ref: of the binding. part: of those that a rule in CEL becomes.
    """

    def __init__(self, outcome: Outcome, *, root: str = "object", old: str = OLDER, deletes: bool = False) -> None:
        self.root, self.deletes, self.ignores, self.typed = root, deletes, False, False
        self.translator = Translator({}, NEWER if deletes and root == "object" else root, old)
        if root == "variables.pod":
            self.translator.wholes = {root: "variables.judged" if deletes else "object", old: OLDER}
        self.translator.names["images"] = Missing("the variable images in a rule that is not about Pods alone")
        self.param_ref: JSONObject = {}
        self.part: Part | None = None
        self._outcome = outcome

    def differs(self, path: Path, message: str) -> None:
        self._outcome.differs(path, message)

    def read(self, given: Any, at: Path) -> None:
        """Add the entries of a `context`. What cannot be converted is an error only where it is used."""
        for index, each in enumerate(listing(given, "context", at)):
            entry = mapping(each, "an entry of context", (*at, index))
            name = entry.get("name")
            if not isinstance(name, str):
                raise Unsupported("an entry of context without a name", (*at, index))
            try:
                self.translator.names[name] = self._entry(entry, name)
            except Unfinished as error:
                self.translator.names[name] = Missing(str(error))

    def _entry(self, entry: JSONObject, name: str) -> Value:
        for source, meaning in _SOURCES.items():
            if source in entry:
                raise Unfinished(meaning)
        if "configMap" in entry:
            return self._config_map(mapping(entry["configMap"], "configMap"))
        if "variable" not in entry:
            raise Unsupported(f"the entry {name!r} of context has no source that is known")
        variable = mapping(entry["variable"], "variable")
        default = variable.get("default")
        given: Value | None = None
        if "value" in variable:
            if variables.has_variables(variable["value"]) and not isinstance(variable["value"], str):
                raise Unfinished(f"the variable {name}, a value with variables in it")
            given = _held(variables.value(variable["value"], self.translator))
        text = variable.get("jmesPath")
        if not isinstance(text, str):
            if given is None:
                raise Unfinished(f"the variable {name} without an expression")
            return given
        node = variables.parsed(text.strip().removeprefix("{{").removesuffix("}}"))
        outer, self.translator.demanded = self.translator.demanded, None
        try:
            found = self.translator.value(node, given)
            if default is None:
                return _demanding(self.translator.certain(found), typed=self.translator.typed)
            return jmeslogic.defaulted(self.translator, found, _held(variables.value(default, self.translator)))
        finally:
            self.translator.demanded = outer

    def _config_map(self, given: JSONObject) -> Scalar:
        name, namespace = given.get("name"), given.get("namespace") or "default"
        if not isinstance(name, str) or variables.has_variables([name, namespace]):
            raise Unfinished("a ConfigMap whose name is a variable")
        found = {"name": name, "namespace": namespace, "parameterNotFoundAction": "Deny"}
        if self.param_ref and self.param_ref != found:
            raise Unfinished("a second ConfigMap in the context of a rule")
        self.param_ref = found
        return Scalar("params")


def _demanding(value: Value, *, typed: bool) -> Value:
    """A variable without a default: that it is null is an error too, wherever it is used."""
    if isinstance(value, Scalar) and value.chain:
        return replace(value, there=f"{value.chain}.hasValue()" if typed else f"{value.cel} != null", always=True)
    return value


def _held(value: Value) -> Value:
    """A constant whose fields are asked for at evaluation: without a type, as they have several."""
    if isinstance(value, Scalar) and value.type == "dyn" and not value.chain and value.cel.startswith("{"):
        return Scalar(f"dyn({value.cel})", constant=value.constant)
    return value
