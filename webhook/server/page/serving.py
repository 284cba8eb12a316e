"""/page on the plain port: one page without external resources, and the JSON that it shows.

It is for people on this host, such as those with `kubectl port-forward`: findings name the objects of all tenants.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import FastAPI, Response
from prometheus_client.metrics_core import Metric
from starlette.exceptions import HTTPException
from starlette.requests import Request as HTTPRequest

from webhook.library.listing import bounded
from webhook.pages.assets import asset, content_policy
from webhook.server.page.course import Course
from webhook.server.page.lastaudit import LastAudit
from webhook.server.page.standing import Counts, standing
from webhook.server.page.trying import CannotTry, Trying
from webhook.server.plain.app import shown_refused
from webhook.server.plain.local import admit_own
from webhook.server.plain.sharedanswers import Shared
from webhook.server.state import State
from webhook.server.telemetry.seen import Seen
from webhook.visible import encodable

_WHAT = "the page"
_HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Page:
    """The page and what it shows. counted: the metrics of all processes. seen: the recent findings.
    trying: the playground; audit: the last audit. Each is None if it is off."""

    def __init__(
        self,
        state: State,
        counted: Callable[[], Awaitable[Iterable[Metric]]],
        course: Course,
        seen: Seen,
        trying: Trying | None = None,
        audit: LastAudit | None = None,
    ) -> None:
        self._state = state
        self._counted = counted
        self._course = course
        self._audit = audit
        self._seen = seen
        self._trying = trying

    async def keep(self) -> None:
        """Keep what is shown up to date, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._course.keep())
            if self._audit is not None:
                tasks.create_task(self._audit.keep())

    def add_to(self, app: FastAPI) -> None:
        """Add the page to the application of the plain port."""
        standing_now, findings_now = Shared(self._standing), Shared(self._findings)

        @app.get("/page")
        async def page(request: HTTPRequest) -> Response:
            admit_own(request, _WHAT)
            text, policy = document()
            # frame-ancestors means nothing in a page's own <meta>.
            headers = {**_HEADERS, "content-security-policy": f"{policy}; frame-ancestors 'none'"}
            return Response(text, media_type="text/html; charset=utf-8", headers=headers)

        @app.get("/page/state")
        async def state(request: HTTPRequest) -> Response:
            admit_own(request, _WHAT)
            return Response(await standing_now(), media_type="application/json", headers=_HEADERS)

        @app.get("/page/findings")
        async def findings(request: HTTPRequest) -> Response:
            admit_own(request, _WHAT)
            return Response(await findings_now(), media_type="application/json", headers=_HEADERS)

        if (kept := self._audit) is not None:

            @app.get("/page/audit")
            async def audit(request: HTTPRequest) -> Response:
                admit_own(request, _WHAT)
                if kept.whole is None:
                    raise HTTPException(404, "no audit has been read yet")
                return Response(kept.whole, media_type="application/json", headers=_HEADERS)

        if (trying := self._trying) is not None:

            @app.post("/page/evaluate")
            async def evaluate(request: HTTPRequest) -> Response:
                admit_own(request, _WHAT)
                # What a page of another site may send unasked is never of this type.
                if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
                    raise HTTPException(415, "content-type: expected application/json")
                try:
                    answer = await trying.evaluated(await request.body())
                except CannotTry as error:
                    raise HTTPException(error.status, str(error)) from None
                return Response(answer, media_type="application/json", headers=_HEADERS)

    async def _standing(self) -> bytes:
        counts = Counts(await self._counted())
        state = self._state
        policies = state.in_force.policies
        return _dumped(
            {
                "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "revision": policies.revision,
                "playground": self._trying is not None,
                "python": self._trying is not None and self._trying.python is not None,
                "notReady": state.not_ready(),
                "notice": bounded(state.notice),
                "refused": bounded(shown_refused(state.refused)) if state.refused is not None else None,
                "warnings": bounded([str(each) for each in policies.warnings[:100]]),
                "verdicts": {verdict: int(count) for verdict, count in counts.verdicts.items()},
                "course": self._course.shown(),
                "audit": bounded(self._audit.shown()) if self._audit is not None else None,
                **standing(state, counts),
            }
        )

    async def _findings(self) -> bytes:
        return _dumped({"findings": self._seen.listed()})


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # half characters in the name of a file
        return orjson.dumps(encodable(value))


@cache
def document() -> tuple[str, str]:
    """The page, and its Content-Security-Policy."""
    folder = Path(__file__).parent
    style = asset("shared.css") + (folder / "page.css").read_text("utf-8")
    script = (
        asset("findings.js")
        + asset("trend.js")
        + asset("tables.js")
        + "".join((folder / name).read_text("utf-8") for name in ("chart.js", "playground.js", "audit.js", "page.js"))
    )
    policy = content_policy(style, script, "connect-src 'self'")
    return (
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Gatewright</title>
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<style>{style}</style>
</head>
<body>
<header><p class="brand">Gatewright</p><h1 id="title">Policies in force</h1><p id="said">&nbsp;</p></header>
<main id="main"><noscript><p>This page needs its script, which is turned off here.</p></noscript></main>
<script>{script}</script>
</body>
</html>
""",
        policy,
    )
