"""One note on a merge request, against a server that keeps notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forge.servers import Forge, serving
from webhook.forge import exchange, gitlab


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    monkeypatch.setattr(exchange, "_PAUSES", (0.01, 0.01))
    with serving() as found:
        for name, value in {
            "CI_API_V4_URL": found.address,
            "CI_PROJECT_ID": "5",
            "CI_MERGE_REQUEST_IID": "7",
            "GATEWRIGHT_TOKEN": "t-ann",
        }.items():
            monkeypatch.setenv(name, value)
        yield found


def test_a_note_is_written_once_and_then_updated(
    forge: Forge, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forge.add("<!-- gatewright -->\nby somebody else", "mallory")
    report = tmp_path / "report.md"
    for text in ("first", "second"):
        report.write_text(text)
        assert gitlab.main([str(report)]) == 0
    assert [each["body"] for each in forge.comments[1:]] == ["<!-- gatewright -->\nsecond"]
    assert forge.comments[0]["body"].endswith("by somebody else")
    assert capsys.readouterr().err == "note written\nnote updated\n"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GATEWRIGHT_TOKEN", "", "the variable GATEWRIGHT_TOKEN is not set"),
        ("GATEWRIGHT_TOKEN", "wrong", "GET /user: 401 Bad credentials"),
        ("CI_MERGE_REQUEST_IID", "7/../8", "expected numbers"),
        ("CI_API_V4_URL", "http://example.com", "expected an address with https"),
    ],
)
def test_what_is_wrong_is_said(
    variable: str,
    value: str,
    said: str,
    forge: Forge,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    (tmp_path / "r.md").write_text("x")
    assert gitlab.main([str(tmp_path / "r.md")]) == 1
    assert said in capsys.readouterr().err
    assert forge.comments == []


def test_wrong_usage(forge: Forge) -> None:
    assert gitlab.main([]) == 2
    assert gitlab.main(["/missing.md"]) == 1
