"""The plain HTTP port: health, readiness, metrics and the loaded policies. It serves no reviews and no secrets."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
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

    `exposition` returns the text of /metrics. `hung` returns why /healthz should fail, such as a worker process that
    does not answer; None if it should not.
    """
    app = FastAPI(title="Gatewright", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(HTTPException)
    async def failed(_: HTTPRequest, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.get("/healthz")
    async def healthz() -> PlainTextResponse:
        """For a liveness probe: 200 if this process and its workers respond, else 503 with the reason."""
        reason = hung()
        return PlainTextResponse("ok\n") if reason is None else PlainTextResponse(f"{reason}\n", 503)

    @app.get("/readyz")
    async def readyz() -> PlainTextResponse:
        """For a readiness probe: 200 if the server is ready for reviews, else 503 with the reason."""
        reason = state.not_ready()
        if reason is not None:
            return PlainTextResponse(f"{reason}\n", 503)
        return PlainTextResponse(f"ok\nbut {state.notice}\n" if state.notice else "ok\n")

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(await exposition(), media_type=CONTENT_TYPE)

    @app.get("/policies")
    async def policies() -> dict[str, Any]:
        """The loaded policies, each with its bindings, file and line."""
        return listing(state.policies, state.python_policies())

    @app.get("/ca.pem")
    async def authority() -> Response:
        """The CA certificate to trust in development; 404 if the operator provided the certificate."""
        if state.development_ca is None:
            raise HTTPException(404, "no development certificate is in use: get the CA from the certificate's issuer")
        return Response(state.development_ca, media_type="application/x-pem-file")

    return app


def listing(policies: PolicySet, isolated: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The body of /policies. It includes policies without a binding, so that one sees that they never run.

    isolated: what is known of Python policies, by kind and name; see Isolation.listing.
    """
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
                "isolation": isolated.get(f"{policy.kind}/{policy.name}"),
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
