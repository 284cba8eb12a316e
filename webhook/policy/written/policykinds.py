"""Which documents are policies and bindings by their apiVersion and kind, and which are misspelt.

A document that is not recognized as a policy is not enforced. So one that resembles a policy is an error, not an
ordinary object.
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

# The least similarity, from 0 to 1, of a misspelt kind in another API group. Other projects have kinds with similar
# names: ValidatingAdmissionPolicyReport has 0.89.
_SURE = 0.95

_ENGINES: Final = {
    "kyverno.io": "Kyverno",
    "gatekeeper.sh": "Gatekeeper",
    "kubewarden.io": "Kubewarden",
    "jspolicy.com": "jsPolicy",
    "pepr.dev": "Pepr",
    "policy.sigstore.dev": "the Sigstore Policy Controller",
}
"""The domain of an API group -> the policy engine that reads the group's objects."""


def engine_of(api_version: str) -> str | None:
    """The name of another policy engine that reads objects of this apiVersion; None if there is none."""
    group = api_version.rpartition("/")[0]
    return next((name for known, name in _ENGINES.items() if group == known or group.endswith(f".{known}")), None)


def is_own(api_version: str) -> bool:
    """Whether the group is Gatewright's own: its objects are input of Gatewright, not objects of a cluster."""
    return api_version.rpartition("/")[0] == _OWN_GROUP


def faults(api_version: str, kind: str) -> Iterator[Fault]:
    """The errors in the apiVersion and kind of an object that is a policy or a binding, or resembles one."""
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
        supported = model.API_VERSION.rpartition("/")[2]
        advice = f"Gatewright reads {supported}: change the apiVersion; the fields have the same names"
    else:
        advice = f"{kind} is a kind of {_GROUP}"
    return f"expected {model.API_VERSION}, found {model.describe(api_version)}; {advice}"
