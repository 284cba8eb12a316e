"""The Helm chart, rendered: it is what kustomize renders, each value does what it says, and nothing else is taken."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli import running
from tests.manifests import chartreference, charts, kustomize
from tests.manifests.charts import (
    CHART,
    DEFAULTS,
    ENFORCE,
    EXTREMES,
    GIT,
    NAMESPACE,
    OCI,
    PEM,
    RELEASE,
    VARIANTS,
    Values,
)
from tests.manifests.kustomize import OVERLAYS, ROOT, Object
from tests.server.authorities import Authority
from tests.server.running import end, launch
from tests.timing import HANGING
from webhook.policy.load.loading import load
from webhook.server.settings import resolve

ENFORCING, WARN_ONLY, _ = OVERLAYS
variants = pytest.mark.parametrize("variant", VARIANTS)


# It is what kustomize renders.


def like_kustomize(found: list[Object]) -> dict[tuple[str, str, str], Object]:
    """Objects by kind, namespace and name, without what the two call differently: labels of Helm, names with a hash."""
    named: dict[tuple[str, str, str], Object] = {}
    for each in found:
        metadata = each["metadata"]
        if each["kind"] == "Namespace" or "config.kubernetes.io/local-config" in metadata.get("annotations", {}):
            continue  # Helm makes the namespace of a release itself, or not at all
        if each["kind"] == "ConfigMap":
            metadata["name"] = re.sub(r"^(gatewright-policies)-[a-z0-9]{10}$", r"\1", metadata["name"])
        _without_labels_of_helm(each)
        if each["apiVersion"].startswith("cert-manager.io/"):
            metadata.pop("labels", None)  # the component comes after the base's labels
        if each["kind"] == "Deployment":
            template = each["spec"]["template"]
            template["metadata"]["annotations"].pop("gatewright.dev/policies", None)
            (only,) = template["spec"]["containers"]
            only["image"] = "gatewright"
            only["env"].sort(key=lambda variable: str(variable["name"]))
            for volume in template["spec"]["volumes"]:
                if volume["name"] == "policies":
                    volume["configMap"]["name"] = "gatewright-policies"
        for webhook in each.get("webhooks", ()):
            webhook["namespaceSelector"]["matchExpressions"][0]["values"].sort()
        named[each["kind"], metadata.get("namespace", ""), metadata["name"]] = each
    return named


def _without_labels_of_helm(value: Any) -> None:
    if isinstance(value, dict):
        for key in ("app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"):
            value.pop(key, None)
        value.pop("helm.sh/chart", None)
        for each in value.values():
            _without_labels_of_helm(each)
    elif isinstance(value, list):
        for each in value:
            _without_labels_of_helm(each)


@pytest.mark.parametrize(("folder", "values"), [(ENFORCING, ENFORCE), (WARN_ONLY, {})], ids=["enforce", "warn"])
def test_the_chart_renders_what_the_overlay_does(folder: str, values: Values) -> None:
    ours = like_kustomize(charts.objects(values))
    theirs = like_kustomize(kustomize.objects(folder))
    assert ours.keys() == theirs.keys()
    for key, each in theirs.items():
        assert ours[key] == each, key


def test_with_client_certificates_it_renders_what_the_overlay_does() -> None:
    ours = like_kustomize(charts.objects({**ENFORCE, "clients": {"secret": "gatewright-client-ca"}}))
    theirs = like_kustomize(kustomize.objects("overlays/self-managed"))
    for each in (ours, theirs):
        spec = each["Deployment", NAMESPACE, RELEASE]["spec"]["template"]["spec"]
        spec["volumes"].sort(key=lambda volume: str(volume["name"]))
        spec["containers"][0]["volumeMounts"].sort(key=lambda mount: str(mount["name"]))
    assert ours == theirs


@pytest.mark.parametrize("variant", ["audit", "audit-page"])
def test_with_an_audit_it_renders_what_the_component_does(variant: str, tmp_path: Path) -> None:
    ours = like_kustomize(charts.objects(VARIANTS[variant]))
    components = ["components/audit", *(["components/page"] if variant == "audit-page" else [])]
    theirs = like_kustomize(list(yaml.safe_load_all(kustomize.text_with(ENFORCING, components, tmp_path))))
    assert ours.keys() == theirs.keys()
    for each in (ours, theirs):
        job = each["CronJob", NAMESPACE, "gatewright-audit"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (only,) = job["containers"]
        only["image"] = "gatewright"
        job["volumes"][0]["configMap"]["name"] = "gatewright-policies"
        server = each["Deployment", NAMESPACE, RELEASE]["spec"]["template"]["spec"]
        server["volumes"].sort(key=lambda volume: str(volume["name"]))
        server["containers"][0]["volumeMounts"].sort(key=lambda mount: str(mount["name"]))
    assert ours == theirs


@pytest.mark.parametrize(
    "values",
    [
        {"settings": {"page": True}},
        {"settings": {"page": True}, "audit": {"enabled": True, "shards": 17}},
        {"settings": {"page": True, "page_audit": "/elsewhere.json"}, "audit": {"enabled": True}},
        {"audit": {"enabled": True}},
    ],
)
def test_the_page_shows_no_audit_where_there_is_none_for_it(values: dict[str, Any]) -> None:
    text = charts.template({**ENFORCE, **values}).stdout
    assert "--configmap" not in text and "/etc/gatewright/audit" not in text and "audit-page" not in text


def test_the_page_shows_a_sharded_audit() -> None:
    text = charts.template({**ENFORCE, "settings": {"page": True}, "audit": {"enabled": True, "shards": 16}}).stdout
    assert "--configmap=" in text and "--shards=16" in text and "/etc/gatewright/audit" in text


def test_an_audit_needs_its_roles() -> None:
    done = charts.template(VARIANTS["audit"], check=False, without="audit")
    assert done.returncode == 1
    assert "audit.enabled: the tree has no roles for it. Write it anew" in done.stderr


def test_an_audit_has_the_policies_where_it_looks_for_them() -> None:
    for variant in ("audit", "audit-git"):
        audit = charts.audit(VARIANTS[variant])
        assert audit is not None
        pod = audit["jobTemplate"]["spec"]["template"]["spec"]
        server = charts.pod(VARIANTS[variant])
        (variable,) = (each for each in pod["containers"][0]["env"] if each["name"] == "GATEWRIGHT_POLICIES")
        assert variable["value"] == charts.environment(VARIANTS[variant])["GATEWRIGHT_POLICIES"]
        assert pod.get("initContainers") == server.get("initContainers")
        names = {each["name"] for each in pod["volumes"]}
        assert {each["name"] for each in pod["containers"][0]["volumeMounts"]} <= names
        assert [each for each in server["volumes"] if each["name"] in names] == pod["volumes"]


# Its own policies, Pod Security and settings.


@variants
def test_our_own_policies_pass_it(variant: str) -> None:
    text = charts.text(VARIANTS[variant])
    checked = running.gatewright("check", "--policies", "policies", "-", cwd=ROOT, stdin=text)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.startswith("nothing denied")


@variants
def test_every_pod_is_restricted(variant: str) -> None:
    """As Pod Security's level `restricted`; tests/e2e creates them in such a namespace."""
    pods = [charts.pod(VARIANTS[variant])]
    pods += [each["spec"] for each in charts.objects(VARIANTS[variant], tests=True) if each["kind"] == "Pod"]
    audit = charts.audit(VARIANTS[variant])
    pods += [audit["jobTemplate"]["spec"]["template"]["spec"]] if audit is not None else []
    assert len(pods) == 2 + variant.startswith("audit")
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            security = container["securityContext"]
            assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]
        kinds = {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]}
        assert kinds <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}


