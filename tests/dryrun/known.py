"""The known differences between check and the server, and the kinds that are out of scope, each with a reason.
docs/conformance.md lists them too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.dryrun.answers import Answer, Refusal
from tests.dryrun.checked import checked
from tests.dryrun.comparing import differences, said
from tests.dryrun.corpus import File

_CLUSTER = "what the cluster has is not known to check"
_RARE = "hand-written validation of kinds that few write by hand"

OUT_OF_SCOPE = {
    "Namespaces that are not there": (
        r'namespaces "(?!Shop")[^"]*" not found',
        "check takes every Namespace to be there",
    ),
    "service accounts that are not there": (
        r'serviceaccount "[^"]*" not found',
        "check takes every account to be there",
    ),
    "classes that are not there": (
        r"no PriorityClass with name \S+ was found|RuntimeClass \"[^\"]*\" not found",
        "check says in a note that it does not know the class",
    ),
    "Pods that a Binding names": (r'^pods "[^"]*" not found', _CLUSTER),
    "addresses": (r"failed to allocate IP", "the ranges of a cluster's Services are not known to check"),
    "kinds of groups that are not built in": (
        r'no matches for kind "[^"]*" in version "stable\.example\.org/|no matches for kind "Moover"',
        "a note says that a CustomResourceDefinition is assumed",
    ),
    "versions that are off by default": (
        r'in version "resource\.k8s\.io/v1beta',
        "a cluster may have turned them on (--runtime-config)",
    ),
    "certificates": (
        r"CertificateSigningRequest\S* .*spec\.request: |ClusterTrustBundle\S* .*spec\.trustBundle: "
        r"|PodCertificateRequest\S* .*stubPKCS10Request",
        "what certificates and requests for them hold is not read",
    ),
    "addresses and ranges of addresses": (
        r"(?:ServiceCIDR|IPAddress|EndpointSlice|Endpoints)\S* ",
        f"{_RARE}: controllers do",
    ),
    "volumes and devices": (
        r"(?:VolumeAttachment|VolumeAttributesClass|StorageVersionMigration|DeviceClass)\S* ",
        _RARE,
    ),
    "priorities": (r"PriorityLevelConfiguration\.\S+ ", _RARE),
    "APIServices": (r"APIService\S* ", _RARE),
    "admission configurations": (
        r"(?:Validating|Mutating)(?:WebhookConfiguration|AdmissionPolicy|AdmissionPolicyBinding)\.\S+ ",
        "policies and bindings are refused where they are loaded, as --policies",
    ),
    "reviews": (r"^\.authorization\.k8s\.io |no namespace on request", _RARE),
    "an empty overhead": (
        r"Pod Overhead set without corresponding",
        "an empty map of quantities is as good as none here",
    ),
    "mirror Pods": (r"annotations\[kubernetes\.io/config\.mirror\]", _RARE),
    "selectors of Jobs": (r"`selector` not auto-generated", _RARE),
}
"""Name -> what the server's text is like (after the kind and name of the object), and why check does not say so."""

DIFFERS = {
    ("more", "a Job with lists of indexes"): "a Job shares the labels of its template, in Go an empty map of them too",
}
"""By file and name of a manifest: what check does otherwise."""


def differing(file: File, answers: Mapping[str, Answer]) -> dict[str, list[str]]:
    """By name of the manifest, for those over which check and the server differ."""
    ours = checked(file)
    found = {
        each.name: list(differences(in_scope(answers[each.name]), ours[each.name], each.value))
        for each in file.manifests
    }
    for name in [each for where, each in DIFFERS if where == file.name]:
        assert found.pop(name), f"{name}: check does as the server: take it out of DIFFERS"
    return {name: texts for name, texts in found.items() if texts}


def in_scope(answer: Answer) -> Answer:
    """The answer without the parts of its refusal that are out of scope."""
    refusal = answer.refusal
    if refusal is None or not any(name for text in said(refusal) for name in out_of_scope(refusal, text)):
        return answer
    left = [text for text in said(refusal) if not any(out_of_scope(refusal, text))]
    if not left:
        return replace(answer, refusal=None)
    causes = tuple((field, message) for field, message in refusal.causes if f"{field}: {message}" in left)
    return replace(answer, refusal=replace(refusal, causes=causes))


def out_of_scope(refusal: Refusal, text: str) -> Iterator[str]:
    """The names of the kinds of refusals to which one text of a refusal belongs."""
    whole = f"{refusal.message} {text}" if refusal.causes else text
    return (name for name, (pattern, _) in OUT_OF_SCOPE.items() if re.search(pattern, whole))
