"""The line that is shown below a finding: what is marked in it, and what of Secrets it never holds."""

from __future__ import annotations

import json

import pytest

from webhook.admission.redaction import Redaction
from webhook.documents.reader import parse
from webhook.excerpts import Excerpt
from webhook.offline.lines import MOST, shown_line
from webhook.paths import parse as path_of


def excerpt(text: str, path: str, redaction: Redaction | None = None, document: int = 0) -> Excerpt | None:
    documents, problems = parse(text, "in.yaml")
    assert not problems
    found = documents[document]
    return shown_line(found, found.position(path_of(path)), redaction or Redaction())


def marked(text: str, path: str) -> str:
    """The part of the line that is marked."""
    found = excerpt(f"kind: ConfigMap\n{text}", path)
    assert found is not None and found.end is not None
    return found.text[found.column - 1 : found.end - 1]


@pytest.mark.parametrize(
    ("text", "path", "part"),
    [
        ("spec: {a: 1, b: [2, 3], c: 'x, y'}\n", "spec.a", "a: 1"),
        ("spec: {a: 1, b: [2, 3], c: 'x, y'}\n", "spec.b", "b: [2, 3]"),
        ("spec: {a: 1, b: [2, 3], c: 'x, y'}\n", "spec.b[1]", "3"),
        ("spec: {a: 1, b: [2, 3], c: 'x, y'}\n", "spec.c", "c: 'x, y'"),
        ("spec:\n  a: 1  # one\n", "spec.a", "a: 1"),
        ("spec:\n  'a # b': x # one\n", "spec['a # b']", "'a # b': x"),
        ("spec:\n  - name: x\n    b: 1\n", "spec[0].name", "name: x"),
        ("spec:\n  - {name: x}\n", "spec[0]", "{name: x}"),
        ("spec: [{a: {b: [1]}, c: '}'}, {d: 1}]  # two\n", "spec[0]", "{a: {b: [1]}, c: '}'}"),
        ("spec: [{a: {b: [1]}, c: '}'}, {d: 1}]  # two\n", "spec[0].a", "a: {b: [1]}"),
        ("spec: [{a: {b: [1]}, c: '}'}, {d: 1}]  # two\n", "spec[1]", "{d: 1}"),
        ("spec: {a: {b: 1,\n  c: 2}, d: 1}\n", "spec.a", "a: {b: 1,"),
        ("spec: {a: {b: 1,  # one\n  c: 2}, d: x#y}\n", "spec.a", "a: {b: 1,"),
        ("spec: {a: {b: 1,  # one\n  c: 2}, d: x#y}\n", "spec.d", "d: x#y"),
        ("spec: {a: [], b: 1}\n", "spec.a", "a: []"),
        ("spec:\n", "spec", "spec:"),
        ("spec: {a: \"x}\\\" y\", b: 1}\n", "spec.a", 'a: "x}\\" y"'),
    ],
)  # fmt: skip
def test_what_is_marked(text: str, path: str, part: str) -> None:
    assert marked(text, path) == part


def test_of_a_long_line_a_part_is_shown() -> None:
    value = {"kind": "ConfigMap", "data": {**{f"k{n}": "v" * 50 for n in range(99)}, "last": "here", "z": "v" * 999}}
    found = excerpt(json.dumps(value), "data.last")
    assert found is not None and found.end is not None
    assert len(found.text) <= 2 * MOST + 2  # each side with a sign that it is cut
    assert found.text[found.column - 1 : found.end - 1] == '"last": "here"'


SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: db   # hunter2
stringData:
  password: hunter2
  other: >-
    hunter2
data: {a: aHVudGVyMg==}
"""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("metadata.name", "  name: …"),
        ("stringData", "stringData:"),
        ("stringData.password", "  password: …"),
        ("stringData.other", "  other: …"),
        ("data", "data: …"),
        ("data.a", None),
    ],
)
def test_of_a_secret_the_key_alone_is_shown(path: str, text: str | None) -> None:
    found = excerpt(SECRET, path)
    assert (found and found.text) == text


LIST = "{apiVersion: v1, kind: List, items: [{kind: KIND, data: {a: aHVudGVyMg==}}, {kind: ConfigMap, data: {b: c}}]}"


@pytest.mark.parametrize("kind", ["Secret", "!!binary U2VjcmV0", '"Secr\\x65t"', '"\\u0053ecret"', '"Sec\\\n  ret"'])
def test_a_line_with_a_secret_and_others_is_not_shown(kind: str) -> None:
    assert excerpt(LIST.replace("KIND", kind), "items[1].data.b") is None
    assert excerpt(LIST.replace("KIND", "ConfigMap"), "items[1].data.b") is not None


@pytest.mark.parametrize("kind", ["!!binary U2VjcmV0", '"Secr\\x65t"', '"\\u0053ecret"', '"Sec\\\n  ret"'])
def test_a_secret_is_one_however_its_kind_is_written(kind: str) -> None:
    found = excerpt(SECRET.replace("Secret", kind), "stringData.password")
    assert found is not None
    assert found.text == "  password: …"


def test_a_line_that_repeats_a_secret_is_not_shown() -> None:
    text = "kind: ConfigMap\ndata:\n  a: hunter2\n  b: free\n"
    redaction = Redaction.of([{"kind": "Secret", "stringData": {"password": "hunter2"}}])
    assert excerpt(text, "data.a", redaction) is None
    assert excerpt(text, "data.b", redaction) is not None
