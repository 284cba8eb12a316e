"""The plain port: health, readiness, metrics and the policies in force. It decides nothing and holds no secret."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest

from webhook.policy.policyset import PolicySet
from webhook.server.metrics import CONTENT_TYPE
from webhook.server.state import State


def plain(
    state: State, exposition: Callable[[], Awaitable[bytes]], hung: Callable[[], str | None] = lambda: None
) -> FastAPI:
    """The application of the plain port.

    `exposition` is the text of /metrics. `hung` tells of other processes that should be alive and do not answer.
    """
    app = FastAPI(title="Gatewright", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(HTTPException)
    async def failed(_: HTTPRequest, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.get("/healthz")
    async def healthz() -> PlainTextResponse:
        """Whether the process answers at all; for a liveness probe."""
        reason = hung()
        return PlainTextResponse("ok\n") if reason is None else PlainTextResponse(f"{reason}\n", 503)

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        """Whether reviews should be sent here; for a readiness probe."""
        reason = state.not_ready()
        return PlainTextResponse("ok\n") if reason is None else PlainTextResponse(f"{reason}\n", 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(await exposition(), media_type=CONTENT_TYPE)

    @app.get("/policies")
    async def policies() -> dict[str, Any]:
        """The policies in force, each with its bindings, and where they stand."""
        return listing(state.policies)

    @app.get("/ca.pem")
    async def authority() -> Response:
        """The authority to trust in development; with an operator's certificate there is none to give."""
        if state.development_ca is None:
            raise HTTPException(404, "the certificate was not made here: ask whoever issued it")
        return Response(state.development_ca, media_type="application/x-pem-file")

    return app


def listing(policies: PolicySet) -> dict[str, Any]:
    """What /policies answers: every policy, one without a binding too, as it never runs."""
    return {
        "revision": policies.revision,
        "policies": [
            {
                "name": policy.name,
                "kind": policy.kind,
                "language": policy.language,
                "description": policy.description,
                "failurePolicy": policy.failure_policy,
                "file": policy.file,
                "line": policy.line,
                "bindings": [
                    {"name": bound.name, "actions": list(bound.actions), "file": bound.file, "line": bound.line}
                    for bound in policy.bindings
                ],
            }
            for policy in policies.policies
        ],
        "exceptions": [
            {
                "name": exception.name,
                "policies": sorted(
                    {
                        policy.name
                        for policy in policies.policies
                        if any(exempt.exception is exception for exempt in policy.exceptions)
                    }
                ),
                "expires": exception.until,
                "inForce": time.time() < exception.expires,
                "reason": exception.reason,
                "approvedBy": exception.approved_by,
                "file": exception.file,
                "line": exception.line,
            }
            for exception in policies.exceptions
        ],
    }
