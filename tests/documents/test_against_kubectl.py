"""What kubectl reads of a file, asked of kubectl's own code: whatever it would create is read here, or is an error."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Final

import pytest

from tests.goprograms import answers, built
from webhook.documents.reader import Parsed, objects, parsed

CONFIG_MAP: Final = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
OTHER: Final = CONFIG_MAP.replace("name: a", "name: b")
POD: Final = "{apiVersion: v1, kind: Pod, metadata: {name: p}}"
JSON: Final = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "j"}}'
MARK: Final = "\ufeff"

SAME: Final[dict[str, str | bytes]] = {
    "a list of any kind": f"{CONFIG_MAP}items: [{POD}]\n",
    "items in another spelling": f"{CONFIG_MAP}Items: [{POD}]\n",
    "no items": f"{CONFIG_MAP}items: null\n",
    "an empty list": f"{CONFIG_MAP}items: []\n",
    "items that are a mapping": f"{CONFIG_MAP}items: {{a: b}}\n",
    "items that are text": f"{CONFIG_MAP}items: x\n",
    "an item without kind": f"{CONFIG_MAP}items: [{{metadata: {{name: s}}}}]\n",
    "an item with a kind alone": f"{CONFIG_MAP}items: [{{kind: Pod, metadata: {{name: s}}}}]\n",
    "an item with an apiVersion alone": f"{CONFIG_MAP}items: [{{apiVersion: v2}}]\n",
    "an item that is null": f"{CONFIG_MAP}items: [null, {POD}]\n",
    "a list without apiVersion": f"kind: X\nitems: [{POD}]\n",
    "a list without kind": f"apiVersion: v1\nitems: [{POD}]\n",
    "a typed list": "apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: q}}]\n",
    "a mark after a separator": f"{CONFIG_MAP}---\n{MARK}{OTHER}",
    "a mark on a line of its own": f"{CONFIG_MAP}---\n{MARK}\n{OTHER}",
    "a mark before a separator": f"{CONFIG_MAP}{MARK}---\n{OTHER}",
    "a mark at the beginning": f"{MARK}---\n{CONFIG_MAP}",
    "two marks": f"{MARK}{MARK}{CONFIG_MAP}",
    "a mark before JSON": f"{CONFIG_MAP}---\n{MARK}{JSON}",
    "a key twice": f"{CONFIG_MAP}data: {{a: b}}\ndata: {{c: d}}\n",
    "a name twice": "apiVersion: v1\nkind: Pod\nmetadata: {name: a, name: b}\n",
    "a merge key twice": f"{CONFIG_MAP}x: &a {{p: 1}}\nw: &b {{p: 2, q: 3}}\nz:\n  <<: *a\n  <<: *b\n  r: 1\n  p: 7\n",
    "a key before and after a merge": f"{CONFIG_MAP}x: &a {{p: 1, q: 2}}\nz: {{p: 3, <<: *a, q: 4}}\n",
    "a key twice in JSON": JSON[:-1] + ', "kind": "ConfigMap", "metadata": {"name": "k"}}',
    "JSON after JSON": JSON + JSON,
    "YAML after JSON": f"{JSON}\n{CONFIG_MAP}",
    "a separator after JSON": f"{JSON}\n---\n{CONFIG_MAP}",
    "a list": f"- {POD}\n",
    "a tag": f"{CONFIG_MAP}data: !x {{a: !y b}}\n",
    "lines that end in a carriage return": CONFIG_MAP.replace("\n", "\r"),
    "a block of text that the file ends in": f"{CONFIG_MAP}data:\n  a: |\n    b",
    "a folded block that the file ends in": f"{CONFIG_MAP}data:\n  a: >\n    b\n    c",
    "a kept block that the file ends in": f"{CONFIG_MAP}data:\n  a: |+\n    b",
    "a stripped block that the file ends in": f"{CONFIG_MAP}data:\n  a: |-\n    b",
    "a block of text before a separator": f"data:\n  a: |\n    b\n{CONFIG_MAP}---\n{OTHER}data: {{a: |\n  b",
    "text that the file ends in": f"{CONFIG_MAP}data:\n  a: b",
    "colons before brackets and commas": f"{CONFIG_MAP}a: [1.2.3.4, fd00::, ::1, 001:db8::]\nb: {{c: d::, e: ::}}\n",
    "colons in nested flows": f'{CONFIG_MAP}a: [[::], {{b: [fe80::, x]}}, {{c: d}}]\nd: ["e":, f]\n',
    "a key in a flow with nothing after it": f"{CONFIG_MAP}a: {{b:, c: d}}\n",
    "a key at the end of a flow": f"{CONFIG_MAP}a: {{b:}}\n",
    "a quoted key next to its value": f'{CONFIG_MAP}a: {{"b":[1], "c":{{d: e}}}}\n',
    "a key in a list in a flow": f"{CONFIG_MAP}a: [b:, c]\ne: [f:[1]]\n",
    "UTF-16": CONFIG_MAP.encode("utf-16"),
    "a template": f"{CONFIG_MAP}data: {{{{ .Values.x }}}}\n",
}
"""Read here as kubectl reads it, objects and order."""

MORE: Final[dict[str, str | bytes]] = {
    "what follows the end of a document": f"{CONFIG_MAP}...\n{OTHER}",
    "a broken end": f"{CONFIG_MAP}...\na: [\n",
    "a broken document between": f"{CONFIG_MAP}---\na: {{{{ x }}}}\n---\n{OTHER}",
    "an item that is a number": f"{CONFIG_MAP}items: [1, {POD}]\n",
    "a list in a list": f"apiVersion: v1\nkind: List\nitems: [{{apiVersion: v1, kind: List, items: [{POD}]}}]\n",
    "a separator with text": f"{CONFIG_MAP}---x: 1\n{OTHER}",
    "two values of JSON, then YAML": f"{JSON}\n{JSON}\n---\n{CONFIG_MAP}",
}
"""kubectl stops or refuses; here the rest is read, too."""

ERRORS: Final[dict[str, str | bytes]] = {
    "bytes that are not UTF-8": CONFIG_MAP.encode() + b"data: {a: \xff}\n",
    "very deep": f"{CONFIG_MAP}data: {'[' * 260}{']' * 260}\n",
    "keys that are equal in JSON": f"{CONFIG_MAP}data: {{1: a, '1': b}}\n",
    "a mark after a comment": f"---\n# x\n{MARK}apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n",
}
"""kubectl reads them; here they are an error, which nothing passes over."""


@pytest.fixture(scope="module")
def kubectl() -> Path:
    return built(Path(__file__).parent / "kubectl")


def asked(kubectl: Path, folder: Path, contents: list[str | bytes]) -> list[list[dict[str, Any]]]:
    """The objects with apiVersion and kind that kubectl reads of each."""
    questions = []
    for index, content in enumerate(contents):
        file = folder / f"{index}.yaml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        questions.append({"path": str(file)})
    return [
        [each["object"] for each in answer["objects"] if {"apiVersion", "kind"} <= set(each["object"])]
        for answer in answers(kubectl, questions)
    ]


def ours(content: str | bytes) -> tuple[list[dict[str, Any]], Parsed]:
    found = parsed(content if isinstance(content, bytes) else content.encode(), "f.yaml")
    return [document.value for document in objects(found.documents)[0]], found


def test_objects_are_those_that_kubectl_reads(kubectl: Path, tmp_path: Path) -> None:
    for (name, content), theirs in zip(SAME.items(), asked(kubectl, tmp_path, list(SAME.values())), strict=True):
        assert ours(content)[0] == theirs, name


def test_nothing_that_kubectl_reads_is_missing(kubectl: Path, tmp_path: Path) -> None:
    for (name, content), theirs in zip(MORE.items(), asked(kubectl, tmp_path, list(MORE.values())), strict=True):
        read, _ = ours(content)
        assert [value for value in theirs if value not in read] == [], name


def test_what_is_not_read_here_is_an_error(kubectl: Path, tmp_path: Path) -> None:
    for (name, content), theirs in zip(ERRORS.items(), asked(kubectl, tmp_path, list(ERRORS.values())), strict=True):
        _, found = ours(content)
        wrong = [each for each in found.unread if not each.grammar] or objects(found.documents)[1]
        assert wrong, name
        assert theirs or name == "a mark after a comment", name  # whose kind has no apiVersion


LINES: Final = (
    *("apiVersion: v1", "kind: Pod", "metadata: {name: p}", "metadata:", "  name: p", "items:", f"- {POD}"),
    *("---", "--- ", "...", "%YAML 1.1", "# c", "{{ x }}", "a: {{ x }}", "a: '{{ x }}'", JSON, "}", "{", "[", "- x"),
    *("<<: {a: b}", "a: &a b", "c: *a", "? x", ": y", "a: |", "  text", "a: >-", "\ta: b", "  - b", '"kind": "Pod"'),
    *(
        f"{MARK}kind: Pod",
        "kind : Pod",
        "!!map",
        "!x",
        "? {a: b}",
        "a: 'x",
        "'",
        "\u2028",
        "\u0085",
        "null",
        "~",
        "a: [",
    ),
    *("  apiVersion: v1", "  kind: Pod", "  metadata: {name: q}", "- apiVersion: v1", "kind: Pod # {{", "{a: b, }"),
)


def test_whatever_kubectl_reads_of_a_broken_text_is_read_or_an_error(kubectl: Path, tmp_path: Path) -> None:
    """What is left out as a template, or as no manifest, must be in no grammar: see webhook/offline/manifests.py."""
    chance = random.Random(2026)
    contents: list[str | bytes] = []
    for _ in range(3_000):
        lines = [chance.choice(LINES) for _ in range(chance.randint(1, 5))]
        at = chance.randint(0, len(lines))
        contents.append("\n".join([*lines[:at], *CONFIG_MAP.splitlines(), *lines[at:]]) + chance.choice(("\n", "")))
    read_by_kubectl = 0
    for content, theirs in zip(contents, asked(kubectl, tmp_path, contents), strict=True):
        read_by_kubectl += bool(theirs)
        read, found = ours(content)
        missing = [value for value in theirs if value not in read]
        errors = [each for each in found.unread if not each.grammar or MARK in each.text]
        assert not missing or errors or objects(found.documents)[1], (content, missing)
    assert read_by_kubectl > 500
