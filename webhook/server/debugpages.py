"""/debug on the plain port: for clients on the loopback interface, such as `kubectl port-forward`, and only if it is
switched on."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from webhook.server.debugging import Debugging
from webhook.server.profiling import MAX_SECONDS, Busy

_INDEX = f"""\
/debug/stacks             the stacks of all threads and processes
/debug/profile?seconds=5  where the processor time goes, as collapsed stacks (1 to {MAX_SECONDS} seconds)
/debug/memory             what each process takes
"""
# A proxy in front of the port, such as a service mesh's in the Pod, makes its clients look local.
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-envoy-external-address", "x-real-ip")


def add_debug(app: Starlette, debugging: Debugging, is_local: Callable[[str], bool]) -> None:
    """Add the pages to the application of the plain port."""

    def admit(request: HTTPRequest) -> None:
        client = request.client.host if request.client is not None else ""
        if not is_local(client) or any(name in request.headers for name in _OF_PROXIES):
            raise HTTPException(403, "/debug is for clients on the loopback interface, such as kubectl port-forward")

    async def busy(_: HTTPRequest, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "another request to /debug is being answered; there is one at a time"}, 409)

    async def index(request: HTTPRequest) -> PlainTextResponse:
        admit(request)
        return PlainTextResponse(_INDEX)

    async def stacks(request: HTTPRequest) -> PlainTextResponse:
        admit(request)
        return PlainTextResponse(await debugging.stacks())

    async def profile(request: HTTPRequest) -> PlainTextResponse:
        admit(request)
        text = request.query_params.get("seconds", "5")
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not 1 <= seconds <= MAX_SECONDS:
            raise HTTPException(400, f"seconds: expected 1 to {MAX_SECONDS}, got {text[:80]!r}")
        return PlainTextResponse(await debugging.profile(seconds))

    async def memory(request: HTTPRequest) -> JSONResponse:
        admit(request)
        return JSONResponse(await debugging.memory())

    app.add_exception_handler(Busy, busy)
    app.routes.extend(
        [
            page("/debug", index),
            page("/debug/stacks", stacks),
            page("/debug/profile", profile),
            page("/debug/memory", memory),
        ]
    )


def page(path: str, endpoint: Callable[[HTTPRequest], Awaitable[Response]]) -> Route:
    """The route of a page that is read with GET alone: Starlette would add HEAD."""
    route = Route(path, endpoint, methods=["GET"])
    route.methods = {"GET"}
    return route
