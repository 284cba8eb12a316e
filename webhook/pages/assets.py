"""The files that pages are made of, and the Content-Security-Policy of a page."""

from __future__ import annotations

import base64
from functools import cache
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent


@cache
def asset(name: str) -> str:
    """The text of a file in this folder, such as `shared.css`."""
    return (_FOLDER / name).read_text("utf-8")


def content_policy(style: str, script: str, *more: str) -> str:
    """A Content-Security-Policy with which a page runs exactly this script and has exactly this style.

    It can ask nothing of anybody. more: further directives, such as "connect-src 'self'".
    """
    directives = (
        "default-src 'none'",
        f"style-src 'sha256-{_digest(style)}'",
        f"script-src 'sha256-{_digest(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
        *more,
    )
    return "; ".join(directives)


def _digest(content: str) -> str:
    return base64.b64encode(sha256(content.encode()).digest()).decode()
