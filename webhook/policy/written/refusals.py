"""The validation that the API server does when a policy or a binding is created, except for expressions.

From k8s.io/kubernetes, pkg/apis/admissionregistration/validation, including the defaults. Each function yields every
error, as (path, what was expected).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from webhook.lazypatterns import lazily
from webhook.paths import Path
from webhook.policy.written import model
from webhook.policy.written.model import Fault
from webhook.policy.written.names import is_cel_identifier, is_label_value, is_qualified_name, is_subdomain

NO_EXPRESSION = "required: a CEL expression"
MAX_MATCH_CONDITIONS = 64
MAX_AUDIT_ANNOTATIONS = 20
MAX_VALUE_EXPRESSION = 5 * 1024  # bytes

_VERSION = lazily(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_KIND = lazily(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.IGNORECASE)


def of_policy(policy: model.ValidatingAdmissionPolicy) -> Iterator[Fault]:
    """The errors in a ValidatingAdmissionPolicy."""
    yield from of_metadata(policy)
    spec, at = policy.spec, ("spec",)
    if spec.param_kind is not None:
        yield from _param_kind(spec.param_kind, (*at, "paramKind"))
    if spec.match_constraints is None or not spec.match_constraints.resource_rules:
        yield (*at, "matchConstraints", "resourceRules"), "required: at least one rule"
    if spec.match_constraints is not None:
        yield from _match_resources(spec.match_constraints, (*at, "matchConstraints"))
    if not spec.validations and not spec.audit_annotations:
        yield (*at, "validations"), "required: validations or auditAnnotations, at least one"
    yield from of_match_conditions(spec.match_conditions, (*at, "matchConditions"))
    yield from _variables(spec.variables, (*at, "variables"))
    for index, validation in enumerate(spec.validations):
        yield from _validation(validation, (*at, "validations", index))
    yield from _audit_annotations(policy.metadata.name, spec.audit_annotations, (*at, "auditAnnotations"))


def of_mutating_policy(policy: model.MutatingAdmissionPolicy) -> Iterator[Fault]:
    """The errors in a MutatingAdmissionPolicy."""
    yield from of_metadata(policy)
    spec, at = policy.spec, ("spec",)
    if spec.param_kind is not None:
        yield from _param_kind(spec.param_kind, (*at, "paramKind"))
    if spec.match_constraints is None or not spec.match_constraints.resource_rules:
        yield (*at, "matchConstraints", "resourceRules"), "required: at least one rule"
    if spec.match_constraints is not None:
        yield from _match_resources(spec.match_constraints, (*at, "matchConstraints"))
        yield from _mutable_operations(spec.match_constraints, (*at, "matchConstraints"))
    yield from of_match_conditions(spec.match_conditions, (*at, "matchConditions"))
    yield from _variables(spec.variables, (*at, "variables"))
    if not spec.mutations:
        yield (*at, "mutations"), "required: at least one"
    for index, mutation in enumerate(spec.mutations):
        yield from _mutation(mutation, (*at, "mutations", index))
    if spec.reinvocation_policy is None:
        yield (*at, "reinvocationPolicy"), "required: Never or IfNeeded"


def of_binding(
    binding: model.ValidatingAdmissionPolicyBinding | model.MutatingAdmissionPolicyBinding,
) -> Iterator[Fault]:
    """The errors in a binding of either kind."""
    yield from of_metadata(binding)
    spec, at = binding.spec, ("spec",)
    if not spec.policy_name:
        yield (*at, "policyName"), "required: the name of a policy"
    if spec.param_ref is not None:
        yield from _param_ref(spec.param_ref, binding.api_version, (*at, "paramRef"))
    if spec.match_resources is not None:
        yield from _match_resources(spec.match_resources, (*at, "matchResources"))
    if isinstance(spec, model.MutatingAdmissionPolicyBindingSpec) and spec.match_resources is not None:
        yield from _mutable_operations(spec.match_resources, (*at, "matchResources"))
    if isinstance(spec, model.ValidatingAdmissionPolicyBindingSpec):
        yield from _validation_actions(spec.validation_actions, (*at, "validationActions"))


def of_metadata(policy: model.Model) -> Iterator[Fault]:
    """The errors in an object's name and labels."""
    metadata = getattr(policy, "metadata", model.ObjectMeta())
    if not metadata.name:
        yield ("metadata", "name"), "required"
    elif not is_subdomain(metadata.name):
        yield (
            ("metadata", "name"),
            f"expected a name of lower-case letters, digits, '-' and '.', found {metadata.name!r}",
        )
    for key, value in metadata.labels.items():
        if not is_qualified_name(key):
            yield ("metadata", "labels", key), "expected a label key, [PREFIX/]NAME"
        if not is_label_value(value):
            yield ("metadata", "labels", key), "expected a label value: at most 63 letters, digits, '-', '_' and '.'"


