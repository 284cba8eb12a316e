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
from webhook.versions import NEWEST, Version, shown

VALIDATING: Final = "ValidatingAdmissionPolicy"
MUTATING: Final = "MutatingAdmissionPolicy"
POLICY_KINDS: Final = (VALIDATING, f"{VALIDATING}Binding", MUTATING, f"{MUTATING}Binding")

_GROUP = model.API_VERSION.rpartition("/")[0]
_KINDS = (*POLICY_KINDS, "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
_SERVED: Final[dict[tuple[str, str], tuple[Version, Version]]] = {
    (model.ALPHA, VALIDATING): ((1, 26), (1, 31)),
    (model.BETA, VALIDATING): ((1, 28), (1, 33)),
    (model.ALPHA, MUTATING): ((1, 32), (1, 37)),
    (model.BETA, MUTATING): ((1, 34), (1, 39)),
}
"""The versions before v1: (apiVersion, kind of the policy) -> the first and the last Kubernetes version that serve it.

Source: the lifecycle markers of k8s.io/api/admissionregistration. All versions have the same fields, and the API server
stores one object whichever version it was written in: a policy of one version may have a binding of another.
"""

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

CONVERTED: Final = frozenset({"Kyverno", "Gatekeeper"})
"""The engines whose policies `gatewright convert` converts."""


def engine_of(api_version: str) -> str | None:
    """The name of another policy engine that reads objects of this apiVersion; None if there is none."""
    group = api_version.rpartition("/")[0]
    return next((name for known, name in _ENGINES.items() if group == known or group.endswith(f".{known}")), None)


def is_own(api_version: str) -> bool:
    """Whether the group is Gatewright's own: its objects are input of Gatewright, not objects of a cluster."""
    return api_version.rpartition("/")[0] == _OWN_GROUP


def faults(api_version: str, kind: str, version: Version = NEWEST) -> Iterator[Fault]:
    """The errors in the apiVersion and kind of an object that is a policy or a binding, or resembles one.

    `version`: the Kubernetes version, which decides what is read besides v1. v1 is read with every version, because
    Gatewright evaluates it also for clusters that do not.
    """
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
    if meant in POLICY_KINDS and api_version != model.API_VERSION and not _serves(version, api_version, meant):
        yield ("apiVersion",), _expected_version(api_version, meant, version)


def _serves(version: Version, api_version: str, kind: str) -> bool:
    first, last = _SERVED.get((api_version, kind.removesuffix("Binding")), (version, (0, 0)))
    return first <= version <= last


def _expected_version(api_version: str, kind: str, version: Version) -> str:
    served = _SERVED.get((api_version, kind.removesuffix("Binding")))
    supported = model.API_VERSION.rpartition("/")[2]
    if served is not None:
        since, until = map(shown, served)
        advice = (
            f"Kubernetes {since} to {until} serve it, {shown(version)} does not (--kubernetes-version): "
            f"change it to {supported}; the fields have the same names"
        )
    elif api_version.rpartition("/")[0] == _GROUP:
        advice = f"Gatewright reads {supported}: change the apiVersion; the fields have the same names"
    else:
        advice = f"{kind} is a kind of {_GROUP}"
    return f"expected {model.API_VERSION}, found {model.describe(api_version)}; {advice}"
