"""The spans of versions in which shipped tables differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.schema import spans
from webhook.schema.spans import Lifetime
from webhook.versions import NEWEST, OLDEST, Version


def test_the_versions_are_all_that_may_be_named() -> None:
    assert spans.VERSIONS[0] == OLDEST
    assert spans.VERSIONS[-1] == NEWEST
    assert len(set(spans.VERSIONS)) == NEWEST[1] - OLDEST[1] + 1


def test_differences_are_joined_and_read_back() -> None:
    values: dict[Version, object] = {version: ["new"] for version in spans.VERSIONS}
    values |= {(1, 26): None, (1, 27): None, (1, 30): ["old"], (1, 31): ["old"], (1, 36): None}
    found = spans.differences(values.__getitem__)
    assert found == [[26, 27, None], [30, 31, ["old"]], [36, 36, None]]
    for version, value in values.items():
        assert spans.at(found, version) == ([] if value == ["new"] else [value])


def test_what_is_the_same_in_all_versions_has_no_span() -> None:
    assert spans.differences(lambda _: 1) == []


@pytest.mark.parametrize(
    ("having", "expected"),
    [
        ([], None),
        ([(1, 30)], None),
        ([(1, 33), (1, 34)], Lifetime((1, 33), None)),
        ([(1, 26), (1, 28)], Lifetime(None, (1, 28))),
        ([(1, 26), (1, 36)], Lifetime((1, 36), (1, 26))),
    ],
)
def test_when_something_is_known(having: list[Version], expected: Lifetime | None) -> None:
    assert spans.lifetime(having, (1, 30)) == expected


def test_a_table_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert spans.table(tmp_path / "none.json") == {}


def test_a_table_has_one_name_a_line_in_order() -> None:
    assert spans.text({"b": [[30, 31, {"y": 1, "x": 2}]], "a": {}}) == '{\n"a":{},\n"b":[[30,31,{"x":2,"y":1}]]\n}\n'
