"""kopf's webhook server with the handlers of `bench.kopf_handlers`, set up as `kopf run` does, but without a cluster.

    python -m bench.kopf_server CERTIFICATE KEY PORT

Server, admission engine, registry, logging (at the default level) and event loop (uvloop) are kopf's own. This module
supplies what kopf would discover in a cluster: the served resources. kopf also builds the webhook configurations that
it would write to the cluster; `calls` finds in them, as an API server does, the paths that a review is posted to.

kopf's public interface cannot serve without a cluster. So this module uses private parts of kopf, and pyproject.toml
pins its exact version.
"""

from __future__ import annotations

import functools
import sys
from typing import Any
from urllib.parse import urlsplit

import kopf
from kopf._cogs.aiokits.aiovalues import Container
from kopf._cogs.structs.references import Insights
from kopf._core.actions import loggers
from kopf._core.engines import admission, indexing
from kopf._core.intents.causes import WebhookType
from kopf._core.reactor import inventory, observation
from kopf._kits.loops import proper_loop

import bench.kopf_handlers  # noqa: F401  (its decorators fill the registry)
from webhook.schema import Kinds

REGISTRY = kopf.get_default_registry()  # the decorators of kopf_handlers have filled it
REASONS = {"validate": WebhookType.VALIDATING, "mutate": WebhookType.MUTATING}


def resources() -> list[kopf.Resource]:
    """The resources of a cluster without extensions: all built-in kinds except alpha and beta versions."""
    return [
        kopf.Resource(kind.group, kind.version, kind.plural, kind=kind.kind, namespaced=kind.namespaced)
        for kind in Kinds.builtin()
        if kind.version in ("v1", "v2")
    ]


def observed() -> Insights:
    """What kopf knows about the cluster after its discovery."""
    insights = Insights()
    observation.revise_resources(group=None, insights=insights, registry=REGISTRY, resources=resources())
    insights.ready_resources.set()
    return insights


def calls(review: dict[str, Any], phase: str) -> list[str]:
    """The paths that an API server posts the review to, one for each matching handler.

    `phase`: "validate" or "mutate".
    """
    return [urlsplit(hook["clientConfig"]["url"]).path for hook in _webhooks(phase) if _matches(hook, review)]


@functools.cache
def _webhooks(phase: str) -> list[dict[str, Any]]:
    handlers = [handler for handler in REGISTRY._webhooks.get_all_handlers() if handler.reason == REASONS[phase]]
    return admission.build_webhooks(
        handlers,
        resources=observed().webhook_resources,
        name_suffix="bench",
        client_config={"url": "https://localhost"},
    )


def _matches(hook: dict[str, Any], review: dict[str, Any]) -> bool:
    request = review["request"]
    group, version, plural = (request["resource"][key] for key in ("group", "version", "resource"))
    subresource = request.get("subResource")
    places = {f"{plural}/{subresource}", f"{plural}/*"} if subresource else {plural}
    return any(
        group in rule["apiGroups"]
        and version in rule["apiVersions"]
        and request["operation"] in rule["operations"]
        and places & set(rule["resources"])
        for rule in hook["rules"]
    )


async def serve(certificate: str, key: str, port: int) -> None:
    settings = kopf.OperatorSettings()
    settings.admission.server = kopf.WebhookServer(addr="127.0.0.1", port=port, certfile=certificate, pkeyfile=key)
    insights = observed()
    await admission.admission_webhook_server(
        settings=settings,
        registry=REGISTRY,
        insights=insights,
        container=Container(),
        webhookfn=functools.partial(
            admission.serve_admission_request,
            settings=settings,
            registry=REGISTRY,
            insights=insights,
            memories=inventory.ResourceMemories(),
            memobase=kopf.Memo(),  # type: ignore[arg-type]
            indices=indexing.OperatorIndexers().indices,
        ),
    )


def main(certificate: str, key: str, port: str) -> None:
    loggers.configure()
    with proper_loop() as loop:
        assert loop is not None
        loop.run_until_complete(serve(certificate, key, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