@variants
def test_the_server_takes_its_settings(variant: str) -> None:
    known = resolve({}, charts.environment(VARIANTS[variant]))
    pod = charts.pod(VARIANTS[variant])
    assert (known.port, known.plain_port, known.host) == (10250, 8080, "0.0.0.0")
    shutdown = known.shutdown_delay + known.shutdown_idle + known.shutdown_timeout
    assert pod["terminationGracePeriodSeconds"] >= shutdown + 5
    mounts = [Path(mount["mountPath"]) for mount in charts.container(VARIANTS[variant])["volumeMounts"]]
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert not [mount for mount in container["volumeMounts"] if "subPath" in mount]
    (policies,) = known.policies
    if variant not in ("oci", "oci-signed", "image"):
        assert any(Path(policies).is_relative_to(mount) for mount in mounts)
    assert known.tls_cert is not None
    assert known.tls_cert.parent in mounts


def test_git_sync_keeps_what_it_has_and_the_server_waits_for_it() -> None:
    """With its defaults it ends at the first failure, and fetches whatever submodules a repository names."""
    (found,) = charts.pod(VARIANTS["git"])["initContainers"]
    assert {"--max-failures=-1", "--submodules=off", "--root=/git", "--link=current"} <= set(found["args"])
    # A sidecar: it goes on running, and the server starts once the first commit is there.
    assert found["restartPolicy"] == "Always"
    (port,) = found["ports"]
    assert f"--http-bind=:{port['containerPort']}" in found["args"]
    assert found["startupProbe"]["httpGet"] == {"port": port["name"], "path": "/"}
    folders = [
        mount["mountPath"]
        for container in (found, charts.container(VARIANTS["git"]))
        for mount in container["volumeMounts"]
        if mount["name"] == "git"
    ]
    assert folders == ["/git", "/git"]  # a worktree names its repository by its path


