"""The server to compare with: uvicorn with a bare ASGI app, which parses each review and sends a prepared response.

    python -m bench.bare CERTIFICATE KEY PORT ANSWERS

ANSWERS is a JSON file: uid of a review -> text of the response. The app decides, counts and logs nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
import uvicorn


def application(answers: dict[str, bytes]) -> Any:
    """An ASGI app that sends prepared responses. `answers`: uid of a review -> response body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = answers[orjson.loads(body)["request"]["uid"]]
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def main(certificate: str, key: str, port: str, answers: str) -> None:
    known = {uid: text.encode() for uid, text in orjson.loads(Path(answers).read_bytes()).items()}
    uvicorn.run(
        application(known),
        host="127.0.0.1",
        port=int(port),
        ssl_certfile=certificate,
        ssl_keyfile=key,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
