"""JSON over HTTP with the API of GitHub or GitLab."""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

_TIMEOUT: Final = 30.0  # seconds of one request
_PAUSES: Final = (1.0, 3.0)  # seconds before the second and the third try
_MOST: Final = 16 << 20  # bytes of an answer
_ROOM: Final = 160  # characters for what closes Markdown that is cut
_LONGEST_FENCE: Final = 80
_MOST_FOLDS: Final = 5  # of reports; they have one
_SHOWN: Final = 300  # characters of an error's text
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class ForgeError(Exception):
    """Why a request did not succeed. `status`: the answer's, 0 if there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def variable(name: str) -> str:
    """The value of an environment variable that the pipeline sets. Raises ForgeError if it is not set."""
    found = os.environ.get(name, "")
    if not found:
        raise ForgeError(f"the variable {name} is not set")
    return found


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """urllib would send the token along to wherever an answer leads."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Api:
    """An API at one address, with the headers that authenticate."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        """Raises ForgeError for an address to which a token would go in plain text."""
        parts = urllib.parse.urlsplit(address)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ForgeError(f"{address}: expected an address with https")
        self._address = address.rstrip("/")
        self._headers = {"User-Agent": "gatewright", "Content-Type": "application/json", **headers}
        self._opener = urllib.request.build_opener(_NoRedirects)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer to a request, as JSON; None if it is empty. Raises ForgeError.

        After an answer 5xx, or none, it is sent again, unless it is a POST: that may have been done, as by a server
        behind a proxy that answered 502 or 504, and done twice it would add two.
        """
        data = None if body is None else json.dumps(body).encode()
        for pause in (None,) if method == "POST" else (*_PAUSES, None):
            request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
                self._address + path, data=data, headers=self._headers, method=method
            )
            try:
                with self._opener.open(request, timeout=_TIMEOUT) as answer:
                    content = answer.read(_MOST + 1)
                if len(content) > _MOST:
                    raise ForgeError(f"{method} {path}: an answer of more than {_MOST >> 20} MiB")
                return json.loads(content) if content else None
            except urllib.error.HTTPError as error:
                with error:
                    if error.code < 500 or pause is None:
                        raise ForgeError(f"{method} {path}: {error.code} {_text_of(error)}", error.code) from None
            except (OSError, http.client.HTTPException) as error:
                if pause is None:
                    raise ForgeError(f"{method} {path}: {getattr(error, 'reason', error)}") from None
            except ValueError:
                raise ForgeError(f"{method} {path}: the answer is not JSON") from None
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def pages(self, path: str, most: int) -> list[Any]:
        """The items of a list that comes in pages of 100, at most so many pages. Raises ForgeError."""
        found: list[Any] = []
        for page in range(1, most + 1):
            items = self.ask("GET", f"{path}?per_page=100&page={page}")
            if not isinstance(items, list):
                raise ForgeError(f"GET {path}: expected a list")
            found += items
            if len(items) < 100:
                break
        return found


def _text_of(error: urllib.error.HTTPError) -> str:
    """The error in an answer: `message` of its JSON, else its reason."""
    try:
        found = json.loads(error.read(_MOST))
        text = found.get("message") or found.get("error") if isinstance(found, dict) else None
    except (OSError, ValueError, http.client.HTTPException):
        text = None
    return " ".join(str(text or error.reason).split())[:_SHOWN]


def limited(text: str, most: int, note: str) -> str:
    """The Markdown, cut at the end of a line so that with the note it has at most so many characters.

    What the cut leaves open is closed, a block of code and folded parts, so that the note is not hidden in it.
    """
    if len(text) <= most:
        return text
    kept = text[: most - len(note) - _ROOM]
    kept = kept[: kept.rfind("\n") + 1]
    at, fence, folded = _left_open(kept)
    if fence and len(fence) > _LONGEST_FENCE:
        kept, fence = kept[:at], ""
    folds = min(folded, _MOST_FOLDS)
    return kept + (f"{fence}\n" if fence else "") + "\n</details>\n" * folds + note


def _left_open(text: str) -> tuple[int, str, int]:
    """Where a block of code begins that the text leaves open, and its fence, or ""; and how many folded parts it leaves
    open."""
    at, fence, folded, place = 0, "", 0, 0
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        marks = bare[: len(bare) - len(bare.lstrip("`"))]
        if fence:
            if bare == marks and len(marks) >= len(fence):
                fence = ""
        elif len(marks) >= 3:
            at, fence = place, marks
        else:
            folded += bare.startswith("<details>") - bare.startswith("</details>")
        place += len(line)
    return at, fence, max(0, folded)


def said(message: str) -> None:
    """A line on stderr, for the log of the job."""
    sys.stderr.write(f"{message}\n")
