"""The modules and names that the source of a Python policy may use; others are refused when the policy is loaded.

A policy decides on what it is given. It needs no files, network, processes or threads, so it may import the standard
library's modules of pure computation and the libraries that Gatewright's policies are written with; `--policy-imports`
adds others. What does not show in the source is refused while the policy runs (webhook.policy.python.forbidding).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from typing import Final

from webhook.nearest import nearest
from webhook.policy.python.onlyreads import FRAMES, walk

# ruff: noqa: SIM905  # words are easier to read than lists of quoted words
DEFAULT: Final = frozenset(
    """
    __future__ abc annotated_types base64 binascii bisect calendar collections colorsys contextlib copy dataclasses
    datetime decimal difflib enum fnmatch fractions functools gatewright graphlib hashlib heapq hmac html ipaddress
    itertools json keyword logging math msgspec numbers operator orjson pprint pydantic pydantic_core random re reprlib
    statistics string struct textwrap time types typing typing_extensions unicodedata urllib.parse uuid warnings yaml
    zlib zoneinfo
    """.split()
)
"""The modules that every policy may import, each with the modules below it."""

_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

_BUILTINS: Final = {
    "open": "reads or writes files",
    "exec": "runs text as code",
    "eval": "runs text as code",
    "compile": "makes code of text",
    "__import__": "imports past the list of modules that policies may import",
    "__builtins__": "reaches all builtins",
    "__loader__": "imports past the list of modules that policies may import",
    "__spec__": "imports past the list of modules that policies may import",
    "breakpoint": "waits for a debugger",
    "input": "waits for a terminal",
}

_ATTRIBUTES: Final = FRAMES | frozenset(
    "__subclasses__ __globals__ __builtins__ __code__ __loader__ __import__ __closure__ gi_code".split()
)


def modules(text: str) -> frozenset[str]:
    """The modules of a list such as `numpy,requests.auth`. Raises ValueError if one is no module's name."""
    found = frozenset(part.strip() for part in text.split(",") if part.strip())
    for name in sorted(found):
        if not _MODULE.fullmatch(name):
            raise ValueError(f"{name!r} names no module; expected names such as numpy or google.protobuf")
    return found


def refused(tree: ast.Module, more: Collection[str] = ()) -> list[tuple[int, str]]:
    """The lines of a policy's source that no policy may have, each with the reason. `more`: modules beside DEFAULT."""
    nodes = walk(tree)
    allowed = DEFAULT.union(more)
    found: set[tuple[int, str]] = set()
    named: list[tuple[int, str]] = []  # uses of names that are builtins, unless the file binds them itself
    bound: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                if name in _BUILTINS:
                    named.append((node.lineno, name))
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.Attribute(attr=name) if name in _ATTRIBUTES:
                found.add((node.lineno, f"the attribute {name} leads past what a policy may reach"))
            case ast.Import(names=names):
                for alias in names:
                    if not _covered(alias.name, allowed):
                        found.add((node.lineno, _not_importable(alias.name, allowed)))
            case ast.ImportFrom(level=level) if level:
                found.add((node.lineno, _NEIGHBOUR))
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    if not (_covered(module, allowed) or _covered(f"{module}.{alias.name}", allowed)):
                        found.add((node.lineno, _not_importable(module, allowed)))
    found.update(
        (line, f"{name} {_BUILTINS[name]}, which a policy may not") for line, name in named if name not in bound
    )
    return sorted(found)


_NEIGHBOUR: Final = "a policy cannot import other files of the tree; repeat here what it needs of them"


def _covered(name: str, allowed: frozenset[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:length]) in allowed for length in range(1, len(parts) + 1))


def _not_importable(name: str, allowed: frozenset[str]) -> str:
    close = nearest(name, allowed)
    hint = f"did you mean {close}? If not, " if close else ""
    return (
        f"a policy may not import {name}: policies have no files, network, processes or threads; {hint}"
        f"allow it with --policy-imports {name}"
    )
