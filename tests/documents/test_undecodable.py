"""Whoever decodes JSON with msgspec expects all that it raises of hostile texts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from webhook.documents.undecodable import UNDECODABLE

ROOT = Path(__file__).parents[2]

OF_OURS = {
    "webhook/policy/load/faultless.py": "a file of the package",
    "webhook/recordings/writing.py": "the argument that the server starts the process with",
    "webhook/server/page/lastaudit.py": "lines of a process of ours, which has decoded the report itself",
    "webhook/server/policies/rehearsal.py": "lines of a process of ours; its caller expects what a policy writes there",
    "webhook/server/policies/together.py": "lines of the other workers",
}
"""Modules that decode what Gatewright itself has written, and nobody else could."""


def decoding(tree: ast.AST, guarded: bool = False) -> Iterator[tuple[int, bool]]:
    """The line of each call of msgspec.json.decode, and whether UNDECODABLE is expected there."""
    if isinstance(tree, ast.Call) and ast.unparse(tree.func) == "msgspec.json.decode":
        yield tree.lineno, guarded
    for name, value in ast.iter_fields(tree):
        inside = guarded
        if isinstance(tree, ast.Try) and name == "body":
            inside = any(each.type and "UNDECODABLE" in ast.unparse(each.type) for each in tree.handlers)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from decoding(child, inside)


def test_all_that_is_raised_is_expected() -> None:
    found = dict[str, list[tuple[int, bool]]]()
    for path in sorted((ROOT / "webhook").rglob("*.py")):
        if calls := list(decoding(ast.parse(path.read_text()))):
            found[path.relative_to(ROOT).as_posix()] = calls
    assert found.keys() > OF_OURS.keys()
    assert [
        f"{file}:{line}" for file, calls in found.items() if file not in OF_OURS for line, ok in calls if not ok
    ] == []


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b'{"a":"\xff"}', b'{"a":' + b"[" * 100_000, b'{"a":1e999}'])
def test_what_is_raised(text: bytes) -> None:
    with pytest.raises(UNDECODABLE):
        msgspec.json.decode(text)


def test_half_characters_are_no_utf_8() -> None:
    with pytest.raises(UNDECODABLE):
        msgspec.json.decode('["\ud800"]')
