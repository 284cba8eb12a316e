"""Sends results from the action to GitHub.

    python -m webhook.forge.github comment FILE [ID]   post FILE as a comment on the pull request, or update it
    python -m webhook.forge.github sarif FILE          upload findings to code scanning

Settings are the variables that a runner has: GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_SHA, GITHUB_REF; and
GITHUB_TOKEN, PULL_REQUEST (its number). Exit code: 0 sent, or the token may not (a pull request of a fork), which is a
warning in the log; 1 not sent; 2 wrong usage.
"""

from __future__ import annotations

import base64
import gzip
import os
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from webhook.forge.exchange import Api, ForgeError, limited, said, variable

MOST: Final = 65_000  # characters of a comment; GitHub takes 65,536
_PAGES: Final = 30  # of comments
_TRIED: Final = 5  # comments of apps, of which one may be the token's own
_CUT: Final = "\n*This is cut off; the whole is in the summary of the job.*\n"
_MAY_NOT: Final = (401, 403, 404)


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit code."""
    match arguments:
        case ["comment", file, *rest] if len(rest) <= 1:
            return _sent("comment", lambda api: comment(api, _read(file), rest[0] if rest else ""))
        case ["sarif", file]:
            return _sent("sarif", lambda api: upload(api, Path(file).read_bytes()))
    said(f"expected: comment FILE [ID], or sarif FILE; got {list(arguments)}")
    return 2


def comment(api: Api, text: str, mark: str = "") -> str:
    """Post the text as a comment on the pull request, or update the one that is there; what was done.

    mark: tells comments of several jobs apart. Only a comment of the token's own user is updated: anybody can write one
    that looks like it. The token of a job or of a GitHub App may not ask who it belongs to. Then it is one of an app,
    if GitHub lets the token change it. Raises ForgeError.
    """
    repository, number = variable("GITHUB_REPOSITORY"), variable("PULL_REQUEST")
    if not number.isascii() or not number.isdigit():
        raise ForgeError(f"PULL_REQUEST: expected a number, got {number!r}")
    sign = f"<!-- gatewright {''.join(each for each in mark if each.isalnum() or each in '-_. ')} -->"
    body = {"body": f"{sign}\n{limited(text, MOST - len(sign), _CUT)}"}
    path = f"/repos/{repository}/issues/{number}/comments"
    own = _login(api)
    signed = (each for each in api.pages(path, _PAGES) if str(each.get("body", "")).startswith(sign))
    for each in islice((each for each in signed if _is_own(each.get("user") or {}, own)), _TRIED):
        try:
            api.ask("PATCH", f"/repos/{repository}/issues/comments/{int(each['id'])}", body)
        except ForgeError as error:
            if own or error.status != 403:
                raise
        else:
            return "comment updated"
    api.ask("POST", path, body)
    return "comment posted"


def upload(api: Api, sarif: bytes) -> str:
    """Upload a SARIF file to code scanning, for the commit and the ref of the run; what was done. Raises ForgeError."""
    packed = base64.b64encode(gzip.compress(sarif, mtime=0)).decode()
    body = {"commit_sha": variable("GITHUB_SHA"), "ref": variable("GITHUB_REF"), "sarif": packed}
    answer = api.ask("POST", f"/repos/{variable('GITHUB_REPOSITORY')}/code-scanning/sarifs", body)
    return f"findings uploaded: {answer.get('id', '') if isinstance(answer, dict) else ''}"


def _login(api: Api) -> str:
    """Who the token belongs to; empty if it is that of a job or of a GitHub App, which may not ask."""
    try:
        found = api.ask("GET", "/user")
    except ForgeError as error:
        if error.status in _MAY_NOT:
            return ""
        raise
    return str(found.get("login", "")) if isinstance(found, dict) else ""


def _is_own(user: dict[str, Any], own: str) -> bool:
    """Whether a user is, or may be, the one of the token. GitHub alone says that one is a "Bot"."""
    return user.get("login") == own if own else user.get("type") == "Bot"


def _sent(what: str, send: Any) -> int:
    try:
        api = Api(
            os.environ.get("GITHUB_API_URL") or "https://api.github.com",
            {
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {variable('GITHUB_TOKEN')}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        said(send(api))
    except OSError as error:
        said(f"::error title=gatewright {what}::{error.filename}: {error.strerror}")
        return 1
    except ForgeError as error:
        if error.status in _MAY_NOT:
            needs = "pull-requests: write" if what == "comment" else "security-events: write"
            said(f"::warning title=gatewright {what}::{error}; needs the permission {needs}, which forks do not have")
            return 0
        said(f"::error title=gatewright {what}::{error}")
        return 1
    return 0


def _read(file: str) -> str:
    return Path(file).read_text(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
