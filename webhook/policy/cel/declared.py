"""The variables that expressions of policies can use, with their types.

The fields of `request` and `namespaceObject` are exactly those of BuildRequestType and BuildNamespaceType in
k8s.io/apiserver, plugin/cel, which omit some fields of the objects.
"""

from __future__ import annotations

from functools import cache

from webhook.cel import Environment
from webhook.cel.check.structs import StructType
from webhook.cel.library.authorizer import LIBRARY as AUTHORIZER
from webhook.cel.tree.types import BOOL, DYN, INT, STRING, TIMESTAMP, list_of, map_of
from webhook.policy.cel import authorization
from webhook.versions import NEWEST, Version

_STRINGS = list_of(STRING)

_KIND = StructType("kubernetes.GroupVersionKind", (("group", STRING), ("version", STRING), ("kind", STRING)))
_RESOURCE = StructType(
    "kubernetes.GroupVersionResource", (("group", STRING), ("version", STRING), ("resource", STRING))
)
_USER = StructType(
    "kubernetes.UserInfo",
    (("username", STRING), ("uid", STRING), ("groups", _STRINGS), ("extra", map_of(STRING, _STRINGS))),
)
_REQUEST = StructType(
    "kubernetes.AdmissionRequest",
    (
        ("kind", _KIND.type),
        ("resource", _RESOURCE.type),
        ("subResource", STRING),
        ("requestKind", _KIND.type),
        ("requestResource", _RESOURCE.type),
        ("requestSubResource", STRING),
        ("name", STRING),
        ("namespace", STRING),
        ("operation", STRING),
        ("userInfo", _USER.type),
        ("dryRun", BOOL),
        ("options", DYN),
    ),
)
_CONDITION = StructType(
    "kubernetes.NamespaceCondition",
    (
        ("status", STRING),
        ("type", STRING),
        ("lastTransitionTime", TIMESTAMP),
        ("message", STRING),
        ("reason", STRING),
    ),
)
_METADATA = StructType(
    "kubernetes.NamespaceMetadata",
    (
        ("name", STRING),
        ("generateName", STRING),
        ("namespace", STRING),
        ("labels", map_of(STRING, STRING)),
        ("annotations", map_of(STRING, STRING)),
        ("UID", STRING),  # as the API server declares it; the value has the field `uid`, so neither spelling works
        ("creationTimestamp", TIMESTAMP),
        ("deletionGracePeriodSeconds", INT),
        ("deletionTimestamp", TIMESTAMP),
        ("generation", INT),
        ("resourceVersion", STRING),
        ("finalizers", _STRINGS),
    ),
)
_SPEC = StructType("kubernetes.NamespaceSpec", (("finalizers", _STRINGS),))
_STATUS = StructType("kubernetes.NamespaceStatus", (("conditions", list_of(_CONDITION.type)), ("phase", STRING)))
_NAMESPACE = StructType(
    "kubernetes.Namespace", (("metadata", _METADATA.type), ("spec", _SPEC.type), ("status", _STATUS.type))
)

_STRUCTS = (_KIND, _RESOURCE, _USER, _REQUEST, _CONDITION, _METADATA, _SPEC, _STATUS, _NAMESPACE)
_VARIABLES = {"object": DYN, "oldObject": DYN, "request": _REQUEST.type, "namespaceObject": _NAMESPACE.type}


@cache
def base_environment(*, with_params: bool, with_authorizer: bool = True, version: Version = NEWEST) -> Environment:
    """The environment of a policy's expressions, without the policy's own variables.

    with_params: the policy has a paramKind, so `params` is declared. with_authorizer: false for messageExpressions and
    others that may not use it. version: the Kubernetes version that the policy must work with.
    """
    variables = _VARIABLES | ({"params": DYN} if with_params else {})
    if with_authorizer and version >= AUTHORIZER.since:
        variables |= authorization.VARIABLES
    return Environment(variables, structs=_STRUCTS, version=version)
