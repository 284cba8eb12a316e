"""Compares what is served with the registered webhooks: the certificate with their caBundles, the policies with their
rules.

The API server calls a webhook by the name of its Service and trusts the authorities in its caBundle. If these do not
vouch for the served certificate, every review fails in the API server, and this server never hears of it. So once a
minute it reads the webhook configurations that register it, and makes the handshake that the API server would make.
Nor does it hear of requests that no registered rule sends: after a reload, policies may need others than before.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from webhook.cluster.connection import APIError, Connection, Unreachable
from webhook.policy.policyset import PolicySet
from webhook.registration.sending import Needs, needs, unsent
from webhook.registration.webhooks import Phase

if TYPE_CHECKING:
    from kubernetes.client import Configuration

    from webhook.server.state import State
    from webhook.server.telemetry.logs import Log
    from webhook.server.telemetry.metrics import Metrics

EVERY: Final = 60.0
"""Seconds between two comparisons. After one that found fault or failed, a sixth of it."""

RESOURCES: Final = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")

_PHASES: Final[dict[str, Phase]] = dict(zip(RESOURCES, ("validate", "mutate"), strict=True))
_LOOK = 1.0  # seconds between two looks at which policies are in force
_SHOWN = 5  # messages that /readyz shows
_PATH = "/apis/admissionregistration.k8s.io/v1/"
_FLIGHTS = 8  # of a handshake; TLS 1.3 needs three


class Fault(Struct, frozen=True):
    """A webhook whose calls to this server fail."""

    resource: str  # one of RESOURCES
    webhook: str
    reason: str

    def __str__(self) -> str:
        return f"{self.resource}: {self.webhook}: {self.reason}"


def faults(resource: str, configuration: dict[str, Any], served: ssl.SSLContext) -> Iterator[Fault]:
    """The webhooks of a configuration whose clients do not trust the context `served`."""
    for webhook in configuration.get("webhooks") or ():
        client = webhook["clientConfig"]
        service = client.get("service")
        name = f"{service['name']}.{service['namespace']}.svc" if service else urlsplit(client.get("url", "")).hostname
        reason = refusal(served, client.get("caBundle") or "", name or "")
        if reason is not None:
            yield Fault(resource, webhook["name"], reason)


def refusal(served: ssl.SSLContext, bundle: str, name: str) -> str | None:
    """Why a client that calls `name` and trusts `bundle` (PEM in base64; empty: the system's authorities) does not
    trust the certificate of `served`. None if it does.
    """
    try:
        pem = base64.b64decode(bundle, validate=True).decode("ascii")
        trust = ssl.create_default_context(cadata=pem) if pem else ssl.create_default_context()
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError, ValueError):
        return "its caBundle is not PEM in base64"
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        client = trust.wrap_bio(here, there, server_hostname=name)
        server = served.wrap_bio(there, here, server_side=True)
        for _ in range(_FLIGHTS):
            if _flight(client):
                return None
            if _flight(server):
                _flight(client)
                return None
    except ssl.SSLCertVerificationError as error:
        where = "an empty caBundle" if not bundle else "its caBundle"
        return f"the served certificate is not trusted by {where} for {name}: {error.verify_message}"
    except (ssl.SSLError, ValueError):
        # What else may fail is not about trust: a client certificate that is demanded, for one.
        return None
    return None


def _flight(side: ssl.SSLObject) -> bool:
    """Go on with a handshake. Whether it is done. Raises ssl.SSLError."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


class Comparison:
    """The regular comparison of one server.

    name: of the webhook configurations. `served` gives the context that new connections get.
    """

    def __init__(
        self,
        name: str,
        configuration: Configuration,
        served: Callable[[], ssl.SSLContext],
        state: State,
        metrics: Metrics,
        log: Log,
    ) -> None:
        self._name = name
        self._configuration = configuration
        self._served = served
        self._state = state
        self._metrics = metrics
        self._log = log
        self._reported: tuple[str, ...] = ()
        self._needed: tuple[PolicySet, dict[str, Needs]] | None = None

    async def keep(self, every: float = EVERY) -> None:
        """Compare until cancelled, and at once when other policies are in force."""
        connection = Connection(self._configuration, 1)
        try:
            while True:
                policies = self._state.in_force.policies
                messages = await self.compare(connection)
                until = time.monotonic() + (every / 6 if messages else every)
                while time.monotonic() < until and self._state.in_force.policies is policies:
                    await asyncio.sleep(min(_LOOK, every))
        finally:
            connection.close()

    async def compare(self, connection: Connection) -> tuple[str, ...]:
        """Compare once. The faults, or why the configurations could not be read: set as the state's notice, logged
        when they change.
        """
        messages: list[str] = []
        unheard: list[str] = []
        not_sent: dict[str, str] = {}
        missing = 0
        needed = await asyncio.to_thread(self._needs)
        for resource in RESOURCES:
            path = f"{_PATH}{resource}/{self._name}"
            try:
                found = await asyncio.to_thread(partial(connection.get, path, timeout=10.0))
            except APIError as error:
                self._metrics.trusted(resource, None)
                if error.status != 404:
                    self._metrics.not_sent(resource, None)
                    messages.append(f"{resource}: {self._name} cannot be read: {error}")
                    continue
                missing += 1  # a tree without mutating policies has no such configuration
                found = {}
            except Unreachable as error:
                self._metrics.trusted(resource, None)
                self._metrics.not_sent(resource, None)
                messages.append(f"{resource}: {self._name} cannot be read: {error}")
                continue
            if found:
                wrong = list(faults(resource, found, self._served()))
                self._metrics.trusted(resource, not wrong)
                messages.extend(map(str, wrong))
            without = list(unsent(found.get("webhooks") or (), _PHASES[resource], needed[resource]))
            self._metrics.not_sent(resource, len(without))
            not_sent |= {f"{each.kind}/{each.name}": each.requests for each in without}
            unheard.extend(f"{resource}: {each}" for each in without)
        if missing == len(RESOURCES):
            messages.append(f"no webhook configuration is named {self._name}: the API server sends no reviews")
        else:
            messages += unheard
        now = tuple(messages)
        if now != self._reported:
            for message in now:
                self._log.write("error", "registration", {"message": message})
            if not now:
                message = "every caBundle trusts the served certificate, and all that policies need is sent"
                self._log.write("info", "registration", {"message": message})
            self._reported = now
        self._state.notice = _notice(now)
        self._state.not_sent = not_sent
        return now

    def _needs(self) -> dict[str, Needs]:
        """What the policies in force need, by resource."""
        policies = self._state.in_force.policies
        if self._needed is None or self._needed[0] is not policies:
            self._needed = policies, {resource: needs(policies, _PHASES[resource]) for resource in RESOURCES}
        return self._needed[1]


def _notice(messages: tuple[str, ...]) -> str | None:
    more = len(messages) - _SHOWN
    return "; ".join((*messages[:_SHOWN], *((f"and {more} more",) if more > 0 else ()))) or None
