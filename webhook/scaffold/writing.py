"""A new policy: its files, from the templates beside this module, in a folder of its own."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from typing import Final

from webhook.documents import newfolder
from webhook.documents.yamlwriting import scalar

_TEMPLATES: Final = Path(__file__).parent / "templates"
_SUFFIX: Final = ".txt"  # a template is no policy, and no module
_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_MOST: Final = 63  # characters of a label in DNS
_TAKEN: Final = frozenset({"mutate", "validate"})
"""What the templates in Python import under names that a function could have."""


class NotWritten(Exception):
    """Why there is no new policy."""


def wrong_name(name: str, *, python: bool) -> str:
    """Why a policy cannot have this name; empty if it can. `python`: it is a function's name, too."""
    if not _NAME.fullmatch(name) or len(name) > _MOST:
        return (
            f"{name!r}: expected at most {_MOST} lower-case letters, digits and dashes, which begin and end with a "
            "letter or digit, such as team-label"
        )
    function = _function(name)
    if python and (not function.isidentifier() or keyword.iskeyword(function) or function in _TAKEN):
        return f"{name!r}: a policy in Python is a function, and {function} cannot be its name; choose another one"
    return ""


def write(name: str, tree: Path, *, python: bool, mutating: bool) -> list[Path]:
    """Write the files of a new policy to a folder of its name in the policy tree, all of them or none.

    name: one that `wrong_name` has nothing to say about. Returns the files, sorted. Raises NotWritten if there is
    something of that name already, and OSError.
    """
    folder = tree / name
    if folder.exists() or folder.is_symlink():
        raise NotWritten(f"{folder}: already exists; choose another name, or remove it first")
    contents: dict[str, bytes] = {}
    for source in sorted((_TEMPLATES / ("mutating" if mutating else "validating")).iterdir()):
        file = source.name.removesuffix(_SUFFIX)
        if file == ("policy.yaml" if python else "policy.py"):
            continue
        text = source.read_text(encoding="utf-8")
        if file.endswith(".yaml"):  # a name may read as a number
            text = text.replace(": @NAME@\n", f": {scalar(name)}\n")
        contents[file] = text.replace("@NAME@", name).replace("@FUNCTION@", _function(name)).encode()
    try:
        return newfolder.write(folder, contents)
    except newfolder.Unfinished as error:
        raise NotWritten(str(error)) from None


def _function(name: str) -> str:
    return name.replace("-", "_")
