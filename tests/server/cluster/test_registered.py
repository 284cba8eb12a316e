"""Whether the registered caBundles trust the certificate that is served."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import Configuration

from tests.cluster.apiserver import Exchange, playing
from tests.policy.trees import binding, loaded, policy
from tests.server.authorities import Authority
from webhook.cluster.connection import Connection
from webhook.cluster.manifestsview import ManifestsView
from webhook.library.listing import listing
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.server.cluster.registered import Comparison, faults, refusal
from webhook.server.port import tls
from webhook.server.state import InForce, State
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics

OURS, OTHERS = Authority("ours"), Authority("others")


def encoded(*authorities: Authority) -> str:
    return base64.b64encode(b"".join(each.pem for each in authorities)).decode()


def served(folder: Path, client_ca: bytes | None = None) -> ssl.SSLContext:
    certificate, key = folder / "tls.crt", folder / "tls.key"
    for path, content in zip((certificate, key), OURS.pair(), strict=True):
        path.write_bytes(content)
    return tls.context(tls.read_pair(certificate, key), client_ca)


def configuration(*bundles: str, url: str = "https://localhost:8443/validate") -> dict[str, Any]:
    return {
        "webhooks": [
            {"name": f"{index}.example.com", "clientConfig": {"url": url, "caBundle": bundle}}
            for index, bundle in enumerate(bundles)
        ]
    }


@pytest.mark.parametrize("bundle", [encoded(OURS), encoded(OTHERS, OURS)])
def test_a_bundle_with_the_authority_trusts(tmp_path: Path, bundle: str) -> None:
    assert refusal(served(tmp_path), bundle, "localhost") is None
    assert refusal(served(tmp_path, OTHERS.pem), bundle, "127.0.0.1") is None  # clients need a certificate


@pytest.mark.parametrize(
    ("bundle", "name", "reason"),
    [
        (encoded(OTHERS), "localhost", "not trusted by its caBundle for localhost: unable to get local issuer"),
        ("", "localhost", "not trusted by an empty caBundle for localhost: unable to get local issuer"),
        (
            encoded(OURS),
            "gatewright.other.svc",
            "Hostname mismatch, certificate is not valid for 'gatewright.other.svc'",
        ),
        ("!", "localhost", "its caBundle is not PEM in base64"),
        (base64.b64encode(b"nothing").decode(), "localhost", "its caBundle is not PEM in base64"),
        (base64.b64encode(b"\xff").decode(), "localhost", "its caBundle is not PEM in base64"),
    ],
)
def test_another_bundle_or_name_does_not(tmp_path: Path, bundle: str, name: str, reason: str) -> None:
    assert reason in (refusal(served(tmp_path), bundle, name) or "")


def test_a_service_is_called_by_its_name_in_the_cluster(tmp_path: Path) -> None:
    service = {"service": {"name": "web", "namespace": "here", "path": "/validate"}, "caBundle": encoded(OURS)}
    (fault,) = faults("some", {"webhooks": [{"name": "w", "clientConfig": service}]}, served(tmp_path))
    assert "web.here.svc" in fault.reason


class Compared:
    """A comparison with a scripted API server, and what it reports."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        kinds = Kinds.builtin()
        self.log = Log()
        self.metrics = Metrics(kinds, {"stdout": self.log})
        self.state = State(InForce(PolicySet(), ManifestsView((), kinds)))
        self._context = served(folder)
        self._capfd = capfd

    def with_answers(self, **answers: Any) -> str:
        """What is logged when the API server answers so: an object, or a status. The rest is not found."""

        def answer(exchange: Exchange) -> None:
            resource, _, name = exchange.path.rpartition("/")
            assert name == "gatewright"
            found = answers.get(resource.rpartition("/")[2], 404)
            if isinstance(found, int):
                exchange.refuse(found)
            else:
                exchange.json(found)

        with playing(answer) as (host, _):
            client = Configuration(host=host)
            comparison = Comparison("gatewright", client, lambda: self._context, self.state, self.metrics, self.log)
            connection = Connection(client, 1)
            for _ in range(2):  # what does not change is logged once
                asyncio.run(comparison.compare(connection))
            connection.close()
        assert self.log.flush(10)
        return self._capfd.readouterr().out

    def trusted(self) -> dict[str, float]:
        family = next(
            each for each in self.metrics.registry.collect() if each.name == "gatewright_webhook_trusts_certificate"
        )
        return {sample.labels["resource"].partition("web")[0]: sample.value for sample in family.samples}


