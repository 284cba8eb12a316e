"""The policy kinds of admissionregistration.k8s.io as records of their JSON; all versions have the same fields.

As in Kubernetes, decoding only checks that fields are known and have the right type; `refusals` checks which fields are
required and which values are allowed. So each field defaults to the zero value of its type, and null means absent.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct

from webhook.nearest import nearest
from webhook.paths import Path

API_VERSION = "admissionregistration.k8s.io/v1"
ALPHA = "admissionregistration.k8s.io/v1alpha1"
BETA = "admissionregistration.k8s.io/v1beta1"

Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT", "*"]
ValidationReason = Literal[
    "Forbidden", "Invalid", "RequestEntityTooLarge"
]  # the API documents Unauthorized too, but the API server rejects it


class Model(Struct, frozen=True, rename="camel"):
    """The base of all models: `decode` reads them, without coercion ("5" is no number), and reports unknown fields.

    A field is Any, str, bool, int, a Literal, a Model, a list or a dict with text as keys of these, or one of them or
    None.
    """


class ObjectMeta(Model, frozen=True):
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


class LabelSelectorRequirement(Model, frozen=True):
    key: str = ""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] | None = None
    values: list[str] = []


class LabelSelector(Model, frozen=True):
    match_labels: dict[str, str] = {}
    match_expressions: list[LabelSelectorRequirement] = []


class NamedRuleWithOperations(Model, frozen=True):
    resource_names: list[str] = []
    operations: list[Operation] = []
    api_groups: list[str] = []
    api_versions: list[str] = []
    resources: list[str] = []
    scope: Literal["*", "Cluster", "Namespaced"] = "*"


class MatchResources(Model, frozen=True):
    namespace_selector: LabelSelector = LabelSelector()
    object_selector: LabelSelector = LabelSelector()
    resource_rules: list[NamedRuleWithOperations] = []
    exclude_resource_rules: list[NamedRuleWithOperations] = []
    match_policy: Literal["Exact", "Equivalent"] = "Equivalent"


class ParamKindRef(Model, frozen=True):
    api_version: str = ""
    kind: str = ""


class MatchCondition(Model, frozen=True):
    name: str = ""
    expression: str = ""


class Variable(Model, frozen=True):
    name: str = ""
    expression: str = ""


class Validation(Model, frozen=True):
    expression: str = ""
    message: str = ""
    message_expression: str = ""
    reason: ValidationReason | None = None


class AuditAnnotation(Model, frozen=True):
    key: str = ""
    value_expression: str = ""


class ValidatingAdmissionPolicySpec(Model, frozen=True):
    param_kind: ParamKindRef | None = None
    match_constraints: MatchResources | None = None
    validations: list[Validation] = []
    failure_policy: Literal["Fail", "Ignore"] = "Fail"
    audit_annotations: list[AuditAnnotation] = []
    match_conditions: list[MatchCondition] = []
    variables: list[Variable] = []


class ValidatingAdmissionPolicy(Model, frozen=True):
    api_version: str = API_VERSION
    kind: str = "ValidatingAdmissionPolicy"
    metadata: ObjectMeta = ObjectMeta()
    spec: ValidatingAdmissionPolicySpec = ValidatingAdmissionPolicySpec()
    status: Any = None


class ParamRefModel(Model, frozen=True):
    name: str = ""
    namespace: str = ""
    selector: LabelSelector | None = None
    parameter_not_found_action: Literal["Allow", "Deny"] | None = None


class ValidatingAdmissionPolicyBindingSpec(Model, frozen=True):
    policy_name: str = ""
    param_ref: ParamRefModel | None = None
    match_resources: MatchResources | None = None
    validation_actions: list[Literal["Deny", "Warn", "Audit"]] = []


class ValidatingAdmissionPolicyBinding(Model, frozen=True):
    api_version: str = API_VERSION
    kind: str = "ValidatingAdmissionPolicyBinding"
    metadata: ObjectMeta = ObjectMeta()
    spec: ValidatingAdmissionPolicyBindingSpec = ValidatingAdmissionPolicyBindingSpec()


class ApplyConfiguration(Model, frozen=True):
    expression: str = ""


class JSONPatch(Model, frozen=True):
    expression: str = ""


class Mutation(Model, frozen=True):
    patch_type: Literal["ApplyConfiguration", "JSONPatch"] | None = None
    apply_configuration: ApplyConfiguration | None = None
    json_patch: JSONPatch | None = None


class MutatingAdmissionPolicySpec(Model, frozen=True):
    param_kind: ParamKindRef | None = None
    match_constraints: MatchResources | None = None
    variables: list[Variable] = []
    mutations: list[Mutation] = []
    failure_policy: Literal["Fail", "Ignore"] = "Fail"
    match_conditions: list[MatchCondition] = []
    reinvocation_policy: Literal["Never", "IfNeeded"] | None = None


class MutatingAdmissionPolicy(Model, frozen=True):
    api_version: str = API_VERSION
    kind: str = "MutatingAdmissionPolicy"
    metadata: ObjectMeta = ObjectMeta()
    spec: MutatingAdmissionPolicySpec = MutatingAdmissionPolicySpec()
    status: Any = None


class MutatingAdmissionPolicyBindingSpec(Model, frozen=True):
    policy_name: str = ""
    param_ref: ParamRefModel | None = None
    match_resources: MatchResources | None = None


class MutatingAdmissionPolicyBinding(Model, frozen=True):
    api_version: str = API_VERSION
    kind: str = "MutatingAdmissionPolicyBinding"
    metadata: ObjectMeta = ObjectMeta()
    spec: MutatingAdmissionPolicyBindingSpec = MutatingAdmissionPolicyBindingSpec()


Fault = tuple[Path, str]
"""One error in an object: its path, and what was expected there."""

Kind = TypeVar("Kind", bound=Model)


def decode(model: type[Kind], value: Any) -> tuple[Kind, list[Fault]]:
    """A document's value as its model, and the errors in its fields.

    The model omits the fields that are wrong, so that one run can check the others and report all errors.
    """
    faults: list[Fault] = []
    decoded = _decoded(model, value, (), faults)
    return (model() if decoded is _WRONG else decoded), faults


NO_TEXT = "expected text, found"

_WRONG: Final = object()
"""The result for a value of a wrong type."""


def _decoded(wanted: Any, value: Any, path: Path, faults: list[Fault]) -> Any:
    """The value as `wanted`, an annotation of a field; _WRONG, with a fault, if it has another type."""
    if wanted is Any:
        return value
    if wanted is str:
        return value if isinstance(value, str) else _wrong(path, _no_text(value), faults)
    if wanted is bool:
        return value if isinstance(value, bool) else _expected("true or false", value, path, faults)
    if wanted is int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return value if whole else _expected("a whole number", value, path, faults)
    if isinstance(wanted, type) and issubclass(wanted, Model):
        return _model(wanted, value, path, faults)
    origin, arguments = _parts(wanted)
    if origin is Literal:
        if isinstance(value, str) and value in arguments:
            return value
        return _expected(_one_of(arguments), value, path, faults)
    if origin is list:
        if not isinstance(value, list):
            return _expected("a list", value, path, faults)
        items = (_decoded(arguments[0], item, (*path, index), faults) for index, item in enumerate(value))
        # A wrong item is replaced, so that the others keep their indexes.
        return [_zero(arguments[0]) if item is _WRONG else item for item in items]
    if origin is dict:
        if not isinstance(value, dict):
            return _expected("a mapping", value, path, faults)
        pairs = ((key, _decoded(arguments[1], item, (*path, key), faults)) for key, item in value.items())
        return {key: item for key, item in pairs if item is not _WRONG}
    return _decoded(_without_none(wanted), value, path, faults)


def _model(model: type[Model], value: Any, path: Path, faults: list[Fault]) -> Any:
    if not isinstance(value, dict):
        return _expected("a mapping", value, path, faults)
    fields = _fields(model)
    decoded = {}
    for name, (attribute, wanted) in fields.items():
        if (item := value.get(name)) is not None and (
            found := _decoded(wanted, item, (*path, name), faults)
        ) is not _WRONG:
            decoded[attribute] = found
    for name, item in value.items():
        if name not in fields and item is not None:
            close = nearest(name, sorted(fields))
            hint = f"did you mean {close}?" if close else f"expected one of {', '.join(sorted(fields))}"
            faults.append(((*path, name), f"unknown field; {hint}"))
    return model(**decoded)


def _expected(what: str, value: Any, path: Path, faults: list[Fault]) -> Any:
    return _wrong(path, f"expected {what}, found {describe(value)}", faults)


def _wrong(path: Path, message: str, faults: list[Fault]) -> Any:
    faults.append((path, message))
    return _WRONG


def _no_text(value: Any) -> str:
    found = describe(value)
    if isinstance(value, bool):
        return f"{NO_TEXT} {found}; quote it (YAML reads y, n, yes, no, on and off as booleans)"
    return f"{NO_TEXT} {found}{'; quote it' if isinstance(value, int | float) else ''}"


def _one_of(texts: tuple[str, ...]) -> str:
    quoted = [f"'{text}'" for text in texts]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if quoted[1:] else quoted)


def _zero(wanted: Any) -> Any:
    """The replacement for a wrong item of a list."""
    origin = typing.get_origin(wanted)
    return typing.get_args(wanted)[0] if origin is Literal else (origin or wanted)()


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


@cache
def _fields(model: type[Model]) -> Mapping[str, tuple[str, Any]]:
    """The fields of a model by their names in JSON: the attribute and its annotation."""
    hints = typing.get_type_hints(model)
    named = zip(model.__struct_encode_fields__, model.__struct_fields__, strict=True)
    return {name: (attribute, hints[attribute]) for name, attribute in named}


@cache
def _parts(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Origin and arguments of a generic annotation."""
    return typing.get_origin(annotation), typing.get_args(annotation)


def _without_none(annotation: Any) -> Any:
    """X of `X | None`."""
    (some,) = (each for each in typing.get_args(annotation) if each is not types.NoneType)
    return some
