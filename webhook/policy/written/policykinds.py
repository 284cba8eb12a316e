"""Which documents are policies and bindings, by apiVersion and kind, and which were meant to be.

An object that is not taken for a policy is not enforced. So what only looks like a policy is an error, and no object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from webhook.nearest import ALIKE, nearest
from webhook.policy.written import model
from webhook.policy.written.model import Fault

VALIDATING: Final = "ValidatingAdmissionPolicy"
MUTATING: Final = "MutatingAdmissionPolicy"
POLICY_KINDS: Final = (VALIDATING, f"{VALIDATING}Binding", MUTATING, f"{MUTATING}Binding")

_GROUP = model.API_VERSION.rpartition("/")[0]
_KINDS = (*POLICY_KINDS, "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
_OWN_GROUP = "gatewright.dev"
OWN_VERSION: Final = "gatewright.dev/v1"
EXCEPTION: Final = "PolicyException"
_OWN_KINDS = ("PolicyTest", EXCEPTION)  # the first is read by `gatewright test`

# How alike two kinds are, from 0 to 1: inside the group, where a kind that is not known is an error anyway, and outside
# of it, where other projects have kinds of their own (ValidatingAdmissionPolicyReport is 0.89 like ours).
_SURE = 0.95


_ENGINES: Final = {
    "kyverno.io": "Kyverno",
    "gatekeeper.sh": "Gatekeeper",
    "kubewarden.io": "Kubewarden",
    "jspolicy.com": "jsPolicy",
    "pepr.dev": "Pepr",
    "policy.sigstore.dev": "the Sigstore Policy Controller",
}
"""The API group, or what it ends with behind a dot -> the policy engine whose objects these are."""


def engine_of(api_version: str) -> str | None:
    """The policy engine, other than this one and the API server, that reads objects of this apiVersion; else None."""
    group = api_version.rpartition("/")[0]
    return next((name for known, name in _ENGINES.items() if group == known or group.endswith(f".{known}")), None)


def is_own(api_version: str) -> bool:
    """Whether the group is Gatewright's, whose objects are none of a cluster."""
    return api_version.rpartition("/")[0] == _OWN_GROUP


def faults(api_version: str, kind: str) -> Iterator[Fault]:
    """What is wrong with the apiVersion and kind of an object that is a policy or a binding, or was meant to be."""
    meant: str | None = kind
    if kind not in _KINDS:
        if is_own(api_version):
            if kind not in _OWN_KINDS:
                expected = f"expected {' or '.join(_OWN_KINDS)}"
                yield ("kind",), f"{api_version} has no kind {model.describe(kind)}; {expected}"
            elif kind == EXCEPTION and api_version != OWN_VERSION:
                yield ("apiVersion",), f"expected {OWN_VERSION}, found {model.describe(api_version)}"
            return
        inside = api_version.rpartition("/")[0] == _GROUP
        meant = nearest(kind, _KINDS, ALIKE if inside else _SURE)
        if meant is None and not inside:
            return
        hint = f"did you mean {meant}?" if meant else f"expected one of {', '.join(_KINDS)}"
        yield ("kind",), f"{model.API_VERSION} has no kind {model.describe(kind)}; {hint}"
    if meant in POLICY_KINDS and api_version != model.API_VERSION:
        yield ("apiVersion",), _expected_version(api_version, meant)


def _expected_version(api_version: str, kind: str) -> str:
    if api_version.rpartition("/")[0] == _GROUP:
        read = model.API_VERSION.rpartition("/")[2]
        advice = f"{read} is what Gatewright reads: change the apiVersion, the fields keep their names"
    else:
        advice = f"{kind} is a kind of {_GROUP}"
    return f"expected {model.API_VERSION}, found {model.describe(api_version)}; {advice}"