def test_a_bundle_is_verified_and_kept_by_files_that_are_mounted() -> None:
    variables, container = charts.environment(VARIANTS["oci-signed"]), charts.container(VARIANTS["oci-signed"])
    known = resolve({}, {name: value for name, value in variables.items() if name.startswith("GATEWRIGHT_")})
    mounts = {Path(mount["mountPath"]): mount for mount in container["volumeMounts"]}
    for path in (known.verify_key, known.registry_ca, Path(variables["DOCKER_CONFIG"]) / "config.json"):
        assert path is not None
        assert mounts[path.parent]["readOnly"]
    assert known.bundle_cache is not None
    assert "readOnly" not in mounts[known.bundle_cache]
    plain = charts.environment(VARIANTS["oci"])
    assert "DOCKER_CONFIG" not in plain
    assert "GATEWRIGHT_VERIFY_KEY" not in plain


# What it takes.


def read_env(name: str) -> Callable[[Values], object]:
    return lambda values: charts.environment(values).get(name)


def in_pod(*path: str) -> Callable[[Values], object]:
    return lambda values: _at(charts.pod(values), *path)


def in_container(*path: str) -> Callable[[Values], object]:
    return lambda values: _at(charts.container(values), *path)


def in_spec(kind: str, *path: str) -> Callable[[Values], object]:
    def read(values: Values) -> object:
        named = [each for each in charts.objects(values) if (each["kind"], each["metadata"]["name"]) == (kind, RELEASE)]
        return _at(named[0]["spec"], *path) if named else None

    return read


def _at(value: Any, *path: str) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else value[int(step)]
        if value is None:
            return None
    return value


def volume(name: str) -> Callable[[Values], object]:
    return lambda values: next((each for each in charts.pod(values)["volumes"] if each["name"] == name), None)


def sidecar(values: Values) -> list[str]:
    (found,) = charts.pod(values)["initContainers"]
    return [found["image"], *found["args"]]


def registered(values: Values) -> list[str]:
    found = [each for each in charts.objects(values) if each["kind"].endswith("WebhookConfiguration")]
    return [f"{each['kind']} {webhook['failurePolicy']}" for each in found for webhook in each["webhooks"]]


def exempt(values: Values) -> object:
    (first, *_) = charts.one(values, "ValidatingWebhookConfiguration")["webhooks"]
    return first["namespaceSelector"]["matchExpressions"][0]["values"]


def bundle(values: Values) -> object:
    (first, *_) = charts.one(values, "ValidatingWebhookConfiguration")["webhooks"]
    return first["clientConfig"].get("caBundle")


def spread(key: str) -> Callable[[Values], object]:
    def read(values: Values) -> object:
        found = {each["topologyKey"]: each for each in charts.pod(values)["topologySpreadConstraints"]}
        return found[key]["whenUnsatisfiable"]

    return read


