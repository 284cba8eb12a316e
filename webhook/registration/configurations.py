"""Webhooks as ValidatingWebhookConfiguration and MutatingWebhookConfiguration, in YAML for git.

The same policies and options give the same text, byte for byte.
"""

from __future__ import annotations

import base64
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from webhook.documents.yamlwriting import Folded, dumped
from webhook.policy.selectors import Requirement, Selector
from webhook.policy.written.model import API_VERSION
from webhook.policy.written.names import is_label_value, is_subdomain
from webhook.registration.webhooks import PHASES, Phase, Webhook

NEVER_ASKED: Final = ("kube-node-lease", "kube-public", "kube-system")
"""Namespaces that must work while Gatewright is down: of the control plane, of node leases, and of nodes that join.

The API server itself makes these, and makes them again. Every other exempt namespace is named by the operator: a name
that is exempt and does not exist lets anyone who may create it escape all policies.
"""

NAME_LABEL: Final = "kubernetes.io/metadata.name"
"""The label of a Namespace that has its name."""

_KINDS: Final[dict[Phase, str]] = {
    "validate": "ValidatingWebhookConfiguration",
    "mutate": "MutatingWebhookConfiguration",
}
_PHASE_TEXTS: Final[dict[Phase, str]] = {
    "validate": "The requests that the API server sends for validation.",
    "mutate": "The requests that the API server sends for mutation.",
}
_WIDTH: Final = 118


class OptionError(ValueError):
    """An option that cannot be rendered; the text says why."""


class Options(Struct, frozen=True, kw_only=True):
    """The operator's part of a registration.

    `service` is (namespace, name); for development `url` takes its place. `namespaces`, what a Gatewright Pod needs to
    start, are exempt besides NEVER_ASKED and the service's own. `inject_from`: (namespace, name) of the cert-manager
    Certificate whose authority is injected; `ca_bundle`: PEM. With neither, something else must fill in caBundle.
    `timeout`: seconds, 1 to 30.
    """

    service: tuple[str, str] = ("gatewright-system", "gatewright")
    url: str | None = None
    namespaces: tuple[str, ...] = ()
    inject_from: tuple[str, str] | None = ("gatewright-system", "gatewright")
    ca_bundle: bytes | None = None
    timeout: int = 5
    name: str = "gatewright"

    def __post_init__(self) -> None:
        """Raises OptionError."""
        if not is_subdomain(self.name):
            raise OptionError(f"the name {self.name!r} must be lower-case letters, digits, '-' and '.'")
        if not 1 <= self.timeout <= 30:
            raise OptionError(f"the timeout must be from 1 to 30 seconds, found {self.timeout}")
        for namespace in self.namespaces:
            if not namespace or not is_label_value(namespace) or not is_subdomain(namespace):
                raise OptionError(f"{namespace!r} is no name of a namespace")
        if self.url is not None and not _is_base(self.url):
            raise OptionError(f"expected a form such as https://192.168.1.2:8443, found {self.url!r}")
        if self.ca_bundle is not None and b"-----BEGIN CERTIFICATE-----" not in self.ca_bundle:
            raise OptionError("the CA bundle holds no certificate in PEM")

    @property
    def never_asked(self) -> tuple[str, ...]:
        """The exempt namespaces, sorted."""
        own = () if self.url is not None else (self.service[0],)
        return tuple(sorted({*NEVER_ASKED, *self.namespaces, *own}))


