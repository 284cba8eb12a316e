"""/debug on the plain port: for clients on the loopback interface, such as `kubectl port-forward`, and only if it is
switched on."""

from __future__ import annotations

import math
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest

from webhook.server.plain.debugging import Debugging
from webhook.server.plain.local import admit_own
from webhook.server.plain.profiling import MAX_SECONDS, Busy

_INDEX = f"""\
/debug/stacks             the stacks of all threads and processes
/debug/profile?seconds=5  where the processor time goes, as collapsed stacks (1 to {MAX_SECONDS} seconds)
/debug/memory             what each process takes
"""


def add_debug(app: FastAPI, debugging: Debugging) -> None:
    """Add the pages to the application of the plain port."""

    def admit(request: HTTPRequest) -> None:
        admit_own(request, "/debug")

    @app.exception_handler(Busy)
    async def busy(_: HTTPRequest, __: Exception) -> JSONResponse:
        return JSONResponse({"error": "another request to /debug is being answered; there is one at a time"}, 409)

    @app.get("/debug")
    async def index(request: HTTPRequest) -> PlainTextResponse:
        admit(request)
        return PlainTextResponse(_INDEX)

    @app.get("/debug/stacks")
    async def stacks(request: HTTPRequest) -> PlainTextResponse:
        admit(request)
        return PlainTextResponse(await debugging.stacks())

    @app.get("/debug/profile")
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

    @app.get("/debug/memory")
    async def memory(request: HTTPRequest) -> dict[str, Any]:
        admit(request)
        return await debugging.memory()
