"""The manifests, rendered: what an operator relies on, overlay by overlay."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.running import gatewright
from tests.manifests import kustomize
from tests.manifests.kustomize import BASE, OVERLAYS, ROOT
from tests.timing import HANGING
from webhook.cluster import permissions
from webhook.policy.load.loading import load
from webhook.policy.needed import lookups_of
from webhook.server.cluster.registered import RESOURCES
from webhook.server.settings import Settings, resolve

ENFORCING, WARN_ONLY, DEVELOPMENT = OVERLAYS
SELF_MANAGED = "overlays/self-managed"
NAMESPACE = "gatewright-system"
CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
CLUSTER_SCOPED = {"Namespace", "ClusterRole", "ClusterRoleBinding", *CONFIGURATIONS}
WEBHOOK_TIMEOUT = 5  # seconds

everywhere = pytest.mark.parametrize("folder", (BASE, *OVERLAYS))


def settings(folder: str) -> Settings:
    """What the server makes of the container's environment, as it reads it at start."""
    return resolve({}, kustomize.environment(folder))


def seconds(duration: str) -> float:
    assert duration.endswith("h")
    return timedelta(hours=int(duration[:-1])).total_seconds()


@everywhere
def test_everything_is_in_the_one_namespace(folder: str) -> None:
    namespaced = [each for each in kustomize.objects(folder) if each["kind"] not in CLUSTER_SCOPED]
    assert {each["metadata"].get("namespace") for each in namespaced} == {NAMESPACE}
    assert kustomize.one(folder, "Namespace", NAMESPACE)


@everywhere
def test_the_namespace_takes_only_restricted_pods(folder: str) -> None:
    labels = kustomize.one(folder, "Namespace", NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@everywhere
def test_the_pod_has_no_privilege(folder: str) -> None:
    pod, container = kustomize.pod(folder), kustomize.container(folder)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} <= {"configMap", "secret", "emptyDir"}


@everywhere
def test_only_the_folder_for_passing_keys_to_openssl_is_writable_and_it_is_memory(folder: str) -> None:
    writable = [mount for mount in kustomize.container(folder)["volumeMounts"] if not mount.get("readOnly")]
    assert writable == [{"name": "tmp", "mountPath": "/tmp"}]
    (tmp,) = (volume for volume in kustomize.pod(folder)["volumes"] if volume["name"] == "tmp")
    assert tmp["emptyDir"]["medium"] == "Memory"
    assert tmp["emptyDir"]["sizeLimit"]