def _param_kind(kind: model.ParamKindRef, at: Path) -> Iterator[Fault]:
    group, slash, version = kind.api_version.rpartition("/")
    if not kind.api_version:
        yield (*at, "apiVersion"), "required, such as v1 or rules.example.com/v1"
    elif (slash and not is_subdomain(group)) or not _VERSION.fullmatch(version):
        yield (*at, "apiVersion"), f"expected a form such as v1 or rules.example.com/v1, found {kind.api_version!r}"
    if not kind.kind:
        yield (*at, "kind"), "required, such as ConfigMap"
    elif not _KIND.fullmatch(kind.kind) or len(kind.kind) > 63:
        yield (*at, "kind"), f"expected the name of a kind, such as ConfigMap, found {kind.kind!r}"


def _match_resources(match: model.MatchResources, at: Path) -> Iterator[Fault]:
    yield from of_selector(match.namespace_selector, (*at, "namespaceSelector"))
    yield from of_selector(match.object_selector, (*at, "objectSelector"))
    for index, rule in enumerate(match.resource_rules):
        yield from _rule(rule, (*at, "resourceRules", index))
    for index, rule in enumerate(match.exclude_resource_rules):
        yield from _rule(rule, (*at, "excludeResourceRules", index))


def _rule(rule: model.NamedRuleWithOperations, at: Path) -> Iterator[Fault]:
    yield from _listed(rule.operations, (*at, "operations"), "CREATE, UPDATE, DELETE, CONNECT or '*'")
    yield from _listed(rule.api_groups, (*at, "apiGroups"), "API groups (\"\" is the core group) or '*'")
    yield from _listed(rule.api_versions, (*at, "apiVersions"), "API versions or '*'")
    for index, version in enumerate(rule.api_versions):
        if not version:
            yield (*at, "apiVersions", index), "expected a version such as v1, or '*', found ''"
    yield from _resources(rule.resources, (*at, "resources"))
    seen: set[str] = set()
    for index, name in enumerate(rule.resource_names):
        place = (*at, "resourceNames", index)
        if name in seen:
            yield place, f"{name!r} is listed twice"
        elif not _is_path_segment(name):
            yield place, f"expected the name of an object, found {name!r}"
        seen.add(name)


def _mutable_operations(match: model.MatchResources, at: Path) -> Iterator[Fault]:
    for index, rule in enumerate(match.resource_rules):
        for place, operation in enumerate(rule.operations):
            if operation == "DELETE":
                path = (*at, "resourceRules", index, "operations", place)
                yield path, "DELETE has no object to mutate; expected CREATE, UPDATE, CONNECT or '*'"


def _mutation(mutation: model.Mutation, at: Path) -> Iterator[Fault]:
    patches = {"ApplyConfiguration": mutation.apply_configuration, "JSONPatch": mutation.json_patch}
    if mutation.patch_type is None:
        yield (*at, "patchType"), "required: ApplyConfiguration or JSONPatch"
        return
    for patch_type, patch in patches.items():
        place = (*at, "applyConfiguration" if patch_type == "ApplyConfiguration" else "jsonPatch")
        if patch_type != mutation.patch_type:
            if patch is not None:
                yield place, f"must be absent if patchType is {mutation.patch_type}"
        elif patch is None:
            yield place, f"required if patchType is {patch_type}"
        else:
            yield from _expression(patch.expression, (*place, "expression"))


def _listed(items: Sequence[str], at: Path, expected: str) -> Iterator[Fault]:
    if not items:
        yield at, f"required: {expected}"
    elif len(items) > 1 and "*" in items:
        yield at, "'*' must be the only item"


def _resources(resources: Sequence[str], at: Path) -> Iterator[Fault]:
    if not resources:
        yield at, "required: resources such as pods, pods/exec, deployments/*, */scale, * or */*"
        return
    whole_resources: set[str] = set()  # x/*
    whole_subresources: set[str] = set()  # */x
    for index, text in enumerate(resources):
        place = (*at, index)
        resource, slash, subresource = text.partition("/")
        if not text:
            yield place, "expected a resource such as pods, found ''"
        if not slash:
            continue
        if resource in whole_resources:
            yield place, f"redundant: '{resource}/*' covers '{text}'"
        if subresource in whole_subresources:
            yield place, f"redundant: '*/{subresource}' covers '{text}'"
        if subresource == "*":
            whole_resources.add(resource)
        if resource == "*":
            whole_subresources.add(subresource)
    if len(resources) > 1 and "*/*" in resources:
        yield at, "'*/*' must be the only item"
    # The API server checks only the last resource: it accepts [pods, *] and rejects [*, pods].
    whole = [text for text in resources if text and "/" not in text]
    if "*" in whole and whole[-1] != "*":
        yield at, "beside '*' only subresources are allowed"


