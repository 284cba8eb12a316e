from __future__ import annotations

import codecs

import pytest

from webhook.documents.reader import parsed
from webhook.documents.spelling import may_hide_words

HIDDEN = {
    "by a number": 'kind: "N\\x61mespace"',
    "by a number of four": '{"kind": "N\\u0061mespace"}',
    "by a number of eight": 'kind: "N\\U00000061mespace"',
    "on two lines": 'kind: "Name\\\n  space"',
    "on two lines of Windows": 'kind: "Name\\\r\n  space"',
    "on two lines of an old kind": 'kind: "Name\\\x85  space"',
    "on two lines of another kind": 'kind: "Name\\\u2028  space"',
    "in base64": "kind: !!binary TmFtZXNwYWNl",
    "in base64 by an escaped tag": "kind: !!b%69nary TmFtZXNwYWNl",
    "in base64 by a whole tag": "kind: !<tag:yaml.org,2002:binary> TmFtZXNwYWNl",
}
PLAIN = {
    "plain": "kind: Namespace",
    "quoted": "kind: 'Namespace'",
    "folded": "kind: >-\n  Namespace",
    "an alias": "a: &a Namespace\nkind: *a",
    "merged": "a: &a {kind: Namespace}\n<<: *a",
    "another escape": 'a: "\\n\\t\\"\\\\ x"\nkind: "Namespace"',
    "a tag": "kind: !!str Namespace",
    "a tag of nobody": "kind: !binary Namespace",
}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
def test_a_word_that_the_characters_do_not_show(text: str) -> None:
    assert [document.value["kind"] for document in parsed(text, "a.yaml").documents] == ["Namespace"]
    assert "Namespace" not in text
    assert may_hide_words(text)
    assert may_hide_words(text.encode())


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_a_word_that_stands_there(text: str) -> None:
    assert [document.value["kind"] for document in parsed(text, "a.yaml").documents] == ["Namespace"]
    assert "Namespace" in text
    assert not may_hide_words(text)
    assert not may_hide_words(text.encode())


def test_a_tag_that_is_declared_is_in_doubt() -> None:
    assert may_hide_words("%TAG !e! tag:yaml.org,2002:bin\n--- \nkind: !e!ary TmFtZXNwYWNl")


@pytest.mark.parametrize("order", ["le", "be"])
def test_another_encoding_shows_no_words(order: str) -> None:
    mark = codecs.BOM_UTF16_LE if order == "le" else codecs.BOM_UTF16_BE
    content = mark + "kind: Namespace".encode(f"utf-16-{order}")
    assert [document.value["kind"] for document in parsed(content, "a.yaml").documents] == ["Namespace"]
    assert may_hide_words(content)