def rolled_out(values: Values) -> bool:
    annotations = charts.one(values, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    return "gatewright.dev/policies" in annotations


def annotated(values: Values) -> object:
    return charts.one(values, "Deployment")["spec"]["template"]["metadata"]["annotations"].get("a")


def metrics(values: Values) -> list[str]:
    return [each["type"] for each in charts.one(values, "HorizontalPodAutoscaler")["spec"]["metrics"]]


def in_audit(*path: str) -> Callable[[Values], object]:
    return lambda values: _at(charts.audit(values), *path)


def argument(name: str) -> Callable[[Values], object]:
    def read(values: Values) -> object:
        audit = charts.audit(values)
        args = _at(audit, *_POD, "containers", "0", "args") if audit is not None else ()
        return next((each for each in args if each.startswith(f"--{name}=")), None)

    return read


def divided(values: Values) -> object:
    job = _at(charts.audit(values), "jobTemplate", "spec")
    return job["completions"], job["parallelism"], job["completionMode"], argument("shards")(values)


_POD = ("jobTemplate", "spec", "template", "spec")
AUDIT = {"enabled": True}
AUTO = {"enabled": True}
DIGEST = "sha256:" + "0123456789abcdef" * 4
VALIDATING = ["ValidatingWebhookConfiguration"] * 4

# What each value does: its path, the values it stands in, what of the rendered objects shows it, and how.
CASES: list[tuple[str, Values, Callable[[Values], object], object]] = [
    ("image.repository", {"image": {"repository": "r.example/g"}}, in_container("image"), "r.example/g:0.1.0"),
    ("image.tag", {"image": {"tag": "dev"}}, in_container("image"), "gatewright:dev"),
    ("image.digest", {"image": {"tag": "x", "digest": DIGEST}}, in_container("image"), f"gatewright@{DIGEST}"),
    ("image.pullPolicy", {"image": {"pullPolicy": "Always"}}, in_container("imagePullPolicy"), "Always"),
    ("image.pullSecrets", {"image": {"pullSecrets": ["s"]}}, in_pod("imagePullSecrets"), [{"name": "s"}]),
    ("mode", {"mode": "off"}, registered, []),
    ("failurePolicy", {**ENFORCE, "failurePolicy": "Ignore"}, lambda values: set(map(_policy, registered(values))),
     {"Ignore"}),
    ("policies.source", VARIANTS["image"], read_env("GATEWRIGHT_POLICIES"), "/policies"),
    ("policies.folder", {**ENFORCE, "policies": {**GIT, "folder": "a/b"}}, read_env("GATEWRIGHT_POLICIES"),
     "/git/current/a/b"),
    ("policies.rollout", {"policies": {"rollout": False}}, rolled_out, False),
    ("policies.configMap", VARIANTS["configmap"], volume("policies"),
     {"name": "policies", "configMap": {"name": "mine"}}),
    ("policies.claim", VARIANTS["claim"], volume("policies"),
     {"name": "policies", "persistentVolumeClaim": {"claimName": "mine", "readOnly": True}}),
    ("policies.gitSync.image", {**ENFORCE, "policies": {**GIT, "gitSync": {**GIT["gitSync"], "image": "g:1"}}},
     lambda values: sidecar(values)[0], "g:1"),
    ("policies.gitSync.repository", VARIANTS["git"], lambda values: sidecar(values)[1],
     "--repo=https://git.example/policies.git"),
    ("policies.gitSync.ref", {**ENFORCE, "policies": {**GIT, "gitSync": {**GIT["gitSync"], "ref": "v1"}}},
     lambda values: "--ref=v1" in sidecar(values), True),
    ("policies.gitSync.period", {**ENFORCE, "policies": {**GIT, "gitSync": {**GIT["gitSync"], "period": "5m"}}},
     lambda values: "--period=5m" in sidecar(values), True),
    ("policies.gitSync.secret", {**ENFORCE, "policies": {**GIT, "gitSync": {**GIT["gitSync"], "secret": "s"}}},
     lambda values: "--password-file=/etc/git-secret/password" in sidecar(values), True),
    ("policies.oci.reference", VARIANTS["oci"], read_env("GATEWRIGHT_POLICIES"), OCI["oci"]["reference"]),
    ("policies.oci.keys", VARIANTS["oci-signed"], volume("keys"), {"name": "keys", "configMap": {"name": "keys"}}),
    ("policies.oci.authority", VARIANTS["oci-signed"], volume("registry-ca"),
     {"name": "registry-ca", "configMap": {"name": "ca"}}),
    ("policies.oci.credentials", VARIANTS["oci-signed"],
     lambda values: _at(volume("registry")(values) or {}, "secret", "secretName"), "login"),
    ("certificates.source", VARIANTS["secret"], volume("tls"),
     {"name": "tls", "secret": {"secretName": "mine", "defaultMode": 288}}),
    ("certificates.namespace", {"certificates": {"namespace": "certs"}}, exempt,
     ["gatewright-system", "kube-node-lease", "kube-public", "kube-system", "certs"]),
    ("certificates.issuer.name", {"certificates": {"issuer": {"name": "i"}}}, in_spec("Certificate", "issuerRef"),
     {"group": "cert-manager.io", "kind": "Issuer", "name": "i"}),
    ("certificates.issuer.kind", VARIANTS["issuer"], in_spec("Certificate", "issuerRef", "kind"), "ClusterIssuer"),
    ("certificates.issuer.group", {"certificates": {"issuer": {"name": "i", "group": "g.example"}}},
     in_spec("Certificate", "issuerRef", "group"), "g.example"),
    ("certificates.secret", VARIANTS["secret"], lambda values: _at(volume("tls")(values), "secret", "secretName"),
     "mine"),
    ("certificates.caBundle", VARIANTS["secret"], bundle, base64.b64encode(PEM.encode()).decode()),
    ("clients.secret", VARIANTS["clients"], read_env("GATEWRIGHT_CLIENT_CA"), "/etc/gatewright/client-ca/ca.crt"),
    ("clients.names", {"clients": {"secret": "s", "names": ["a", "b"]}}, read_env("GATEWRIGHT_CLIENT_NAME"), "a,b"),
    ("replicas", {"replicas": 3}, in_spec("Deployment", "replicas"), 3),
    ("resources.requests", {"resources": {"requests": {"cpu": "1"}}}, in_container("resources", "requests", "cpu"),
     "1"),
    ("resources.limits", {"resources": {"limits": {"memory": "1Gi"}}}, in_container("resources", "limits"),
     {"memory": "1Gi"}),
    ("priorityClassName", {"priorityClassName": "high"}, in_pod("priorityClassName"), "high"),
    ("quota", {"quota": False}, in_spec("ResourceQuota"), None),
    ("disruptionBudget", {"disruptionBudget": False}, in_spec("PodDisruptionBudget"), None),
    ("spread.nodes", {"spread": {"nodes": "ScheduleAnyway"}}, spread("kubernetes.io/hostname"), "ScheduleAnyway"),
    ("spread.zones", {"spread": {"zones": "DoNotSchedule"}}, spread("topology.kubernetes.io/zone"), "DoNotSchedule"),
    ("nodeSelector", {"nodeSelector": {"a": "b"}}, in_pod("nodeSelector"), {"a": "b"}),
    ("tolerations", {"tolerations": [{"operator": "Exists"}]}, in_pod("tolerations"), [{"operator": "Exists"}]),
    ("environment", {"environment": {"OTEL_SERVICE_NAME": "a"}}, read_env("OTEL_SERVICE_NAME"), "a"),
    ("recording.enabled", {"recording": {"enabled": True}}, read_env("GATEWRIGHT_RECORD"), "/var/recordings"),
    ("recording.size", {"recording": {"enabled": True, "size": "2Gi"}}, volume("recordings"),
     {"name": "recordings", "emptyDir": {"sizeLimit": "2Gi"}}),
    ("audit.enabled", {"audit": AUDIT}, lambda values: charts.audit(values) is not None, True),
    ("audit.schedule", {"audit": {**AUDIT, "schedule": "0 * * * *"}}, in_audit("schedule"), "0 * * * *"),
    ("audit.shards", {"audit": {**AUDIT, "shards": 4}}, divided, (4, 4, "Indexed", "--shards=4")),
    ("audit.qps", {"audit": {**AUDIT, "qps": 5}}, argument("qps"), "--qps=5"),
    ("audit.reports", {"audit": {**AUDIT, "reports": "both"}}, argument("write-reports"), "--write-reports=both"),
    ("audit.deadline", {"audit": {**AUDIT, "deadline": 60}},
     in_audit("jobTemplate", "spec", "activeDeadlineSeconds"), 60),
    ("audit.resources.requests", {"audit": {**AUDIT, "resources": {"requests": {"cpu": "1"}}}},
     in_audit(*_POD, "containers", "0", "resources", "requests", "cpu"), "1"),
    ("audit.resources.limits", {"audit": {**AUDIT, "resources": {"limits": {"memory": "2Gi"}}}},
     in_audit(*_POD, "containers", "0", "resources", "limits", "memory"), "2Gi"),
    ("podAnnotations", {"podAnnotations": {"a": "b"}}, annotated, "b"),
    ("autoscaling.enabled", {"autoscaling": AUTO}, in_spec("Deployment", "replicas"), None),
    ("autoscaling.minReplicas", {"autoscaling": {**AUTO, "minReplicas": 3}},
     in_spec("HorizontalPodAutoscaler", "minReplicas"), 3),
    ("autoscaling.maxReplicas", {"autoscaling": {**AUTO, "maxReplicas": 9}},
     in_spec("HorizontalPodAutoscaler", "maxReplicas"), 9),
    ("autoscaling.cpu", {"autoscaling": {**AUTO, "cpu": "1"}},
     in_spec("HorizontalPodAutoscaler", "metrics", "0", "resource", "target", "averageValue"), "1"),
    ("autoscaling.queueAge", {"autoscaling": {**AUTO, "queueAge": "20m"}}, metrics, ["Resource", "Pods"]),
    ("networkPolicy.enabled", {"networkPolicy": {"enabled": False}}, in_spec("NetworkPolicy"), None),
    ("networkPolicy.reviewsFrom", {"networkPolicy": {"reviewsFrom": ["10.0.0.0/28"]}},
     in_spec("NetworkPolicy", "ingress", "0", "from"), [{"ipBlock": {"cidr": "10.0.0.0/28"}}]),
    ("networkPolicy.metricsFrom", {"networkPolicy": {"metricsFrom": "m"}},
     in_spec("NetworkPolicy", "ingress", "1", "from", "0", "namespaceSelector", "matchLabels"),
     {"kubernetes.io/metadata.name": "m"}),
    ("networkPolicy.egressPorts", {"networkPolicy": {"egressPorts": [16443]}},
     in_spec("NetworkPolicy", "egress", "0", "ports"), [{"port": 16443, "protocol": "TCP"}]),
]  # fmt: skip

OF_THE_TREE = {"service", "webhooks.validating", "webhooks.mutating", "objects", "audit", "files", "warning"}
"""Values that the generator writes: rendering them is the comparison with kustomize, above."""


def _policy(registered: str) -> str:
    return registered.rpartition(" ")[2]


@pytest.mark.parametrize(("path", "values", "read", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_value_does_what_it_says(
    path: str, values: Values, read: Callable[[Values], object], expected: object
) -> None:
    assert read(values) == expected
    without = _without(values, path.split("."))
    if charts.renders(without):
        assert read(without) != expected, "rendering it or not makes no difference"


def _without(values: Values, path: list[str]) -> dict[str, Any]:
    """The values without one, and without what is empty then."""
    step, *rest = path
    found = dict(values)
    if rest and (inner := _without(values[step], rest)):
        found[step] = inner
    else:
        del found[step]
    return found


def test_every_setting_reaches_the_server() -> None:
    names = charts.SCHEMA["properties"]["settings"]["properties"]
    assert len(names) > 10
    given = {name: 7 if index % 2 else f"{index}Mi" for index, name in enumerate(names)}
    given |= {"shutdown_delay": 3, "shutdown_idle": 90, "shutdown_timeout": 4, "registry_plain_http": True}
    variables = charts.environment({"settings": given})
    shown = {name: "true" if value is True else str(value) for name, value in given.items()}
    assert variables.items() >= {f"GATEWRIGHT_{name.upper()}": value for name, value in shown.items()}.items()
    assert charts.pod({"settings": given})["terminationGracePeriodSeconds"] == 3 + 90 + 4 + 9


def test_every_value_has_a_case() -> None:
    named = {case[0] for case in CASES} | {f"tree.{each}" for each in OF_THE_TREE} | {"global"}
    named |= {f"settings.{name}" for name in charts.SCHEMA["properties"]["settings"]["properties"]}
    assert named == charts.leaves().keys()


def test_a_real_server_is_asked_about_every_value() -> None:
    """tests/e2e/test_chart.py has it take what is rendered of these."""
    given = [*VARIANTS.values(), *EXTREMES.values()]
    for path in charts.leaves():
        if not path.startswith(("tree.", "settings.", "global")):
            assert any(_at(values, *path.split(".")) is not None for values in given), path


def test_every_default_stands_in_the_values() -> None:
    for path in charts.leaves():
        if path.startswith(("tree.", "settings.", "certificates.issuer.", "global")):
            continue  # empty, unless they are given
        assert _at(DEFAULTS, *path.split(".")) is not None, path


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replica": 3}, "replica"),
        ({"image": {"name": "x"}}, "name"),
        ({"settings": {"port": 1}}, "port"),
        ({"settings": {"max_bodies": 1}}, "max_bodies"),
        ({"environment": {"LD_PRELOAD": "x"}}, "LD_PRELOAD"),
        ({"mode": "audit"}, "mode"),
        ({"replicas": "two"}, "replicas"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"policies": {"folder": "../etc"}}, "folder"),
        ({"policies": {"folder": "/etc"}}, "folder"),
        ({"policies": {"source": "oci", "oci": {"reference": "https://x"}}}, "reference"),
        ({"networkPolicy": {"egressPorts": [0]}}, "egressPorts"),
        ({"certificates": {"issuer": {"kind": "Issuer"}}}, "issuer"),
    ],
    ids=str,
)
def test_what_the_schema_does_not_know_is_refused(values: Values, told: str) -> None:
    done = charts.template(values, check=False)
    assert done.returncode == 1
    assert "values don't meet the specifications of the schema" in done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"policies": GIT}, "mode is warn, and nothing could make the bindings warn"),
        ({"policies": {"folder": "a"}}, "a ConfigMap has no folders"),
        ({**ENFORCE, "policies": {"source": "gitSync"}}, "set policies.gitSync.repository"),
        ({**ENFORCE, "policies": {"source": "oci"}}, "set policies.oci.reference"),
        ({**ENFORCE, "policies": {"source": "claim"}}, "set policies.claim"),
        ({**ENFORCE, "policies": {"source": "configMap"}}, "set policies.configMap"),
        ({"certificates": {"source": "secret", "secret": "s"}}, "set certificates.secret, with tls.crt"),
        ({"certificates": {"source": "secret", "caBundle": PEM}}, "set certificates.secret, with tls.crt"),
        ({"tree": None}, "gatewright manifests POLICIES --helm-values --all --service gatewright-system/gatewright"),
        ({"tree": {"service": "a/b"}}, "was written for the release a/b, and this is gatewright-system/gatewright"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_values_that_do_not_go_together_are_refused(values: Values, told: str) -> None:
    done = charts.template(values, check=False)
    assert done.returncode == 1
    assert told in done.stderr


@pytest.mark.parametrize(
    ("missing", "values", "told"),
    [
        ("warning", {}, "mode is warn, and nothing could make the bindings warn"),
        ("files", ENFORCE, "policies.source is values, and tree has no files. Write it with --all:"),
    ],
)
def test_a_tree_that_lacks_what_is_asked_for_is_refused(missing: str, values: Values, told: str) -> None:
    done = charts.template(values, check=False, without=missing)
    assert done.returncode == 1
    assert told in done.stderr


def test_another_release_in_another_namespace_has_its_own_names(tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_text(charts.tree("guard/keeper"))
    options = ("--namespace", "guard", "--values", "tree.yaml", "--set", "mode=enforce")
    text = charts.helm("template", "keeper", str(CHART), *options, home=tmp_path).stdout
    found = [each for each in yaml.safe_load_all(text) if each]
    # Of the namespace that bindings name.
    params = {each["metadata"]["name"] for each in load(ROOT / "policies").objects}
    for each in found:
        metadata = each["metadata"]
        if metadata["name"] in params:
            continue
        assert metadata["name"].startswith("keeper"), metadata
        of_params = each["kind"].startswith("Role")
        assert metadata.get("namespace") in ((NAMESPACE,) if of_params else ("guard", None)), metadata
    for webhook in (webhook for each in found for webhook in each.get("webhooks", ())):
        assert webhook["clientConfig"]["service"]["namespace"] == "guard"
        assert "guard" in webhook["namespaceSelector"]["matchExpressions"][0]["values"]
    accounts = [subject for each in found for subject in each.get("subjects", ())]
    assert accounts == [{"kind": "ServiceAccount", "name": "keeper", "namespace": "guard"}] * 3


def test_the_quota_has_room_for_a_roll_out() -> None:
    for values, pods in (({}, "20"), ({"replicas": 15}, "30"), ({"autoscaling": {**AUTO, "maxReplicas": 40}}, "80")):
        assert charts.one(values, "ResourceQuota")["spec"]["hard"] == {"pods": pods}


def test_a_changed_policy_replaces_the_pods() -> None:
    def revision(values: Values) -> object:
        template = charts.one(values, "Deployment")["spec"]["template"]
        return template["metadata"]["annotations"]["gatewright.dev/policies"]

    changed: Values = {"tree": {"files": {"no-host-path.policy.yaml": "# changed\n"}}}
    assert len({revision({}), revision(ENFORCE), revision(changed)}) == 3


def test_files_arrive_as_they_are() -> None:
    """Nothing in a policy is a template of Helm's."""
    shipped = charts.one(ENFORCE, "ConfigMap", "gatewright-policies")["data"]
    for key, content in shipped.items():
        folder, _, name = key.partition(".")
        assert content == (ROOT / "policies" / folder / name).read_text()
    odd = "# {{ .Values.mode }} {{ fail `x` }}\n\ttab \n\n  é…\u2028\r\n"
    files = charts.one({**ENFORCE, "tree": {"files": {"odd.py": odd}}}, "ConfigMap", "gatewright-policies")["data"]
    assert files["odd.py"] == odd


@pytest.mark.parametrize("options", [("--values", "tree.yaml"), ()], ids=["tree", "bare"])
def test_the_linter_of_helm_finds_nothing(options: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "tree.yaml").write_text(charts.tree())
    charts.helm("lint", "--strict", "--namespace", NAMESPACE, str(CHART), *options, home=tmp_path)


def test_the_versions_are_those_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert chart["version"] == chart["appVersion"] == version[1]


def test_the_package_holds_no_more_than_the_chart(tmp_path: Path) -> None:
    charts.helm("package", str(CHART), home=tmp_path)
    with tarfile.open(tmp_path / "gatewright-0.1.0.tgz") as package:
        packed = {name.partition("/")[2] for name in package.getnames()}
    here = {path.relative_to(CHART).as_posix() for path in CHART.rglob("*") if path.is_file()}
    assert packed == here - {".helmignore"} or packed == here


# `helm test`.


def ask(*arguments: str, tries: int = 1) -> subprocess.CompletedProcess[str]:
    """What the Pod of `helm test` runs, here."""
    (pod,) = (each for each in charts.objects(ENFORCE, tests=True) if each["kind"] == "Pod")
    (container,) = pod["spec"]["containers"]
    script = container["args"][0].replace("TRIES = 15", f"TRIES = {tries}")
    assert container["command"] == ["python", "-c"]
    command = [sys.executable, "-I", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGING)


def test_the_test_knows_whether_clients_need_a_certificate() -> None:
    for values, clients in ((ENFORCE, "any"), (VARIANTS["clients"], "known")):
        (pod,) = (each for each in charts.objects(values, tests=True) if each["kind"] == "Pod")
        assert pod["spec"]["containers"][0]["args"][-1] == clients


def test_the_pod_of_the_test_asks_the_service_and_has_only_the_authority() -> None:
    (pod,) = (each for each in charts.objects(ENFORCE, tests=True) if each["kind"] == "Pod")
    (container,) = pod["spec"]["containers"]
    assert container["args"][1:] == [
        "gatewright.gatewright-system.svc",
        "443",
        "/etc/gatewright/authority/ca.crt",
        "any",
    ]
    (volume,) = pod["spec"]["volumes"]
    assert volume["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    selector = charts.one(ENFORCE, "Service")["spec"]["selector"]
    assert not selector.items() <= pod["metadata"]["labels"].items()  # the Service does not lead to it


def test_the_test_passes_where_reviews_are_answered(tmp_path: Path) -> None:
    authority, stranger = Authority("gatewright"), Authority("stranger")
    paths = {name: tmp_path / name for name in ("tls.crt", "tls.key", "ca.crt", "stranger.crt")}
    certificate, key = authority.pair()
    contents = (certificate, key, authority.pem, stranger.pem)
    for path, content in zip(paths.values(), contents, strict=True):
        path.write_bytes(content)
    files = ("--tls-cert", str(paths["tls.crt"]), "--tls-key", str(paths["tls.key"]))
    for clients, said in (("any", "a review was answered"), ("known", "a client without a certificate is refused")):
        flags = ("--client-ca", str(paths["ca.crt"])) if clients == "known" else ()
        server = launch("--policies", str(ROOT / "policies"), *files, *flags)
        try:
            where = ("localhost", str(server.port))
            passed = ask(*where, str(paths["ca.crt"]), clients)
            assert passed.returncode == 0, passed.stderr
            assert said in passed.stdout
            other = ask(*where, str(paths["ca.crt"]), "any" if clients == "known" else "known")
            assert other.returncode == 1, other.stdout
            refused = ask(*where, str(paths["stranger.crt"]), clients)
            assert refused.returncode == 1
            assert "certificate verify failed" in refused.stderr
        finally:
            end(server)
    silent = ask("localhost", str(server.port), str(paths["ca.crt"]), "any", tries=2)
    assert (silent.returncode, silent.stderr.count("refused")) == (1, 2)


# Documentation.


def test_the_table_of_values_is_that_of_the_schema() -> None:
    assert chartreference.page() == chartreference.PAGE.read_text(), "run `make docs`"
    assert chartreference.schema() == chartreference.SCHEMA_FILE.read_text(), "run `make docs`"


GUIDE = (ROOT / "docs/operations/helm.md").read_text()


def test_the_guide_names_values_that_there_are() -> None:
    known = charts.leaves().keys()
    named = re.findall(r"--set(?:-file)? ([\w.]+)=", GUIDE)
    named += re.findall(
        r"`((?:policies|certificates|clients|autoscaling|spread|networkPolicy|image)\.[\w.]+)(?:`|: )", GUIDE
    )
    assert len(set(named)) > 15
    assert set(named) <= known


def test_helm_knows_the_commands_of_the_guide(tmp_path: Path) -> None:
    commands = re.findall(r"^helm ((?:.*\\\n)*.*)$", GUIDE, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        verb, *words = command.replace("\\\n", " ").split()
        known = set(re.findall(r"(--[a-z-]+)", charts.helm(verb, "--help", home=tmp_path).stdout))
        assert {word for word in words if word.startswith("--")} <= known, command


def test_the_schema_is_json_with_a_description_of_each_value() -> None:
    assert json.loads((CHART / "values.schema.json").read_text())["additionalProperties"] is False
    for path, each in charts.leaves().items():
        if not path.startswith("settings."):
            assert each["description"].endswith((".", ":")), path


def test_the_right_to_record_events_comes_with_their_setting() -> None:
    def rules(settings: dict[str, object]) -> list[object]:
        found = charts.objects({"settings": settings})
        return [each["rules"] for each in found if each["metadata"]["name"].endswith("-events") and "rules" in each]

    assert rules({}) == rules({"events": False}) == []
    role, _ = yaml.safe_load_all((ROOT / "manifests" / "components" / "events" / "rbac.yaml").read_text())
    assert rules({"events": True}) == rules({"events": "true"}) == [role["rules"]]
