"""Paths: their text and back, and what they lead to."""

from __future__ import annotations

import pytest

from webhook.paths import ROOT, Path, lookup, parse, render

TEXTS: list[tuple[Path, str]] = [
    (ROOT, ""),
    (("spec", "containers", 0, "image"), "spec.containers[0].image"),
    ((0, "a", 12), "[0].a[12]"),
    (("metadata", "labels", "app.io/name"), "metadata.labels['app.io/name']"),
    (("data", "it's \\ here", "b"), "data['it\\'s \\\\ here'].b"),
    (("a-b", "_c", ""), "a-b._c['']"),
]


@pytest.mark.parametrize(("path", "text"), TEXTS)
def test_a_text_is_the_path_again(path: Path, text: str) -> None:
    assert render(path) == text
    assert parse(text) == path


def test_people_may_use_double_quotes() -> None:
    assert parse('metadata.labels["a.b/c"]') == ("metadata", "labels", "a.b/c")


@pytest.mark.parametrize(
    ("text", "offset"), [(".a", 0), ("a.", 1), ("a..b", 1), ("a[b]", 1), ("a[-1]", 1), ("a[0]b", 4), ("a b", 1)]
)
def test_what_is_no_path_is_refused_where_it_stops_being_one(text: str, offset: int) -> None:
    with pytest.raises(ValueError, match=f"not a path, at offset {offset}: "):
        parse(text)


def test_a_path_leads_into_a_value() -> None:
    value = {"spec": {"containers": [{"image": "nginx"}, {"image": None}]}}
    assert lookup(value, ROOT) is value
    assert lookup(value, parse("spec.containers[0].image")) == "nginx"
    assert lookup(value, parse("spec.containers[1].image"), "none") is None
    for text in ("spec.containers[2]", "spec.containers.image", "spec[0]", "spec.containers[1].image.tag", "kind"):
        assert lookup(value, parse(text), "none") == "none", text