@pytest.fixture
def compared(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Compared:
    return Compared(tmp_path, capfd)


def test_what_is_trusted_is_a_metric_and_no_notice(compared: Compared) -> None:
    assert compared.with_answers(validatingwebhookconfigurations=configuration(encoded(OURS))) == ""
    assert compared.trusted() == {"validating": 1}
    assert compared.state.notice is None


def test_each_webhook_that_does_not_trust_is_named_once(compared: Compared) -> None:
    logged = compared.with_answers(
        validatingwebhookconfigurations=configuration(encoded(OURS), encoded(OTHERS)),
        mutatingwebhookconfigurations=configuration(encoded(OURS)),
    )
    assert compared.trusted() == {"validating": 0, "mutating": 1}
    assert (compared.state.notice or "").startswith("validatingwebhookconfigurations: 1.example.com: the served")
    assert logged.count('"event":"registration"') == 1


def test_what_cannot_be_read_is_said_and_not_known(compared: Compared) -> None:
    compared.with_answers(validatingwebhookconfigurations=configuration(encoded(OURS)))
    compared.with_answers(validatingwebhookconfigurations=403, mutatingwebhookconfigurations=configuration())
    assert compared.state.notice == "validatingwebhookconfigurations: gatewright cannot be read: 403: no"
    assert compared.trusted() == {"mutating": 1}
    compared.with_answers()
    assert compared.state.notice == "no webhook configuration is named gatewright: the API server sends no reviews"


def test_an_api_server_that_is_gone_is_said(compared: Compared) -> None:
    client = Configuration(host="http://127.0.0.1:1")
    comparison = Comparison("gatewright", client, lambda: compared._context, compared.state, compared.metrics, Log())
    connection = Connection(client, 1)
    messages = asyncio.run(comparison.compare(connection))
    connection.close()
    assert len(messages) == 2
    assert all("gatewright cannot be read: " in message for message in messages)


def with_rules(*resources: str) -> dict[str, Any]:
    """A configuration that trusts, and sends the creation of these resources."""
    found = configuration(encoded(OURS), url="https://localhost:8443/validate/fail")
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": list(resources)}
    found["webhooks"][0]["rules"] = [rule]
    return found


def not_sent(compared: Compared) -> dict[str, float]:
    family = next(each for each in compared.metrics.registry.collect() if each.name == "gatewright_policies_not_sent")
    return {sample.labels["resource"].partition("web")[0]: sample.value for sample in family.samples}


def in_force(compared: Compared, *objects: dict[str, Any]) -> None:
    compared.state.in_force = InForce(loaded(*objects), ManifestsView((), Kinds.builtin()))


CREATED = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
PODS_ONLY = (policy("pods", rules=[{**CREATED, "resources": ["pods"]}]), binding("pods", name="pods"))
SERVICES = (policy("services", rules=[{**CREATED, "resources": ["services"]}]), binding("services", name="services"))


def test_a_policy_that_no_webhook_asks_is_said(compared: Compared) -> None:
    in_force(compared, *PODS_ONLY)
    sent = with_rules("pods")
    compared.with_answers(validatingwebhookconfigurations=sent)
    assert (not_sent(compared), compared.state.not_sent) == ({"validating": 0, "mutating": 0}, {})
    in_force(compared, *PODS_ONLY, *SERVICES)  # another tree
    logged = compared.with_answers(validatingwebhookconfigurations=sent)
    text = "no webhook sends what ValidatingAdmissionPolicy 'services' needs: CREATE of v1/services"
    assert compared.state.notice == f"validatingwebhookconfigurations: {text}"
    assert logged.count('"event":"registration"') == 1 and text in logged
    assert not_sent(compared) == {"validating": 1, "mutating": 0}
    assert compared.state.not_sent == {"ValidatingAdmissionPolicy/services": "CREATE of v1/services"}
    shown = listing(compared.state.in_force.policies, {}, compared.state.not_sent)["policies"]
    assert {each["name"]: each["notSent"] for each in shown} == {"pods": None, "services": "CREATE of v1/services"}
    assert compared.trusted() == {"validating": 1}
    compared.with_answers(validatingwebhookconfigurations=with_rules("pods", "services"))
    assert not compared.state.notice and not compared.state.not_sent


def test_without_any_registration_no_policy_is_asked(compared: Compared) -> None:
    in_force(compared, *PODS_ONLY, *SERVICES)
    compared.with_answers()
    assert compared.state.notice == "no webhook configuration is named gatewright: the API server sends no reviews"
    assert not_sent(compared) == {"validating": 2, "mutating": 0}
    compared.with_answers(validatingwebhookconfigurations=403)
    assert not_sent(compared) == {"mutating": 0}  # not known


def test_readiness_shows_a_few(compared: Compared) -> None:
    many = [
        each
        for number in range(9)
        for each in (
            policy(f"p{number}", rules=[{**CREATED, "resources": ["secrets"]}]),
            binding(f"p{number}", name=f"p{number}"),
        )
    ]
    in_force(compared, *many)
    compared.with_answers(validatingwebhookconfigurations=with_rules("pods"))
    assert (compared.state.notice or "").endswith("; and 4 more")
    assert len(compared.state.not_sent) == 9
