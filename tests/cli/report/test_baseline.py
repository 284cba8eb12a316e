import json
from pathlib import Path

import pytest

from tests.cli.report.reports import CHECK, finding, report
from webhook.cli.report.baseline import BaselineError, read, written


def test_what_is_written_is_known(tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    file.write_text("".join(written(CHECK.findings)))
    moved = report("check", findings=[finding(message="new"), *CHECK.findings])
    new, known = read(str(file)).divided(moved.findings)
    assert [each.message for each in new] == ["new"]
    assert len(known) == len(CHECK.findings)
    assert {each.suppression and each.suppression.by for each in known} == {str(file)}


def test_the_order_is_that_of_the_content_and_a_finding_is_a_line() -> None:
    text = "".join(written(CHECK.findings))
    assert text == "".join(written(list(reversed(CHECK.findings))))
    assert len([line for line in text.splitlines() if "fingerprint" in line]) == len(CHECK.findings)
    assert json.loads(text)["version"] == 1
    assert json.loads("".join(written([]))) == {"version": 1, "findings": []}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory; --write-baseline writes it"),
        (b"{", "not JSON"),
        (b"[]", "expected a baseline of version 1, found None"),
        (b'{"version": 2}', "expected a baseline of version 1, found 2"),
        (b'{"version": 1, "findings": {}}', "expected a list of findings"),
        (b'{"version": 1, "findings": [{"fingerprint": "a"}, {}]}', "findings[1].fingerprint: expected text"),
        (b'{"version": 1, "findings": [3]}', "findings[0].fingerprint: expected text"),
    ],
)
def test_what_is_no_baseline(content: bytes | None, message: str, tmp_path: Path) -> None:
    file = tmp_path / "known.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BaselineError) as caught:
        read(str(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "known.json"
    file.write_text(" " * 100)
    monkeypatch.setattr("webhook.cli.report.baseline.MAX_SIZE", 99)
    with pytest.raises(BaselineError, match="more than"):
        read(str(file))
