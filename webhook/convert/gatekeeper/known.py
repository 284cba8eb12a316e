"""Templates of Gatekeeper's public library, in CEL of our own: the kind of the constraint -> its policy.

The public templates are in Rego; their names and parameters identify them. These policies are written from the
documentation of the parameters. Each has the form of a template's source in CEL: it uses `variables.params` and
`variables.anyObject`, and is converted like such a template.
"""

from __future__ import annotations

from typing import Final

from webhook.convert.model import JSONObject

_P: Final = ("p", "variables.params == null ? dyn({}) : variables.params")
_ALL: Final = (
    "variables.anyObject.?spec.?containers.orValue([]) + variables.anyObject.?spec.?initContainers.orValue([]) + "
    "variables.anyObject.?spec.?ephemeralContainers.orValue([])"
)
_EXEMPT: Final = (
    "variables.p.?exemptImages.orValue([]).exists(e, "
    "e.endsWith('*') ? c.image.startsWith(e.substring(0, e.size() - 1)) : c.image == e)"
)
_CONTAINERS: Final = ("containers", f"({_ALL}).filter(c, !{_EXEMPT})")
_WITH_RESOURCES: Final = (
    "containers",
    "(variables.anyObject.?spec.?containers.orValue([]) + variables.anyObject.?spec.?initContainers.orValue([]))"
    f".filter(c, !{_EXEMPT})",
)
"""Ephemeral containers cannot have resources."""


def _source(*validations: tuple[str, str], variables: tuple[tuple[str, str], ...] = ()) -> JSONObject:
    """A template's source. validations: expression, and an expression for the message."""
    return {
        "variables": [{"name": name, "expression": text} for name, text in (_P, *variables)],
        "validations": [{"expression": text, "messageExpression": message} for text, message in validations],
    }


def _of(kind: str, source: JSONObject) -> JSONObject:
    """The source for objects of one kind: the public template tests the kind, whatever the constraint matches."""
    guard = f"variables.anyObject.kind != '{kind}' || "
    validations = [each | {"expression": f"{guard}({each['expression']})"} for each in source["validations"]]
    return source | {"validations": validations}


def _each(bad: str, message: str, containers: tuple[str, str] = _CONTAINERS) -> JSONObject:
    """The source that demands that no container meets a condition on `c`. message: the names of containers that do
    follow it."""
    return _source(
        ("size(variables.bad) == 0", f"'{message}: ' + variables.bad.map(c, c.name).join(', ')"),
        variables=(containers, ("bad", f"variables.containers.filter(c, {bad})")),
    )


def _named(field: str, what: str) -> JSONObject:
    """The source that demands labels or annotations, each with a regular expression for its value."""
    own = f"variables.anyObject.metadata.?{field}.orValue({{}})"
    return _source(
        (
            f"variables.p.{field}.all(l, l.key in variables.own)",
            f"string(variables.p.?message.orValue('missing {what}: ' + "
            f"variables.p.{field}.filter(l, !(l.key in variables.own)).map(l, l.key).join(', ')))",
        ),
        (
            f"variables.p.{field}.all(l, !(l.key in variables.own) || l.?allowedRegex.orValue('') == '' || "
            "variables.own[l.key].matches(l.allowedRegex))",
            f"string(variables.p.?message.orValue('a value of {what} is not allowed: ' + "
            f"variables.p.{field}.filter(l, l.key in variables.own).map(l, l.key).join(', ')))",
        ),
        variables=(("own", own),),
    )


def _resources(kind: str) -> JSONObject:
    """The source that demands cpu and memory of each container, up to the stated maximum."""
    terms = []
    for name in ("cpu", "memory"):
        value = f"c.?resources.?{kind}.?{name}.orValue(null)"
        over = f"quantity(string({value})).compareTo(quantity(string(variables.p.{name}))) > 0"
        bad = f"{value} == null || !isQuantity(string({value})) || {over}"
        terms.append(f"(has(variables.p.{name}) && ({bad}))")
    return _each(" || ".join(terms), f"{kind} of cpu and memory are missing or too large", _WITH_RESOURCES)


def _ratio(name: str, given: str) -> str:
    limit, request = (f"c.?resources.?{kind}.?{name}.orValue(null)" for kind in ("limits", "requests"))
    less = f"quantity(string({limit})).asApproximateFloat() > double({given}) * "
    more = f"quantity(string({request})).asApproximateFloat()"
    return f"({limit} == null || {request} == null || {less}{more})"


_TAGS: Final = "variables.p.tags.exists(t, c.image.endsWith(':' + t))"
_PORT: Final = "port.?hostPort.orValue(0)"

