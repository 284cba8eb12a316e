import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.report.reports import REPORTS
from webhook.cli.report.model import Finding, Place, Report, fingerprinted
from webhook.cli.report.writing import FORMATS, Target, fingerprints, pieces, says_all, targets, write

REPORT = Report(command="lint", findings=[Finding(rule="r", level="error", message="wrong", place=Place("a.yaml", 1))])


def test_formats_and_their_places() -> None:
    assert targets([]) == (Target("text"),)
    assert targets(["json"]) == (Target("json"),)
    assert targets(["JSON=out/a=b.json", "text"]) == (Target("json", "out/a=b.json"), Target("text"))
    assert targets(["yaml=-"]) == (Target("yaml"),)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (["jsn"], "got 'jsn'; did you mean json?"),
        (["sheet"], f"with one of {', '.join(FORMATS)}, got 'sheet'"),
        (["json="], "'json=' names no file"),
        (["json", "text"], "two reports cannot both be written to stdout; name a file"),
        (["json=a", "text=./a"], "two reports cannot both be written to ./a"),
    ],
)
def test_what_cannot_be_written(named: list[str], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        targets(named)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", FORMATS)
def test_fingerprints_are_made_for_formats_that_show_them(name: str) -> None:
    wanted = [replace(REPORT, findings=list(fingerprinted(REPORT.findings))), REPORT]
    one, other = ("".join(pieces(each, name)) for each in wanted)
    assert fingerprints([Target("text"), Target(name, "f")]) == (one != other)


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("form", FORMATS)
def test_no_text_of_a_policy_or_a_manifest_is_a_command_for_a_runner(form: str, name: str) -> None:
    """Runners read what goes to stdout, whatever its format. Those of GitHub skip blanks before `::`."""
    text = "".join(pieces(REPORTS[name], form))
    assert not re.search(r"##[a-z]*\[", text)
    if form != "github":  # which is made of commands
        assert not re.search(r"^\s*::[A-Za-z]", text, re.MULTILINE)


def test_stderr_stays_empty_where_stdout_says_all() -> None:
    assert [says_all(targets(each)) for each in (["json"], ["yaml"], ["text"], ["json=f"], ["json", "text=f"])] == [
        True, True, False, False, True,
    ]  # fmt: skip


def test_a_file_is_written_as_a_whole_with_usual_permissions(tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    assert write(REPORT, [Target("text", str(file))])
    assert "error r\n      wrong" in file.read_text()
    assert not stat.S_IMODE(file.stat().st_mode) & 0o111 and stat.S_IMODE(file.stat().st_mode) & 0o400
    file.chmod(0o640)
    assert write(REPORT, [Target("json", str(file))])
    assert file.read_text().startswith('{\n  "command": "lint"')
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "missing" / "report.json")
    assert not write(REPORT, [Target("json", missing)])
    assert capsys.readouterr().err == f"error: {missing}: the report cannot be written: No such file or directory\n"
    assert not write(REPORT, [Target("json", str(tmp_path))])
    assert "Is a directory" in capsys.readouterr().err


def test_a_device_is_written_to() -> None:
    assert write(REPORT, [Target("text", "/dev/null")])
    assert Path("/dev/null").is_char_device()


def test_stdout_by_its_name_stays_a_link(tmp_path: Path) -> None:
    before = Path("/dev/stdout").readlink()
    code = (
        "from tests.cli.report.test_writing import REPORT; from webhook.cli.report.writing import Target, write;"
        "assert write(REPORT, [Target('text', '/dev/stdout')])"
    )
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", code], check=True, stdout=out, cwd=Path(__file__).parents[3])
    assert Path("/dev/stdout").readlink() == before
    assert (tmp_path / "out").read_text()


def test_another_link_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere", tmp_path / "report.txt"
    target.write_text("of another")
    link.symlink_to(target)
    assert write(REPORT, [Target("text", str(link))])
    assert (target.read_text(), link.is_symlink()) == ("of another", False)


def test_a_report_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    file.write_text("before")
    broken = Report(command="lint", findings=[REPORT.findings[0], None])  # type: ignore[list-item]
    with pytest.raises(AttributeError):
        write(broken, [Target("json", str(file))])
    assert (file.read_text(), list(tmp_path.iterdir())) == ("before", [file])
