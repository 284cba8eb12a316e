"""Converts the models of documents to the types of the engine: rules, selectors, bindings."""

from __future__ import annotations

from typing import overload

from webhook.policy import exceptions
from webhook.policy.cel.matchconditions import Conditions
from webhook.policy.evaluation import ParamKind
from webhook.policy.matching import Match, Rule
from webhook.policy.policyset import NEEDS_CLUSTER, Binding, ParamRef
from webhook.policy.selectors import Requirement, Selector
from webhook.policy.written import model


def match(resources: model.MatchResources | None) -> Match:
    """The Match of matchConstraints or matchResources. None matches everything."""
    if resources is None:
        return Match()
    return Match(
        rules=tuple(map(_rule, resources.resource_rules)),
        excludes=tuple(map(_rule, resources.exclude_resource_rules)),
        namespace_selector=_selector(resources.namespace_selector),
        object_selector=_selector(resources.object_selector),
        match_policy=resources.match_policy,
    )


def param_kind(kind: model.ParamKindRef | None) -> ParamKind | None:
    """The ParamKind of a policy's paramKind."""
    return None if kind is None else ParamKind(kind.api_version, kind.kind)


def binding(
    bound: model.ValidatingAdmissionPolicyBinding | model.MutatingAdmissionPolicyBinding,
    file: str,
    line: int,
    conditions: Conditions | None = None,
) -> Binding:
    """The Binding of a document of either kind. `conditions`: those of its annotation."""
    spec = bound.spec
    actions = spec.validation_actions if isinstance(spec, model.ValidatingAdmissionPolicyBindingSpec) else []
    return Binding(
        kind=bound.kind,
        name=bound.metadata.name,
        policy=spec.policy_name,
        actions=tuple(actions),
        param_ref=None if spec.param_ref is None else _param_ref(spec.param_ref),
        match=None if spec.match_resources is None else match(spec.match_resources),
        file=file,
        line=line,
        conditions=conditions,
        needs_cluster=bound.metadata.annotations.get(NEEDS_CLUSTER) == "true",
    )


def _param_ref(ref: model.ParamRefModel) -> ParamRef:
    return ParamRef(
        name=ref.name,
        selector=_selector(ref.selector),
        namespace=ref.namespace,
        deny_if_not_found=ref.parameter_not_found_action != "Allow",
    )


def _rule(rule: model.NamedRuleWithOperations) -> Rule:
    return Rule(
        groups=frozenset(rule.api_groups),
        versions=frozenset(rule.api_versions),
        resources=tuple(_resource(text) for text in rule.resources),
        operations=frozenset(rule.operations),
        scope=rule.scope,
        names=frozenset(rule.resource_names),
    )


def _resource(text: str) -> tuple[str, str]:
    resource, _, subresource = text.partition("/")
    return resource, subresource


def exception(written: exceptions.PolicyExceptionModel, file: str, line: int) -> exceptions.PolicyException:
    """The PolicyException of a valid document."""
    objects = written.spec.objects
    selector = _selector(objects.label_selector) if objects else None
    return exceptions.compiled(written, selector, file, line)


@overload
def _selector(selector: model.LabelSelector) -> Selector: ...
@overload
def _selector(selector: model.LabelSelector | None) -> Selector | None: ...
def _selector(selector: model.LabelSelector | None) -> Selector | None:
    if selector is None:
        return None
    expressions = (
        Requirement(each.key, each.operator or "Exists", frozenset(each.values)) for each in selector.match_expressions
    )
    return Selector.compile(selector.match_labels, expressions)
