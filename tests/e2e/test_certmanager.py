"""cert-manager, really: its controllers issue, renew and inject what manifests/components/cert-manager asks for.

The API server calls the server through the Service, by the name in the certificate, with the authority that the CA
injector wrote. Each incident runs beside requests of users, none of which may fail or get a wrong verdict.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.amounts import amount
from tests.e2e.controlplane import ControlPlane
from tests.e2e.issuing import CERTIFICATES, NAMESPACE, Mounted, certmanager
from tests.e2e.objects import pod
from tests.e2e.traffic import Traffic
from tests.e2e.webhooks import KINDS, MANIFESTS, POLICIES, rendered
from tests.server.running import Running, announced, end, launch, wait_for
from tests.timing import HANGING

PODS = "/api/v1/namespaces/default/pods?dryRun=All"
REGISTRATION = "/apis/admissionregistration.k8s.io/v1"
CONFIGURATIONS = tuple(f"{REGISTRATION}/{kind.lower()}s/gatewright" for kind in KINDS)
MERGE = "application/merge-patch+json"
REMOVALS = amount(30, 3)
JSON_PATCH = "application/json-patch+json"
SECONDS = 60.0  # within which cert-manager does a thing, on a machine with much else to do


class Installed:
    """manifests/overlays/enforcing on a cluster with cert-manager, and the server that it describes."""

    def __init__(self, cluster: ControlPlane, server: Running, mounted: Mounted, log: Path) -> None:
        self.cluster, self.server, self.mounted, self.log = cluster, server, mounted, log
        self.client = cluster.client()

    def leaf(self) -> x509.Certificate:
        """The certificate in the Secret."""
        secret = self.client.get(f"{NAMESPACE}/secrets/gatewright-tls").body
        return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))

    def authority(self) -> bytes:
        """The authority's certificate as PEM, in the Secret of the server's certificate."""
        secret = self.client.get(f"{NAMESPACE}/secrets/gatewright-tls").body
        return base64.b64decode(secret["data"]["ca.crt"])

    def bundles(self) -> list[list[x509.Certificate]]:
        """The authorities in each webhook's caBundle."""
        webhooks = [each for path in CONFIGURATIONS for each in self.client.get(path).body["webhooks"]]
        bundles = [base64.b64decode(each["clientConfig"].get("caBundle", "")) for each in webhooks]
        return [x509.load_pem_x509_certificates(each) if each else [] for each in bundles]

    def injected(self, authority: bytes) -> bool:
        certificate = x509.load_pem_x509_certificate(authority)
        return all(certificate in bundle for bundle in self.bundles())

    def served(self) -> x509.Certificate:
        """The certificate that the server shows to a new connection."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.server.port), timeout=HANGING) as plain,
            context.wrap_socket(plain) as connection,
        ):
            shown = connection.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown)

    def reissue(self, name: str) -> None:
        """As `cmctl renew` does."""
        path = f"{CERTIFICATES}/{name}"
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        issuing = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "lastTransitionTime": now}
        for _ in range(10):
            certificate = self.client.get(path).body
            kept = [each for each in certificate["status"]["conditions"] if each["type"] != "Issuing"]
            certificate["status"]["conditions"] = [*kept, issuing]
            reply = self.client.request("PUT", f"{path}/status", certificate)
            if reply.status != 409:
                break
        assert reply.ok, reply.message

    def in_step(self, before: x509.Certificate) -> None:
        """Wait until a newer certificate than `before` is issued, served, and its authority injected."""
        issued = wait_for(lambda: self._newer(before), SECONDS)
        wait_for(lambda: self.served() == issued or self._newer(issued), SECONDS)
        wait_for(lambda: self.injected(self.authority()), SECONDS)

    def _newer(self, before: x509.Certificate) -> x509.Certificate | None:
        reply = self.client.get(f"{NAMESPACE}/secrets/gatewright-tls")
        if not reply.ok or not reply.body.get("data", {}).get("tls.crt"):
            return None
        leaf = x509.load_pem_x509_certificate(base64.b64decode(reply.body["data"]["tls.crt"]))
        return leaf if leaf.serial_number != before.serial_number else None

    @contextlib.contextmanager
    def under_traffic(self) -> Iterator[Traffic]:
        """Users' requests during the block; afterwards each must have had its right answer."""
        traffic = Traffic(self.cluster)
        traffic.start()
        try:
            yield traffic
        finally:
            traffic.stop()
        assert traffic.wrong == [], traffic.wrong[:3]
        assert traffic.answered > 5