def of_selector(selector: model.LabelSelector, at: Path) -> Iterator[Fault]:
    """The errors in the label selector at `at`."""
    for key, value in selector.match_labels.items():
        place = (*at, "matchLabels", key)
        if not is_qualified_name(key):
            yield place, "expected a label key, [PREFIX/]NAME"
        if not is_label_value(value):
            yield place, f"expected a label value: at most 63 letters, digits, '-', '_' and '.', found {value!r}"
    for index, requirement in enumerate(selector.match_expressions):
        place = (*at, "matchExpressions", index)
        if not is_qualified_name(requirement.key):
            yield (*place, "key"), f"expected a label key, [PREFIX/]NAME, found {requirement.key!r}"
        if requirement.operator is None:
            yield (*place, "operator"), "required: In, NotIn, Exists or DoesNotExist"
        elif requirement.operator in ("In", "NotIn") and not requirement.values:
            yield (*place, "values"), f"required if the operator is {requirement.operator}"
        elif requirement.operator in ("Exists", "DoesNotExist") and requirement.values:
            yield (*place, "values"), f"must be empty if the operator is {requirement.operator}"
        for position, value in enumerate(requirement.values):
            if not is_label_value(value):
                yield (*place, "values", position), f"expected a label value, found {value!r}"


def of_match_conditions(conditions: Sequence[model.MatchCondition], at: Path) -> Iterator[Fault]:
    """The errors in the list of matchConditions at `at`."""
    if len(conditions) > MAX_MATCH_CONDITIONS:
        yield at, f"at most {MAX_MATCH_CONDITIONS}, found {len(conditions)}"
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        yield from _expression(condition.expression, (*at, index, "expression"))
        place = (*at, index, "name")
        if not condition.name:
            yield place, "required"
        elif condition.name in seen:
            yield place, f"{condition.name!r} is the name of two conditions"
        elif not is_qualified_name(condition.name):
            yield place, f"expected letters, digits, '-', '_' and '.', at most 63, found {condition.name!r}"
        seen.add(condition.name)


def _variables(variables: Sequence[model.Variable], at: Path) -> Iterator[Fault]:
    for index, variable in enumerate(variables):
        if not variable.name:
            yield (*at, index, "name"), "required"
        elif not is_cel_identifier(variable.name):
            yield (*at, index, "name"), f"expected a CEL identifier, found {variable.name!r}"
        yield from _expression(variable.expression, (*at, index, "expression"))


def _validation(validation: model.Validation, at: Path) -> Iterator[Fault]:
    yield from _expression(validation.expression, (*at, "expression"))
    if validation.message_expression and not validation.message_expression.strip():
        yield (*at, "messageExpression"), "must not be blank; leave it out instead"
    if validation.message and not validation.message.strip():
        yield (*at, "message"), "must not be blank; leave it out instead"
    elif re.search(r"[\r\n]", validation.message.strip()):
        yield (*at, "message"), "must be one line"


def _audit_annotations(policy: str, annotations: Sequence[model.AuditAnnotation], at: Path) -> Iterator[Fault]:
    if len(annotations) > MAX_AUDIT_ANNOTATIONS:
        yield at, f"at most {MAX_AUDIT_ANNOTATIONS}, found {len(annotations)}"
    seen: set[str] = set()
    for index, annotation in enumerate(annotations):
        place = (*at, index, "key")
        if not annotation.key:
            yield place, "required"
        elif annotation.key in seen:
            yield place, f"{annotation.key!r} is the key of two annotations"
        elif not is_qualified_name(f"{policy or 'policy'}/{annotation.key}"):
            yield place, f"expected letters, digits, '-', '_' and '.', at most 63, found {annotation.key!r}"
        seen.add(annotation.key)
        place = (*at, index, "valueExpression")
        yield from _expression(annotation.value_expression, place)
        if len(annotation.value_expression.strip().encode()) > MAX_VALUE_EXPRESSION:
            yield place, f"must be at most {MAX_VALUE_EXPRESSION} bytes long"


def _expression(expression: str, at: Path) -> Iterator[Fault]:
    if not expression.strip():
        yield at, NO_EXPRESSION


def _param_ref(ref: model.ParamRefModel, api_version: str, at: Path) -> Iterator[Fault]:
    if bool(ref.name) == (ref.selector is not None):
        yield at, "expected either name or selector, exactly one of them"
    if not _is_path_segment(ref.name):
        yield (*at, "name"), f"expected the name of an object, found {ref.name!r}"
    if ref.selector is not None:
        yield from of_selector(ref.selector, (*at, "selector"))
    if ref.parameter_not_found_action is None and api_version != model.ALPHA:  # there the API server defaults to Deny
        yield (*at, "parameterNotFoundAction"), "required: Deny or Allow"


def _is_path_segment(name: str) -> bool:
    return name not in (".", "..") and "/" not in name and "%" not in name


def _validation_actions(actions: Sequence[str], at: Path) -> Iterator[Fault]:
    if not actions:
        yield at, "required: Deny, Warn or Audit, at least one"
    for index, action in enumerate(actions):
        if action in actions[:index]:
            yield (*at, index), f"{action} is listed twice"
    if "Deny" in actions and "Warn" in actions:
        yield at, "Deny and Warn exclude each other: a denial already shows its message"