@everywhere
def test_its_rights_are_exactly_what_the_shipped_policies_look_up_and_its_own_registration(folder: str) -> None:
    roles = [each for each in kustomize.objects(folder) if "Role" in each["kind"]]
    for each in roles:
        del each["metadata"]["labels"]  # that kustomize gives to everything
    of_policies = permissions.manifests(lookups_of(load(ROOT / "policies")))
    others = [each for each in roles if each not in of_policies]
    (registration,) = (each for each in others if each["kind"] == "ClusterRole")
    (binding,) = (each for each in others if each["kind"] == "ClusterRoleBinding")
    assert registration["rules"] == [
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": list(RESOURCES),
            "verbs": ["get"],
            "resourceNames": [settings(folder).webhook_configuration],
        }
    ]
    names = {each["metadata"]["name"] for each in kustomize.objects(folder) if each["kind"] in CONFIGURATIONS}
    assert names == {settings(folder).webhook_configuration}
    assert binding["roleRef"]["name"] == registration["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "gatewright", "namespace": NAMESPACE}]
    assert others == [registration, binding]
    assert len(roles) == len(others) + len(of_policies)  # in the order of kustomize


@everywhere
def test_only_the_pods_have_the_token(folder: str) -> None:
    assert kustomize.one(folder, "ServiceAccount")["automountServiceAccountToken"] is False
    assert kustomize.pod(folder)["automountServiceAccountToken"] is True
    assert kustomize.pod(folder)["serviceAccountName"] == "gatewright"


@everywhere
def test_no_secret_is_in_the_manifests(folder: str) -> None:
    assert "Secret" not in kustomize.kinds(folder)


@everywhere
def test_the_server_accepts_its_settings(folder: str) -> None:
    known = settings(folder)
    assert (known.port, known.plain_port, known.host) == (10250, 8080, "0.0.0.0")
    mounts = {mount["name"]: Path(mount["mountPath"]) for mount in kustomize.container(folder)["volumeMounts"]}
    assert known.policies == (str(mounts["policies"]),)
    if folder == DEVELOPMENT:
        assert (known.tls_cert, known.tls_name) == (None, (f"gatewright.{NAMESPACE}.svc",))
    else:
        assert known.tls_cert == mounts["tls"] / "tls.crt"
        assert known.tls_key == mounts["tls"] / "tls.key"
    assert kustomize.pod(folder)["enableServiceLinks"] is False


@everywhere
def test_no_volume_is_mounted_by_subpath(folder: str) -> None:
    """A file that is mounted by subPath never changes: certificates would not be renewed."""
    assert not [mount for mount in kustomize.container(folder)["volumeMounts"] if "subPath" in mount]


@everywhere
def test_the_service_leads_from_443_to_the_port_for_reviews(folder: str) -> None:
    service = kustomize.one(folder, "Service")["spec"]
    (port,) = service["ports"]
    (target,) = (each for each in kustomize.container(folder)["ports"] if each["name"] == port["targetPort"])
    assert (port["port"], target["containerPort"], port["appProtocol"]) == (443, settings(folder).port, "https")
    labels = kustomize.one(folder, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()


@everywhere
def test_every_selector_selects_the_pods(folder: str) -> None:
    deployment = kustomize.one(folder, "Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    selectors = [
        deployment["selector"],
        kustomize.one(folder, "NetworkPolicy")["spec"]["podSelector"],
        *(each["labelSelector"] for each in kustomize.pod(folder)["topologySpreadConstraints"]),
    ]
    if folder != DEVELOPMENT:
        selectors.append(kustomize.one(folder, "PodDisruptionBudget")["spec"]["selector"])
    for selector in selectors:
        assert selector.keys() == {"matchLabels"}
        assert selector["matchLabels"].items() <= labels.items()


@everywhere
def test_the_network_lets_api_servers_in_and_monitoring_to_the_plain_port(folder: str) -> None:
    policy = kustomize.one(folder, "NetworkPolicy")["spec"]
    ports = {each["name"] for each in kustomize.container(folder)["ports"]}
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    assert policy["egress"] == [{"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]}]
    reviews, plain = policy["ingress"]
    assert reviews == {"ports": [{"port": "reviews", "protocol": "TCP"}]}
    assert plain["ports"] == [{"port": "plain", "protocol": "TCP"}]
    assert plain["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert ports == {"reviews", "plain"}


@everywhere
def test_the_probes_ask_the_plain_port(folder: str) -> None:
    container = kustomize.container(folder)
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert asked == {
        "startupProbe": {"port": "plain", "path": "/healthz"},
        "readinessProbe": {"port": "plain", "path": "/readyz"},
        "livenessProbe": {"port": "plain", "path": "/healthz"},
    }


@everywhere
def test_stopping_takes_no_longer_than_the_kubelet_waits(folder: str) -> None:
    known = settings(folder)
    shutdown = known.shutdown_delay + known.shutdown_idle + known.shutdown_timeout
    assert kustomize.pod(folder)["terminationGracePeriodSeconds"] >= shutdown + 5
    assert known.shutdown_timeout > WEBHOOK_TIMEOUT


@pytest.mark.parametrize("folder", [BASE, ENFORCING, WARN_ONLY])
def test_a_rollout_leaves_no_gap(folder: str) -> None:
    deployment = kustomize.one(folder, "Deployment")["spec"]
    readiness = kustomize.container(folder)["readinessProbe"]
    assert deployment["replicas"] == 2
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert kustomize.one(folder, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    # A Pod that stops still answers when every endpoint has been told that it is no longer ready.
    assert settings(folder).shutdown_delay > readiness["periodSeconds"] * readiness["failureThreshold"]


@everywhere
def test_nothing_pushes_the_pods_aside(folder: str) -> None:
    priority = kustomize.pod(folder)["priorityClassName"]
    assert priority == "system-cluster-critical"
    (scope,) = kustomize.one(folder, "ResourceQuota")["spec"]["scopeSelector"]["matchExpressions"]
    assert (scope["scopeName"], scope["operator"], scope["values"]) == ("PriorityClass", "In", [priority])


@everywhere
def test_the_cpu_is_not_throttled_and_the_memory_is_bounded(folder: str) -> None:
    resources = kustomize.container(folder)["resources"]
    assert resources["limits"].keys() == {"memory"}
    assert resources["requests"].keys() == {"cpu", "memory"}


@everywhere
def test_a_changed_policy_changes_the_name_of_its_configmap(folder: str) -> None:
    """So that its Pods are replaced; that the Deployment names what is there is `policies`' own check."""
    assert kustomize.policies(folder)
    name = kustomize.one(folder, "ConfigMap", "gatewright-policies")["metadata"]["name"]
    assert name.removeprefix("gatewright-policies-").isalnum()


def test_warn_only_has_other_policies_than_enforcing() -> None:
    def name(folder: str) -> str:
        found: str = kustomize.one(folder, "ConfigMap", "gatewright-policies")["metadata"]["name"]
        return found

    assert name(WARN_ONLY) != name(ENFORCING) == name(DEVELOPMENT)


@pytest.mark.parametrize("folder", [ENFORCING, WARN_ONLY])
def test_certificates_name_the_service_and_are_renewed_in_time(folder: str) -> None:
    server = kustomize.one(folder, "Certificate")["spec"]
    service = kustomize.one(folder, "Service")["metadata"]
    (secret,) = (volume["secret"] for volume in kustomize.pod(folder)["volumes"] if volume["name"] == "tls")
    assert f"{service['name']}.{service['namespace']}.svc" in server["dnsNames"]
    assert server["secretName"] == secret["secretName"]
    assert "server auth" in server["usages"]
    assert server["privateKey"]["rotationPolicy"] == "Always"
    assert seconds(server["renewBefore"]) * 2 <= seconds(server["duration"])


@pytest.mark.parametrize("folder", [ENFORCING, WARN_ONLY])
def test_the_authority_signs_itself_and_outlives_what_it_signs(folder: str) -> None:
    server, authority = (kustomize.one(folder, "Certificate", name)["spec"] for name in ("gatewright", "gatewright-ca"))
    issuer, root = (kustomize.one(folder, "Issuer", each["issuerRef"]["name"])["spec"] for each in (server, authority))
    assert authority["isCA"] is True
    assert issuer == {"ca": {"secretName": authority["secretName"]}}
    assert root == {"selfSigned": {}}
    assert authority["privateKey"]["rotationPolicy"] == "Never"  # what it has signed stays valid when it is renewed
    assert seconds(authority["renewBefore"]) > seconds(server["duration"])


@pytest.mark.parametrize("folder", [ENFORCING, WARN_ONLY])
def test_the_authority_is_put_into_every_configuration(folder: str) -> None:
    certificate = kustomize.one(folder, "Certificate")["metadata"]
    configurations = [each for each in kustomize.objects(folder) if each["kind"].endswith("WebhookConfiguration")]
    assert len(configurations) == (2 if folder == ENFORCING else 1)
    for each in configurations:
        source = each["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
        assert source == f"{certificate['namespace']}/{certificate['name']}"


def test_clients_may_be_asked_for_a_certificate(tmp_path: Path) -> None:
    text = kustomize.text_with(ENFORCING, "components/client-ca", tmp_path)
    (deployment,) = (each for each in yaml.safe_load_all(text) if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    variables = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    assert variables.items() > kustomize.environment(ENFORCING).items()
    (mount,) = (each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "client-ca")
    (secret,) = (each["secret"] for each in pod["volumes"] if each["name"] == "client-ca")
    assert variables["GATEWRIGHT_CLIENT_CA"] == f"{mount['mountPath']}/{secret['items'][0]['path']}"
    settings = resolve({}, variables)
    assert str(settings.client_ca) == variables["GATEWRIGHT_CLIENT_CA"]
    assert settings.client_name == ("gatewright-client",)


def test_with_an_api_server_of_ones_own_clients_are_asked_for_a_certificate_by_default() -> None:
    assert {"GATEWRIGHT_CLIENT_CA", "GATEWRIGHT_CLIENT_NAME"} <= kustomize.environment(SELF_MANAGED).keys()
    left_out = kustomize.environment(ENFORCING)
    assert left_out.items() < kustomize.environment(SELF_MANAGED).items()


def test_development_needs_no_cert_manager() -> None:
    assert "cert-manager.io" not in {each["apiVersion"].partition("/")[0] for each in kustomize.objects(DEVELOPMENT)}
    deployment = kustomize.one(DEVELOPMENT, "Deployment")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})  # one Pod, one certificate
    assert "tls" not in {volume["name"] for volume in kustomize.pod(DEVELOPMENT)["volumes"]}


@everywhere
def test_what_registers_can_be_left_for_later(folder: str) -> None:
    """The install guide applies everything else first, by this label."""
    registration = {
        each["kind"]
        for each in kustomize.objects(folder)
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "registration"
    }
    assert registration == {kind for kind in kustomize.kinds(folder) if kind.endswith("WebhookConfiguration")}


@everywhere
def test_our_own_policies_pass_them(folder: str) -> None:
    checked = gatewright("check", "--policies", ROOT / "policies", "-", cwd=ROOT, stdin=kustomize.text(folder))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.startswith("nothing denied")


def test_our_own_policies_would_find_something() -> None:
    """The check above can fail."""

    def spoiled(each: Any) -> Any:
        if each["kind"] == "Service":
            each["spec"]["ports"][0] |= {"appProtocol": "http"}
        return each

    text = yaml.safe_dump_all(map(spoiled, kustomize.objects(ENFORCING)))
    checked = gatewright("check", "--policies", ROOT / "policies", "-", cwd=ROOT, stdin=text)
    assert checked.returncode == 1
    assert "speaks http" in checked.stdout


def test_the_image_may_be_named_by_its_digest(tmp_path: Path) -> None:
    """The images of docs/operations/verify.md, in place of those of the overlay."""
    kustomize.text(ENFORCING)  # skips without a suitable kubectl
    for folder in ("manifests", "policies"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (images,) = re.findall(r"```yaml\n(images:\n.*?)```", (ROOT / "docs/operations/verify.md").read_text(), re.DOTALL)
    digest = "sha256:" + "0123456789abcdef" * 4
    file = tmp_path / "manifests" / ENFORCING / "kustomization.yaml"
    text = re.sub(r"^images:\n.*", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)
    file.write_text(text + images.replace("OWNER/REPOSITORY", "owner/gatewright").replace("sha256:…", digest))
    command = ["kubectl", "kustomize", str(file.parent)]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True, timeout=HANGING).stdout
    (deployment,) = (each for each in yaml.safe_load_all(rendered) if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"ghcr.io/owner/gatewright@{digest}"


def test_denials_may_be_recorded_as_events(tmp_path: Path) -> None:
    objects = list(yaml.safe_load_all(kustomize.text_with(ENFORCING, "components/events", tmp_path)))
    (deployment,) = (each for each in objects if each["kind"] == "Deployment")
    variables = {each["name"]: each["value"] for each in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert variables.items() > kustomize.environment(ENFORCING).items()
    assert resolve({}, variables).events
    (role,) = (
        each for each in objects if each["kind"] == "ClusterRole" and each["metadata"]["name"].endswith("-events")
    )
    (binding,) = (each for each in objects if each.get("roleRef", {}).get("name") == role["metadata"]["name"])
    assert role["rules"] == [{"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}]
    assert binding["subjects"][0]["name"] == deployment["spec"]["template"]["spec"]["serviceAccountName"]
