"""Defaults of webhook configurations and admission policies (admissionregistration.k8s.io)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.defaults.absent import constants, struct
from webhook.apiserver.defaults.defaulting import Function, Until


def _selectors(value: dict[str, Any]) -> None:
    """Selectors that select all. A new one each: the object may be changed later."""
    struct(value, "namespaceSelector")
    struct(value, "objectSelector")


def match_resources(value: dict[str, Any]) -> None:
    value.setdefault("matchPolicy", "Equivalent")
    _selectors(value)


def validating_webhook(value: dict[str, Any]) -> None:
    _webhook(value)
    _selectors(value)


def mutating_webhook(value: dict[str, Any]) -> None:
    validating_webhook(value)
    value.setdefault("reinvocationPolicy", "Never")


_webhook: Final = constants(failurePolicy="Fail", matchPolicy="Equivalent", timeoutSeconds=10)
_fail: Final = constants(failurePolicy="Fail")
_port: Final = constants(port=443)

FUNCTIONS: Final[dict[str, Function]] = {
    "v1.MatchResources": match_resources,
    "v1.MutatingAdmissionPolicySpec": _fail,
    "v1.MutatingWebhook": mutating_webhook,
    "v1.Rule": constants(scope="*"),
    "v1.ServiceReference": _port,
    "v1.ValidatingAdmissionPolicySpec": _fail,
    "v1.ValidatingWebhook": validating_webhook,
    "v1alpha1.MatchResources": match_resources,
    "v1alpha1.MutatingAdmissionPolicySpec": _fail,
    "v1alpha1.ParamRef": constants(parameterNotFoundAction="Deny"),
    "v1beta1.MatchResources": match_resources,
    "v1beta1.MutatingAdmissionPolicySpec": _fail,
}

UNTIL: Final[Until] = {
    "v1alpha1.ValidatingAdmissionPolicySpec": (((1, 31), _fail),),
    "v1beta1.ValidatingAdmissionPolicySpec": (((1, 33), _fail),),
}
