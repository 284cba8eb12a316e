"""One comment on a pull request, and the upload of findings, against a server that keeps comments."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forge.servers import Forge, serving
from webhook.forge import exchange, github
from webhook.forge.exchange import Api, ForgeError, limited


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Forge]:
    monkeypatch.setattr(exchange, "_PAUSES", (0.01, 0.01))
    with serving() as found:
        for name, value in {
            "GITHUB_API_URL": found.address,
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_TOKEN": "t-job",
            "GITHUB_SHA": "a" * 40,
            "GITHUB_REF": "refs/pull/7/merge",
            "PULL_REQUEST": "7",
        }.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "report.md"
    file.write_text("### Policy impact\n")
    return file


def test_a_comment_is_posted_once_and_then_updated(
    forge: Forge, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert github.main(["comment", str(report)]) == 0
    report.write_text("### Nothing changes\n")
    assert github.main(["comment", str(report)]) == 0
    assert [each["body"] for each in forge.comments] == ["<!-- gatewright  -->\n### Nothing changes\n"]
    assert capsys.readouterr().err == "comment posted\ncomment updated\n"
    assert github.main(["comment", str(report), "shop"]) == 0  # of another job
    assert len(forge.comments) == 2


@pytest.mark.parametrize(
    ("token", "login"), [("t-job", "github-actions[bot]"), ("t-app", "shop-policies[bot]"), ("t-ann", "ann")]
)
def test_only_the_comment_of_the_token_is_updated_on_any_page(
    token: str, login: str, forge: Forge, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", token)
    forge.add("<!-- gatewright  -->\nby somebody else", "mallory")
    for number in range(150):
        forge.add(f"talk {number}", "ann")
    forge.add("> <!-- gatewright  --> quoted", login)
    forge.add("<!-- gatewright  -->\nours", login)
    assert github.main(["comment", str(report)]) == 0
    assert forge.comments[0]["body"].endswith("by somebody else")
    assert forge.comments[-1]["body"] == "<!-- gatewright  -->\n### Policy impact\n"
    assert len(forge.comments) == 153


def test_comments_of_other_apps_stay(forge: Forge, report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app may not ask who it is: it tries what apps wrote, some of them, and else posts."""
    forge.add("<!-- gatewright  -->\nof the job", "github-actions[bot]")
    monkeypatch.setenv("GITHUB_TOKEN", "t-app")
    for text in ("first", "second"):
        report.write_text(text)
        assert github.main(["comment", str(report)]) == 0
    assert [each["body"].partition("\n")[2] for each in forge.comments] == ["of the job", "second"]
    forge.comments[1:] = []
    for number in range(20):
        forge.add("<!-- gatewright  -->\n", f"{number}[bot]")
    assert github.main(["comment", str(report)]) == 0
    assert sum(each.startswith("PATCH") for each in forge.asked) == 1 + 2 + 5
    assert len(forge.comments) == 22


def test_a_long_report_is_cut_at_a_line_and_says_so(forge: Forge, report: Path) -> None:
    report.write_text("0123456789" * 10 + "\n" + "é line\n" * 20_000)
    assert github.main(["comment", str(report)]) == 0
    body = forge.comments[0]["body"]
    assert 64_700 < len(body) <= 65_000
    assert body.endswith("é line\n\n*This is cut off; the whole is in the summary of the job.*\n")
    assert limited("short", 5, "!") == "short"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("<details><summary>1</summary>\n\n", "line\n\n</details>\nNOTE"),
        ("<details><summary>1</summary>\n\n```diff\n", "line\n```\n\n</details>\nNOTE"),
        ("<details><summary>1</summary>\n\n</details>\n\n````\n```\n</details>\n", "line\n````\nNOTE"),
        ("```\n<details>\n```\n", "line\nNOTE"),
        ("before\n" + "`" * 500 + "\n", "before\nNOTE"),
    ],
)
def test_the_note_of_a_cut_report_is_not_folded_or_code(start: str, end: str) -> None:
    cut = limited(start + "line\n" * 1000, 1000, "NOTE")
    assert len(cut) <= 1000 and cut.startswith(start[:7])
    assert cut.endswith(end)


def test_the_mark_cannot_end_the_sign(forge: Forge, report: Path) -> None:
    assert github.main(["comment", str(report), "--> @everyone <!--"]) == 0
    assert forge.comments[0]["body"].startswith("<!-- gatewright -- everyone -- -->\n")


def test_findings_are_uploaded_for_the_commit(forge: Forge, tmp_path: Path) -> None:
    (tmp_path / "f.sarif").write_text('{"version": "2.1.0"}')
    assert github.main(["sarif", str(tmp_path / "f.sarif")]) == 0
    body = forge.bodies[-1]
    assert (body["commit_sha"], body["ref"]) == ("a" * 40, "refs/pull/7/merge")
    assert gzip.decompress(base64.b64decode(body["sarif"])) == b'{"version": "2.1.0"}'


def test_a_token_that_may_only_read_is_a_warning(
    forge: Forge, report: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "t-read")
    assert github.main(["comment", str(report)]) == 0
    assert capsys.readouterr().err == (
        "::warning title=gatewright comment::POST /repos/o/r/issues/7/comments: 403 Resource not accessible by "
        "integration; needs the permission pull-requests: write, which forks do not have\n"
    )


def test_what_fails_in_passing_is_asked_again(forge: Forge, report: Path) -> None:
    forge.failures = [502, 0]
    assert github.main(["comment", str(report)]) == 0
    assert [each.split()[1] for each in forge.asked[:3]] == ["/user"] * 3
    assert len(forge.comments) == 1


@pytest.mark.parametrize("failure", [0, 500, 502, 503, 504])
def test_a_comment_is_not_posted_twice_for_a_lost_answer(failure: int, forge: Forge) -> None:
    api = Api(forge.address, {"Authorization": "Bearer t-job"})
    forge.failures = [failure]
    with pytest.raises(ForgeError, match="POST /repos/o/r/issues/7/comments: "):
        api.ask("POST", "/repos/o/r/issues/7/comments", {"body": "x"})
    assert len(forge.asked) == 1


def test_an_outage_is_an_error(forge: Forge, report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forge.failures = [503, 503, 503]
    assert github.main(["comment", str(report)]) == 1
    assert "::error title=gatewright comment::GET /user: 503 Service Unavailable" in capsys.readouterr().err


def test_the_token_goes_nowhere_else(forge: Forge, report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forge.failures = [302]
    assert github.main(["comment", str(report)]) == 1
    assert forge.asked == ["GET /user"]
    for address in ("http://example.com", "ftp://127.0.0.1", "file:///etc/passwd", ""):
        with pytest.raises(ForgeError, match="expected an address with https"):
            Api(address, {})
    monkeypatch.setenv("GITHUB_API_URL", "http://example.com")
    assert github.main(["comment", str(report)]) == 1


@pytest.mark.parametrize("number", ["", "7/../../x", "\u0667", "7\n"])
def test_a_number_of_a_pull_request_is_one(
    number: str, forge: Forge, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULL_REQUEST", number)
    assert github.main(["comment", str(report)]) == 1
    assert forge.asked == []


def test_wrong_usage(forge: Forge, tmp_path: Path) -> None:
    assert github.main([]) == 2
    assert github.main(["comment"]) == 2
    assert github.main(["comment", str(tmp_path / "missing.md")]) == 1
