"""Sends results from the template for GitLab: FILE as a note on the merge request, or as an update of the note.

    python -m webhook.forge.gitlab FILE

Settings are the variables that a job has: CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID; and GATEWRIGHT_TOKEN, an
access token with the scope `api`, for a job's own token may not write notes. Exit code: 0 sent, 1 not, 2 wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from webhook.forge.exchange import Api, ForgeError, limited, said, variable

MOST: Final = 900_000  # characters of a note; GitLab takes 1,000,000
_SIGN: Final = "<!-- gatewright -->"
_PAGES: Final = 30  # of notes
_CUT: Final = "\n*This is cut off; the whole is an artifact of the job.*\n"
_VARIABLES: Final = ("CI_API_V4_URL", "CI_PROJECT_ID", "CI_MERGE_REQUEST_IID", "GATEWRIGHT_TOKEN")


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments say; the exit code."""
    if len(arguments) != 1:
        said(f"expected FILE, got {list(arguments)}")
        return 2
    try:
        address, project, number, token = (variable(name) for name in _VARIABLES)
        text = Path(arguments[0]).read_text(encoding="utf-8", errors="replace")
        said(note(Api(address, {"PRIVATE-TOKEN": token}), text, project, number))
    except OSError as error:
        said(f"gatewright note: {error.filename}: {error.strerror}")
        return 1
    except ForgeError as error:
        said(f"gatewright note: {error}")
        return 1
    return 0


def note(api: Api, text: str, project: str, number: str) -> str:
    """Write the text as a note on a merge request, or update that of the token's own user; what was done.

    Raises ForgeError.
    """
    if not (project + number).isascii() or not (project.isdigit() and number.isdigit()):
        raise ForgeError(f"CI_PROJECT_ID and CI_MERGE_REQUEST_IID: expected numbers, got {project!r} and {number!r}")
    user = api.ask("GET", "/user")
    own = user.get("id") if isinstance(user, dict) else None
    body = {"body": f"{_SIGN}\n{limited(text, MOST, _CUT)}"}
    path = f"/projects/{project}/merge_requests/{number}/notes"
    for each in api.pages(path, _PAGES):
        if str(each.get("body", "")).startswith(_SIGN) and (each.get("author") or {}).get("id") == own:
            api.ask("PUT", f"{path}/{int(each['id'])}", body)
            return "note updated"
    api.ask("POST", path, body)
    return "note written"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