KNOWN: Final[dict[str, JSONObject]] = {
    "K8sRequiredLabels": _named("labels", "labels"),
    "K8sRequiredAnnotations": _named("annotations", "annotations"),
    "K8sAllowedRepos": _each(
        "!variables.p.repos.exists(r, c.image.startsWith(r))", "images of repositories that are not allowed"
    ),
    "K8sDisallowedRepos": _each(
        "variables.p.repos.exists(r, c.image.startsWith(r))", "images of repositories that are not allowed"
    ),
    "K8sDisallowedTags": _each(
        f"!c.image.matches('[:@][^/]*$') || {_TAGS}", "images without a tag, or with one that is not allowed"
    ),
    "K8sImageDigests": _each("!c.image.matches('@[a-z0-9]+:[0-9a-fA-F]+$')", "images without a digest"),
    "K8sContainerLimits": _resources("limits"),
    "K8sContainerRequests": _resources("requests"),
    "K8sRequiredResources": _each(
        "variables.p.?limits.orValue([]).exists(r, !(r in c.?resources.?limits.orValue({}))) || "
        "variables.p.?requests.orValue([]).exists(r, !(r in c.?resources.?requests.orValue({})))",
        "containers without the resources that must be stated",
        _WITH_RESOURCES,
    ),
    "K8sContainerRatios": _each(
        " || ".join(
            [_ratio("memory", "variables.p.ratio"), _ratio("cpu", "variables.p.?cpuRatio.orValue(variables.p.ratio)")]
        ),
        "limits are missing, or too many times the requests",
        _WITH_RESOURCES,
    ),
    "K8sRequiredProbes": _source(
        (
            "variables.p.probes.all(p, variables.containers.all(c, p in c && "
            "(variables.p.?probeTypes.orValue([]).size() == 0 || variables.p.probeTypes.exists(t, t in c[p]))))",
            "'each container needs: ' + variables.p.probes.join(', ')",
        ),
        variables=(("containers", "variables.anyObject.?spec.?containers.orValue([])"),),
    ),
    "K8sBlockNodePort": _of(
        "Service",
        _source(
            (
                "variables.anyObject.?spec.?type.orValue('') != 'NodePort'",
                "'a Service of the type NodePort is not allowed'",
            )
        ),
    ),
    "K8sBlockLoadBalancer": _of(
        "Service",
        _source(
            (
                "variables.anyObject.?spec.?type.orValue('') != 'LoadBalancer'",
                "'a Service of the type LoadBalancer is not allowed'",
            )
        ),
    ),
    "K8sBlockWildcardIngress": _of(
        "Ingress",
        _source(
            (
                "variables.anyObject.?spec.?rules.orValue([]).all(r, "
                "r.?host.orValue('') != '' && !r.host.contains('*'))",
                "'hosts of an Ingress must be named, without *'",
            )
        ),
    ),
    "K8sHttpsOnly": _of(
        "Ingress",
        _source(
            (
                "(variables.p.?tlsOptional.orValue(false) || variables.anyObject.?spec.?tls.orValue([]).size() > 0) && "
                "variables.anyObject.metadata.?annotations[?'kubernetes.io/ingress.allow-http'].orValue('') == 'false'",
                "'an Ingress is https only: tls, and the annotation kubernetes.io/ingress.allow-http: \"false\"'",
            )
        ),
    ),
    "K8sExternalIPs": _of(
        "Service",
        _source(
            (
                "variables.anyObject.?spec.?externalIPs.orValue([]).all(i, i in variables.p.?allowedIPs.orValue([]))",
                "'a Service has external IPs that are not allowed'",
            )
        ),
    ),
    "K8sReplicaLimits": _source(
        (
            "!has(variables.anyObject.spec) || variables.p.ranges.exists(r, variables.replicas >= r.min_replicas && "
            "variables.replicas <= r.max_replicas)",
            "'spec.replicas is ' + string(variables.replicas) + ', which is in none of the ranges'",
        ),
        variables=(("replicas", "variables.anyObject.?spec.?replicas.orValue(1)"),),
    ),
    "K8sPSPPrivilegedContainer": _each(
        "c.?securityContext.?privileged.orValue(false)", "privileged containers are not allowed"
    ),
    "K8sPSPHostNamespace": _source(
        (
            "!variables.anyObject.?spec.?hostPID.orValue(false) && !variables.anyObject.?spec.?hostIPC.orValue(false)",
            "'hostPID and hostIPC are not allowed'",
        )
    ),
    "K8sPSPHostNetworkingPorts": _source(
        (
            "!variables.anyObject.?spec.?hostNetwork.orValue(false) || variables.p.?hostNetwork.orValue(false)",
            "'hostNetwork is not allowed'",
        ),
        (
            f"variables.containers.all(c, c.?ports.orValue([]).all(port, {_PORT} == 0 || "
            f"({_PORT} >= variables.p.?min.orValue(0) && {_PORT} <= variables.p.?max.orValue(0))))",
            "'a hostPort is outside of the range that is allowed'",
        ),
        variables=(_CONTAINERS,),
    ),
    "K8sPSPReadOnlyRootFilesystem": _each(
        "!c.?securityContext.?readOnlyRootFilesystem.orValue(false)", "containers with a root filesystem to write to"
    ),
    "K8sPSPAllowPrivilegeEscalationContainer": _each(
        "c.?securityContext.?allowPrivilegeEscalation.orValue(true)", "containers that allow privilege escalation"
    ),
    "K8sPSPCapabilities": _each(
        "(!('*' in variables.p.?allowedCapabilities.orValue([])) && c.?securityContext.?capabilities.?add.orValue([])"
        ".exists(k, !(k in variables.p.?allowedCapabilities.orValue([])))) || "
        "(!('ALL' in c.?securityContext.?capabilities.?drop.orValue([])) && "
        "variables.p.?requiredDropCapabilities.orValue([]).exists(k, "
        "!(k in c.?securityContext.?capabilities.?drop.orValue([]))))",
        "capabilities are added that are not allowed, or not dropped that must be",
    ),
    "K8sPSPVolumeTypes": _source(
        (
            "'*' in variables.p.volumes || variables.anyObject.?spec.?volumes.orValue([]).all(v, "
            "v.all(k, k == 'name' || k in variables.p.volumes))",
            "'volumes are of a type that is not allowed; allowed are: ' + variables.p.volumes.join(', ')",
        )
    ),
    "K8sPSPProcMount": _each(
        "variables.p.?procMount.orValue('Default') != 'Unmasked' && "
        "c.?securityContext.?procMount.orValue('Default') != 'Default'",
        "procMount is not Default",
    ),
    "K8sPSPForbiddenSysctls": _source(
        (
            "variables.anyObject.?spec.?securityContext.?sysctls.orValue([]).all(s, "
            "!variables.p.?forbiddenSysctls.orValue([]).exists(f, "
            "f.endsWith('*') ? s.name.startsWith(f.substring(0, f.size() - 1)) : s.name == f))",
            "'a sysctl is forbidden'",
        )
    ),
    "K8sPSPHostFilesystem": _source(
        (
            "variables.anyObject.?spec.?volumes.orValue([]).all(v, !has(v.hostPath) || "
            "variables.p.?allowedHostPaths.orValue([]).exists(a, (v.hostPath.path == a.pathPrefix || "
            "v.hostPath.path.startsWith(a.pathPrefix.endsWith('/') ? a.pathPrefix : a.pathPrefix + '/')) && "
            "!v.hostPath.path.contains('..') && (!a.?readOnly.orValue(false) || variables.containers.all(c, "
            "c.?volumeMounts.orValue([]).all(m, m.name != v.name || m.?readOnly.orValue(false))))))",
            "'a hostPath volume is not allowed'",
        ),
        variables=(_CONTAINERS,),
    ),
    "K8sPSPAutomountServiceAccountTokenPod": _source(
        (
            "!has(variables.anyObject.spec) || (has(variables.anyObject.spec.automountServiceAccountToken) && "
            "!variables.anyObject.spec.automountServiceAccountToken)",
            "'automountServiceAccountToken must be false'",
        )
    ),
}
"""The kind of a constraint of the public library -> the source of its template, in CEL."""

