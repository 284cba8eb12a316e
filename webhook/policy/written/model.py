"""The policy kinds of admissionregistration.k8s.io as pydantic models of their JSON; all versions have the same fields.

As in Kubernetes, decoding only checks that fields are known and have the right type; `refusals` checks which fields are
required and which values are allowed. So each field defaults to the zero value of its type, and null means absent.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from webhook.nearest import nearest
from webhook.paths import Path, lookup

API_VERSION = "admissionregistration.k8s.io/v1"
ALPHA = "admissionregistration.k8s.io/v1alpha1"
BETA = "admissionregistration.k8s.io/v1beta1"

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT", "*"]
ValidationReason = Literal[
    "Forbidden", "Invalid", "RequestEntityTooLarge"
]  # the API documents Unauthorized too, but the API server rejects it


class Model(BaseModel):
    """The base of all models: unknown fields are errors, and types are not coerced ("5" is no number)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if isinstance(value, dict) and None in value.values():
            return {key: item for key, item in value.items() if item is not None}
        return value


class ObjectMeta(Model):
    name: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    # Fields that the API server or a tool sets. They occur in objects read from a cluster, and are ignored.
    generate_name: Any = None
    namespace: Any = None
    finalizers: Any = None
    owner_references: Any = None
    managed_fields: Any = None
    creation_timestamp: Any = None
    deletion_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    resource_version: Any = None
    self_link: Any = None
    uid: Any = None
    generation: Any = None


class LabelSelectorRequirement(Model):
    key: str = ""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] | None = None
    values: list[str] = []


class LabelSelector(Model):
    match_labels: dict[str, str] = {}
    match_expressions: list[LabelSelectorRequirement] = []


class NamedRuleWithOperations(Model):
    resource_names: list[str] = []
    operations: list[Operation] = []
    api_groups: list[str] = []
    api_versions: list[str] = []
    resources: list[str] = []
    scope: Literal["*", "Cluster", "Namespaced"] = "*"


class MatchResources(Model):
    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()
    resource_rules: list[NamedRuleWithOperations] = []
    exclude_resource_rules: list[NamedRuleWithOperations] = []
    match_policy: Literal["Exact", "Equivalent"] = "Equivalent"


class ParamKindRef(Model):
    api_version: str = ""
    kind: str = ""


class MatchCondition(Model):
    name: str = ""
    expression: str = ""


class Variable(Model):
    name: str = ""
    expression: str = ""


class Validation(Model):
    expression: str = ""
    message: str = ""
    message_expression: str = ""
    reason: ValidationReason | None = None


class AuditAnnotation(Model):
    key: str = ""
    value_expression: str = ""


class ValidatingAdmissionPolicySpec(Model):
    param_kind: ParamKindRef | None = None
    match_constraints: MatchResources | None = None
    validations: list[Validation] = []
    failure_policy: Literal["Fail", "Ignore"] = "Fail"
    audit_annotations: list[AuditAnnotation] = []
    match_conditions: list[MatchCondition] = []
    variables: list[Variable] = []


class ValidatingAdmissionPolicy(Model):
    api_version: str = API_VERSION
    kind: str = "ValidatingAdmissionPolicy"
    metadata: ObjectMeta = ObjectMeta()
    spec: ValidatingAdmissionPolicySpec = ValidatingAdmissionPolicySpec()
    status: Any = None


class ParamRefModel(Model):
    name: str = ""
    namespace: str = ""
    selector: LabelSelector | None = None
    parameter_not_found_action: Literal["Allow", "Deny"] | None = None


class ValidatingAdmissionPolicyBindingSpec(Model):
    policy_name: str = ""
    param_ref: ParamRefModel | None = None
    match_resources: MatchResources | None = None
    validation_actions: list[Literal["Deny", "Warn", "Audit"]] = []


class ValidatingAdmissionPolicyBinding(Model):
    api_version: str = API_VERSION
    kind: str = "ValidatingAdmissionPolicyBinding"
    metadata: ObjectMeta = ObjectMeta()
    spec: ValidatingAdmissionPolicyBindingSpec = ValidatingAdmissionPolicyBindingSpec()


class ApplyConfiguration(Model):
    expression: str = ""


class JSONPatch(Model):
    expression: str = ""


class Mutation(Model):
    patch_type: Literal["ApplyConfiguration", "JSONPatch"] | None = None
    apply_configuration: ApplyConfiguration | None = None
    json_patch: JSONPatch | None = None


class MutatingAdmissionPolicySpec(Model):
    param_kind: ParamKindRef | None = None
    match_constraints: MatchResources | None = None
    variables: list[Variable] = []
    mutations: list[Mutation] = []
    failure_policy: Literal["Fail", "Ignore"] = "Fail"
    match_conditions: list[MatchCondition] = []
    reinvocation_policy: Literal["Never", "IfNeeded"] | None = None


