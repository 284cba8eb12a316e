"""What the server prints and logs once it serves: its addresses, its policies, and warnings about these."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from webhook.documents.reader import full_text
from webhook.excerpts import columns
from webhook.server.cluster.livecluster import LiveCluster, unused
from webhook.server.life.starting import named
from webhook.server.settings import Settings, flag
from webhook.server.state import counts
from webhook.server.telemetry.logs import Log

if TYPE_CHECKING:
    from webhook.policy.policyset import PolicySet
    from webhook.server.port.tls import Development


def announce(
    settings: Settings,
    policies: PolicySet,
    addresses: tuple[str, str],
    cluster: LiveCluster | None,
    authority: Development | None,
    log: Log,
) -> None:
    """Log what is served and where, and print it on stderr for the operator.

    policies: those in force. addresses: of reviews, and of the plain port. authority: of a development certificate.
    """
    reviews, plain_port = addresses
    fields: dict[str, Any] = {
        "reviews": f"https://{reviews}",
        "plain": f"http://{plain_port}",
        **counts(policies),
        "revision": policies.revision,
        "workers": settings.workers,
    }
    if cluster is not None:
        fields["cluster"] = cluster.configuration.host
    log.write("info", "serving", fields)
    width = columns(sys.stderr)
    lines = [full_text(each, width) for each in (*policies.notes, *policies.warnings)]
    messages = list(map(str, (*policies.notes, *policies.warnings)))
    if cluster is not None and (note := unused(policies, cluster.lookups)) is not None:
        lines.append(note)
        messages.append(note)
    for message in messages:
        log.write("warning", "policies", {"message": message})
    unbound = counts(policies)["unbound"]
    more = f"; {unbound} more {'have' if unbound > 1 else 'has'} no binding in force" if unbound else ""
    lines += [
        f"{len(policies.bound_names)} policies from {named(settings)}{more}, revision {policies.revision}",
        f"reviews: https://{reviews}/validate and /mutate",
        f"health, metrics, policies: http://{plain_port}/healthz /readyz /metrics /policies"
        + (" /page" if settings.page else ""),
    ]
    if cluster is not None:
        looked_up = ", ".join(map(str, cluster.lookups.targets)) or "nothing"
        lines.append(f"cluster: {cluster.configuration.host}; policies look up: {looked_up}")
    if authority is not None:
        lines += [
            f"FOR DEVELOPMENT ONLY: the certificate was created at start and is lost at exit; in a cluster, set"
            f" {flag('tls_cert')} and {flag('tls_key')}. Its CA certificate is at http://{plain_port}/ca.pem",
            f"caBundle: {authority.ca_bundle}",
        ]
    print("\n".join(lines), file=sys.stderr, flush=True)
