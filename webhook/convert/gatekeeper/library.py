"""Constraints of templates in Rego -> the policies of our library that say the same, by the template's name.

The library's policies have params in a ConfigMap of their own name; a row says how a constraint's parameters become
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from webhook.convert.model import JSONObject, Outcome, Unsupported
from webhook.schema.kinds import Kinds


class NotKnown(Unsupported):
    """A template in Rego for which the library has no policy."""


class Equivalent(Struct, frozen=True):
    """A policy of the library. data: parameters -> the data of its ConfigMap, None where it has no params.

    differs: what is not the same. Raises Unsupported for parameters that have no equivalent.
    """

    folder: str
    data: Callable[[JSONObject], dict[str, str]] | None = None
    differs: str = ""


def _replicas(parameters: JSONObject) -> dict[str, str]:
    """K8sReplicaLimits: ranges of replicas. One range is the bounds of ours."""
    ranges = parameters.get("ranges")
    if not isinstance(ranges, list) or len(ranges) != 1 or not isinstance(ranges[0], dict):
        raise Unsupported("several ranges of replicas: replica-bounds has one", ("spec", "parameters", "ranges"))
    low, high = ranges[0].get("min_replicas", 0), ranges[0].get("max_replicas")
    if not isinstance(low, int) or not isinstance(high, int):
        raise Unsupported("a range without two numbers", ("spec", "parameters", "ranges", 0))
    return {"min": str(max(low, 1)), "max": str(high), "allowZero": "true" if low == 0 else "false"}


EQUIVALENTS: Final[dict[str, Equivalent]] = {
    "K8sPSPHostFilesystem": Equivalent(
        "no-host-path", differs="all hostPath volumes are refused, those of allowedHostPaths too"
    ),
    "K8sReplicaLimits": Equivalent("replica-bounds", _replicas, "autoscalers, surges and Jobs are bounded too"),
}
"""The kind of a constraint of the public library -> the policy that does the same."""


def convert(outcome: Outcome, spec: JSONObject, actions: list[str], kinds: Kinds) -> None:
    """Fill the outcome of a constraint of a template in Rego. Raises NotKnown or Unsupported."""
    known = EQUIVALENTS.get(outcome.kind)
    if known is None:
        raise NotKnown("the library has no policy for its template, which is in Rego")
    _equivalent(outcome, known, spec, actions, kinds)


def _equivalent(outcome: Outcome, known: Equivalent, spec: JSONObject, actions: list[str], kinds: Kinds) -> None:
    raise NotKnown(f"the library has {known.folder}, which is not copied yet")


def _names(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