class MutatingAdmissionPolicy(Model):
    api_version: str = API_VERSION
    kind: str = "MutatingAdmissionPolicy"
    metadata: ObjectMeta = ObjectMeta()
    spec: MutatingAdmissionPolicySpec = MutatingAdmissionPolicySpec()
    status: Any = None


class MutatingAdmissionPolicyBindingSpec(Model):
    policy_name: str = ""
    param_ref: ParamRefModel | None = None
    match_resources: MatchResources | None = None


class MutatingAdmissionPolicyBinding(Model):
    api_version: str = API_VERSION
    kind: str = "MutatingAdmissionPolicyBinding"
    metadata: ObjectMeta = ObjectMeta()
    spec: MutatingAdmissionPolicyBindingSpec = MutatingAdmissionPolicyBindingSpec()


Fault = tuple[Path, str]
"""One error in an object: its path, and what was expected there."""

Kind = TypeVar("Kind", bound=Model)


def decode(model: type[Kind], value: dict[str, Any]) -> tuple[Kind, list[Fault]]:
    """A document's value as its model, and the errors in its fields.

    The model omits the fields that are wrong, so that one run can check the others and report all errors.
    """
    faults: list[Fault] = []
    for _ in range(_MAX_ROUNDS):
        try:
            return model.model_validate(value), faults
        except ValidationError as error:
            found = [(_path(value, item["loc"]), dict(item)) for item in error.errors(include_url=False)]
        faults += [(path, _message(model, path, item)) for path, item in found]
        for path, item in sorted(found, key=lambda pair: len(pair[0]), reverse=True):
            value = _without(value, path, _zero(item))
    return model(), faults


NO_TEXT = "expected text, found"

_MAX_ROUNDS = 5  # the second round succeeds, unless removing a wrong field makes another one invalid


def _zero(item: dict[str, Any]) -> Any:
    """The replacement for a wrong item of a list, which keeps the indexes of the other items."""
    match item["type"]:
        case "string_type":
            return ""
        case "literal_error":
            return item["ctx"]["expected"].split("'")[1]
        case "list_type":
            return []
        case _:
            return {}


def _path(value: Any, loc: tuple[str | int, ...]) -> Path:
    """The Path of a pydantic location, without its steps that are not in the value (such as members of a union)."""
    path: Path = ()
    for step in loc:
        parent = lookup(value, path)
        if (isinstance(parent, dict) and step in parent) or (isinstance(parent, list) and isinstance(step, int)):
            path = (*path, step)
    return path


def _without(value: Any, path: Path, zero: Any) -> Any:
    """A copy of `value` without what is at `path`: a mapping loses the key, a list gets `zero` there."""
    step, rest = path[0], path[1:]
    if isinstance(value, list) and isinstance(step, int):
        return [*value[:step], _without(value[step], rest, zero) if rest else zero, *value[step + 1 :]]
    if rest:
        return {**value, step: _without(value[step], rest, zero)}
    return {key: item for key, item in value.items() if key != step}


def _message(model: type[Model], path: Path, item: dict[str, Any]) -> str:
    found = describe(item["input"])
    match item["type"]:
        case "extra_forbidden":
            names = sorted(_fields(model, path[:-1]))
            close = nearest(str(path[-1]), names)
            hint = f"did you mean {close}?" if close else f"expected one of {', '.join(names)}"
            return f"unknown field; {hint}"
        case "string_type":
            if isinstance(item["input"], bool):
                return f"{NO_TEXT} {found}; quote it (YAML reads y, n, yes, no, on and off as booleans)"
            quoting = "; quote it" if isinstance(item["input"], int | float) else ""
            return f"{NO_TEXT} {found}{quoting}"
        case "list_type":
            return f"expected a list, found {found}"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"expected a mapping, found {found}"
        case "literal_error":
            return f"expected {item['ctx']['expected']}, found {found}"
        case _:
            return f"{item['msg']}, found {found}"


def describe(value: Any) -> str:
    """A value as error messages name it. Text longer than 60 characters is cut."""
    match value:
        case None:
            return "null"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value[:60]}…'" if len(value) > 60 else f"'{value}'"
        case _:
            return f"the number {value!r}"


def _fields(model: type[Model], path: Path) -> Iterator[str]:
    """The names of the model's fields at `path`."""
    for step in path:
        if isinstance(step, int):
            continue
        annotation = next(field.annotation for field in model.model_fields.values() if field.alias == step)
        model = next(_models(annotation))
    for field in model.model_fields.values():
        yield field.alias or ""


def _models(annotation: Any) -> Iterator[type[Model]]:
    """The models in an annotation: Model, Model | None, list[Model]."""
    if isinstance(annotation, types.GenericAlias | types.UnionType) or typing.get_origin(annotation):
        for part in typing.get_args(annotation):
            yield from _models(part)
    elif isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