PARAMETERS: Final[dict[str, frozenset[str]]] = {
    "K8sRequiredLabels": frozenset({"labels", "message"}),
    "K8sRequiredAnnotations": frozenset({"annotations", "message"}),
    "K8sAllowedRepos": frozenset({"repos", "exemptImages"}),
    "K8sDisallowedRepos": frozenset({"repos", "exemptImages"}),
    "K8sDisallowedTags": frozenset({"tags", "exemptImages"}),
    "K8sImageDigests": frozenset({"exemptImages"}),
    "K8sContainerLimits": frozenset({"cpu", "memory", "exemptImages"}),
    "K8sContainerRequests": frozenset({"cpu", "memory", "exemptImages"}),
    "K8sRequiredResources": frozenset({"limits", "requests", "exemptImages"}),
    "K8sContainerRatios": frozenset({"ratio", "cpuRatio", "exemptImages"}),
    "K8sRequiredProbes": frozenset({"probes", "probeTypes"}),
    "K8sHttpsOnly": frozenset({"tlsOptional"}),
    "K8sExternalIPs": frozenset({"allowedIPs"}),
    "K8sReplicaLimits": frozenset({"ranges"}),
    "K8sPSPPrivilegedContainer": frozenset({"exemptImages"}),
    "K8sPSPHostNetworkingPorts": frozenset({"hostNetwork", "min", "max", "exemptImages"}),
    "K8sPSPReadOnlyRootFilesystem": frozenset({"exemptImages"}),
    "K8sPSPAllowPrivilegeEscalationContainer": frozenset({"exemptImages"}),
    "K8sPSPCapabilities": frozenset({"allowedCapabilities", "requiredDropCapabilities", "exemptImages"}),
    "K8sPSPVolumeTypes": frozenset({"volumes"}),
    "K8sPSPProcMount": frozenset({"procMount", "exemptImages"}),
    "K8sPSPForbiddenSysctls": frozenset({"forbiddenSysctls"}),
    "K8sPSPHostFilesystem": frozenset({"allowedHostPaths"}),
}
"""The parameters that these policies read. A constraint with any other parameter is not converted."""