@pytest.fixture(scope="module")
def installed(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The manifests applied, whole; the certificate issued and mounted, the server started with it."""
    folder = tmp_path_factory.mktemp("volumes")
    with certmanager(cluster) as log, contextlib.ExitStack() as stack:
        objects = rendered(cluster, "overlays/enforcing")
        kinds = {"Namespace", "ServiceAccount", "Issuer", "Certificate", "ConfigMap"}
        for each in objects:  # the namespace comes first
            if each["kind"] in kinds:
                cluster.apply(each)
        mounted = Mounted(cluster.client_of(cluster.tokens["admin"]), folder / "tls")
        mounted.start()
        stack.callback(mounted.stop)
        wait_for(lambda: mounted.updates, SECONDS)
        configuration = cluster.kubeconfig("gatewright", cluster.tokens["admin"])
        files = ("--tls-cert", str(mounted.folder / "tls.crt"), "--tls-key", str(mounted.folder / "tls.key"))
        looks_up = ("--cluster", "kubeconfig", "--kubeconfig", str(configuration))
        compares = ("--webhook-configuration", "gatewright")
        server = launch("--policies", str(POLICIES), *files, *looks_up, *compares, wait=False)
        stack.callback(end, server)
        announced(server, development=False)
        # Nothing routes a ClusterIP here: the Service is a name for loopback, and the port is the server's.
        service = next(each for each in objects if each["kind"] == "Service")
        service["spec"] = {"type": "ExternalName", "externalName": "localhost"}
        registrations = [each for each in objects if each["kind"] in KINDS]
        for registration in registrations:
            for webhook in registration["webhooks"]:
                webhook["clientConfig"]["service"]["port"] = server.port
        cluster.apply(service, *registrations)
        yield Installed(cluster, server, mounted, log)


def test_reviews_are_served_with_what_was_issued_and_injected(installed: Installed) -> None:
    leaf = installed.leaf()
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 90
    wait_for(lambda: installed.injected(installed.authority()), SECONDS)
    assert installed.served() == leaf
    wait_for(lambda: installed.client.post(PODS, pod("bad", host_path=True)).status == 403, SECONDS)
    with installed.under_traffic() as traffic:
        traffic.wait_for(20)


def test_the_server_knows_that_its_certificate_is_trusted(installed: Installed) -> None:
    def metric() -> list[str]:
        text = installed.server.get("/metrics").body.decode()
        return [line for line in text.splitlines() if line.startswith("gatewright_webhook_trusts_certificate{")]

    wait_for(lambda: len(metric()) == 2, SECONDS)
    assert all(line.endswith(" 1.0") for line in metric())
    wait_for(lambda: installed.server.get("/readyz").body == b"ok\n", SECONDS)


def test_a_renewal_has_a_new_key_and_fails_no_request(installed: Installed) -> None:
    before = installed.leaf()
    with installed.under_traffic():
        installed.reissue("gatewright")
        installed.in_step(before)
    assert installed.leaf().public_key() != before.public_key()


def test_certificates_that_live_for_seconds_are_renewed_in_time(installed: Installed) -> None:
    lifetime = {"spec": {"duration": "40s", "renewBefore": "20s"}}
    usual = {"spec": {"duration": "2160h", "renewBefore": "720h"}}
    path = f"{CERTIFICATES}/gatewright"
    with installed.under_traffic():
        before = installed.leaf()
        assert installed.client.request("PATCH", path, lifetime, MERGE).ok
        for _ in range(3):
            installed.in_step(before)
            before = installed.leaf()
        assert (before.not_valid_after_utc - before.not_valid_before_utc).seconds < 3600
        assert installed.client.request("PATCH", path, usual, MERGE).ok
        installed.in_step(before)


def test_the_authority_is_renewed_and_fails_no_request(installed: Installed) -> None:
    before = installed.leaf()
    authority = installed.authority()
    with installed.under_traffic():
        installed.reissue("gatewright-ca")
        secret = f"{NAMESPACE}/secrets/gatewright-ca"
        wait_for(lambda: base64.b64decode(installed.client.get(secret).body["data"]["tls.crt"]) != authority, SECONDS)
        installed.reissue("gatewright")
        installed.in_step(before)
    assert installed.authority() != authority


def test_a_deleted_certificate_is_issued_anew_and_fails_no_request(installed: Installed) -> None:
    before = installed.leaf()
    with installed.under_traffic():
        assert installed.client.request("DELETE", f"{NAMESPACE}/secrets/gatewright-tls").ok
        installed.in_step(before)


def test_a_lost_authority_stays_trusted_until_the_certificate_is_issued_anew(installed: Installed) -> None:
    """Deleting the authority's Secret makes a new one. The server's certificate stays, and the old one is trusted."""
    before, authority = installed.leaf(), installed.authority()
    path = f"{NAMESPACE}/secrets/gatewright-ca"
    with installed.under_traffic():
        assert installed.client.request("DELETE", path).ok

        def remade() -> bool:
            reply = installed.client.get(path)
            return reply.ok and base64.b64decode(reply.body["data"]["tls.crt"]) != authority

        wait_for(remade, SECONDS)
        time.sleep(2)
        assert installed.leaf() == before  # nothing issues it anew by itself
        installed.reissue("gatewright")
        installed.in_step(before)
    assert installed.authority() != authority
    assert installed.injected(authority)  # merged, not replaced
    assert installed.injected(installed.authority())


def test_a_leaked_authority_is_taken_out_and_fails_no_request(installed: Installed) -> None:
    """With the commands of docs/operations/upgrade.md."""
    assert max(map(len, installed.bundles())) > 1
    page = (MANIFESTS.parent / "docs" / "operations" / "upgrade.md").read_text()
    (commands,) = [each for each in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) if "authority=" in each]
    cluster = installed.cluster
    path = f"{cluster.assets}:{os.environ.get('PATH', '')}"
    configuration = str(cluster.kubeconfig("hand", cluster.tokens["admin"]))
    environment = {"KUBECONFIG": configuration, "HOME": str(cluster.folder), "PATH": path}
    with installed.under_traffic() as traffic:
        subprocess.run(["sh", "-euc", commands], check=True, timeout=60, env=environment, capture_output=True)
        traffic.wait_for(traffic.answered + 20)
    today = [x509.load_pem_x509_certificate(installed.authority())]
    assert installed.bundles() == [today] * len(installed.bundles())


def test_a_bundle_that_is_removed_by_hand_is_injected_again(installed: Installed) -> None:
    """Until then the API server refuses: it trusts nobody. It lets nothing pass that a policy refuses."""
    today = [x509.load_pem_x509_certificate(installed.authority())]
    traffic = Traffic(installed.cluster)
    traffic.start()
    try:
        for _ in range(REMOVALS):
            answered, began = traffic.answered, time.monotonic()
            for path in CONFIGURATIONS:
                webhooks = installed.client.get(path).body["webhooks"]
                removed = [
                    {"op": "remove", "path": f"/webhooks/{i}/clientConfig/caBundle"} for i in range(len(webhooks))
                ]
                assert installed.client.request("PATCH", path, removed, JSON_PATCH).ok
            wait_for(lambda: all(bundle == today for bundle in installed.bundles()), SECONDS)
            print(f"injected again after {time.monotonic() - began:.2f} s")
            traffic.wait_for(answered + 10)
    finally:
        traffic.stop()
    assert all(" 500 " in each and "certificate signed by unknown authority" in each for each in traffic.wrong)
    with installed.under_traffic() as traffic:
        traffic.wait_for(20)