def _is_base(url: str) -> bool:
    """Whether the API server accepts the URL and a path can be appended to it."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme == "https"
            and bool(parts.hostname)
            and parts.port != 0
            and not (parts.query or parts.fragment or parts.username)
            and url.isprintable()
        )
    except ValueError:
        return False


def namespaced_name(text: str) -> tuple[str, str]:
    """NAMESPACE/NAME as a pair. Raises OptionError."""
    match = re.fullmatch(r"([a-z0-9]([-a-z0-9]*[a-z0-9])?)/([a-z0-9]([-a-z0-9.]*[a-z0-9])?)", text)
    if match is None:
        raise OptionError(f"expected NAMESPACE/NAME, found {text!r}")
    return match[1], match[3]


def text(webhooks: Sequence[Webhook], options: Options, command: str) -> str:
    """Both configurations as a YAML stream.

    Webhooks that no policy needs are written too: applying them removes the rules of an earlier version.
    `command`: the command line that the header names.
    """
    return "---\n".join(
        document(phase, [webhook for webhook in webhooks if webhook.phase == phase], options, command)
        for phase in PHASES
    )


def document(phase: Phase, webhooks: Sequence[Webhook], options: Options, command: str) -> str:
    """One configuration as a YAML document. `webhooks`: those of the phase."""
    metadata: dict[str, Any] = {"name": options.name, "labels": {"app.kubernetes.io/component": "registration"}}
    if options.inject_from is not None and options.ca_bundle is None:
        metadata["annotations"] = {"cert-manager.io/inject-ca-from": "/".join(options.inject_from)}
    head = {"apiVersion": API_VERSION, "kind": _KINDS[phase], "metadata": metadata}
    lines = [
        *comment(f"Generated by `{command}`: change the policies, not this."),
        *comment(f"{_PHASE_TEXTS[phase]} {_EXEMPTIONS}"),
        dumped(head).rstrip("\n"),
        "webhooks:",
    ]
    for webhook in webhooks:
        lines += comment(", ".join(webhook.policies) or _UNUSED)
        lines.append(dumped([value(webhook, options)]).rstrip("\n"))
    return "\n".join(lines) + "\n"


_EXEMPTIONS = (
    "Exempt are the namespaces of Gatewright, of the control plane and of node leases and those named by the operator, "
    "what the API server itself writes, what a cluster needs before any Pod can run, and requests for authentication "
    "and authorization: to start and to repair Gatewright, nothing may depend on it."
)
_UNUSED = "No policy needs this one, so it has no rules and is never called. It keeps the set of webhooks the same."


def comment(words: str) -> list[str]:
    """The words as lines of a YAML comment."""
    # Names of policies are safe in a comment; a command line may contain anything.
    printable = "".join(each if each.isprintable() else "?" for each in words)
    return textwrap.wrap(
        printable, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )


def value(webhook: Webhook, options: Options) -> dict[str, Any]:
    """The webhook as JSON, its most telling fields first."""
    written: dict[str, Any] = {
        "name": webhook.name,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "matchPolicy": webhook.match_policy,
        "failurePolicy": webhook.failure_policy,
        "timeoutSeconds": options.timeout,
    }
    if webhook.phase == "mutate":
        written["reinvocationPolicy"] = "IfNeeded"
    written["clientConfig"] = _client(webhook, options)
    exempt = {"key": NAME_LABEL, "operator": "NotIn", "values": list(options.never_asked)}
    written["namespaceSelector"] = {"matchExpressions": [exempt, *map(_requirement, webhook.labels)]}
    if webhook.object_selector:
        written["objectSelector"] = _selector(webhook.object_selector)
    if webhook.rules:  # with an empty list `kubectl diff` would always find a difference
        written["rules"] = [rule.value() for rule in webhook.rules]
    conditions = [*webhook.conditions, *_not_by_exempt_accounts(webhook, options)]
    if conditions:
        written["matchConditions"] = [
            {"name": name, "expression": Folded(expression)} for name, expression in conditions
        ]
    return written


def _not_by_exempt_accounts(webhook: Webhook, options: Options) -> Iterator[tuple[str, str]]:
    """The condition that leaves out cluster-scoped objects of exempt namespaces, which no namespaceSelector excludes.

    A network or storage driver writes such objects (address blocks, its own nodes) before Pods can run. Only of
    webhooks that ask about everything: what a policy names is asked about, whoever writes it.
    """
    everything = any(rule.scope != "Namespaced" and rule.has_wildcard for rule in webhook.rules)
    if webhook.failure_policy == "Fail" and everything:
        groups = ", ".join(f"'system:serviceaccounts:{namespace}'" for namespace in options.never_asked)
        by_them = f"request.userInfo.?groups.orValue([]).exists(group, group in [{groups}])"
        yield "not-of-exempt-namespaces", f"has(request.namespace) || !{by_them}"


def _client(webhook: Webhook, options: Options) -> dict[str, Any]:
    client: dict[str, Any]
    if options.url is not None:
        client = {"url": f"{options.url.rstrip('/')}{webhook.path}"}
    else:
        namespace, name = options.service
        client = {"service": {"name": name, "namespace": namespace, "port": 443, "path": webhook.path}}
    if options.ca_bundle is not None:
        client["caBundle"] = base64.b64encode(options.ca_bundle).decode("ascii")
    return client


def _selector(selector: Selector) -> dict[str, Any]:
    """The selector as JSON. A requirement for one value of a label is written as matchLabels."""
    labels: dict[str, str] = {}
    expressions: list[dict[str, Any]] = []
    for requirement in selector.requirements:
        if requirement.operator == "In" and len(requirement.values) == 1 and requirement.key not in labels:
            (labels[requirement.key],) = requirement.values
        else:
            expressions.append(_requirement(requirement))
    value: dict[str, Any] = {"matchLabels": labels} if labels else {}
    return {**value, "matchExpressions": expressions} if expressions else value


def _requirement(requirement: Requirement) -> dict[str, Any]:
    value: dict[str, Any] = {"key": requirement.key, "operator": requirement.operator}
    return {**value, "values": sorted(requirement.values)} if requirement.values else value
