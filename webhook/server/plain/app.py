"""The plain HTTP port: health, readiness, metrics and the loaded policies. It serves no reviews and no secrets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest

from webhook.documents.reader import Problem
from webhook.library.listing import listing
from webhook.server.plain.debugging import Debugging
from webhook.server.plain.debugpages import add_debug
from webhook.server.plain.local import admit_own
from webhook.server.plain.sharedanswers import Shared
from webhook.server.policies.reload import Outcome
from webhook.server.state import Refused, State
from webhook.server.telemetry.metrics import CONTENT_TYPE, OPENMETRICS
from webhook.visible import visible

_MOST_PROBLEMS = 100  # that a response shows


class Page(Protocol):
    """What adds /page: webhook.server.page stands above this package."""

    def add_to(self, app: FastAPI) -> None: ...


def plain(
    state: State,
    exposition: Callable[[bool], Awaitable[bytes]],
    reload: Callable[[], Awaitable[Outcome]],
    hung: Callable[[], str | None] = lambda: None,
    debugging: Debugging | None = None,
    page: Page | None = None,
) -> FastAPI:
    """The application of the plain port.

    `exposition` returns the text of /metrics: with True, in the format of OpenMetrics. `reload` puts a changed policy
    tree in force. `hung` returns why /healthz should fail, such as a worker process that does not answer; None if it
    should not. `debugging`: for /debug; `page`: for /page; None if it is not switched on.
    """
    shared, openmetrics = Shared(lambda: exposition(False)), Shared(lambda: exposition(True))
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
    async def metrics(request: HTTPRequest) -> Response:
        """In the format of OpenMetrics, which has exemplars, for clients that accept it."""
        if OPENMETRICS.partition(";")[0] in request.headers.get("accept", ""):
            return Response(await openmetrics(), headers={"content-type": OPENMETRICS})
        return Response(await shared(), media_type=CONTENT_TYPE)

    async def listed() -> bytes:
        refused = None if state.refused is None else shown_refused(state.refused)
        shown = listing(state.in_force.policies, state.python_policies(), state.not_sent)
        return orjson.dumps({**shown, "refused": refused, "bundles": list(state.bundles)})

    shared_listing = Shared(listed)

    @app.get("/policies")
    async def policies() -> Response:
        """The loaded policies, each with its bindings, file and line."""
        return Response(await shared_listing(), media_type="application/json")

    @app.post("/-/reload")
    async def reloaded(request: HTTPRequest) -> JSONResponse:
        """Reads the policy tree now: 200 if it is in force, 409 with the problems if it cannot be, 403 for a client
        that is not on this host."""
        admit_own(request, "/-/reload")
        outcome = await reload()
        body: dict[str, Any] = {"revision": outcome.revision, "changed": outcome.changed}
        if not outcome.problems:
            return JSONResponse(body)
        message = f"the policy tree cannot be loaded; revision {outcome.revision} stays in force"
        return JSONResponse({"error": message, **body, "problems": _problems(outcome.problems)}, 409)

    @app.get("/ca.pem")
    async def authority() -> Response:
        """The CA certificate to trust in development; 404 if the operator provided the certificate."""
        if state.development_ca is None:
            raise HTTPException(404, "no development certificate is in use: get the CA from the certificate's issuer")
        return Response(state.development_ca, media_type="application/x-pem-file")

    if debugging is not None:
        add_debug(app, debugging)
    if page is not None:
        page.add_to(app)
    return app


def shown_refused(refused: Refused) -> dict[str, Any]:
    """A tree that could not be put in force, as JSON."""
    at = datetime.fromtimestamp(refused.at, UTC)
    return {"revision": refused.revision, "at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "problems": _problems(refused.problems)}


def _problems(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    shown = list(problems)[:_MOST_PROBLEMS]
    return [
        {"file": visible(each.file), "line": each.line, "column": each.column, "message": visible(each.message)}
        for each in shown
    ]
