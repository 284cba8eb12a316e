"""The reports are read by violations-lib, the parsers of plugins for Jenkins, GitLab, GitHub and Bitbucket."""

import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from tests.cli.report.reports import CHECK, finding, report, written
from tests.timing import HANGING

FOLDER = Path(__file__).parent / "consumer"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright"
FORMATS = {"SARIF": "sarif", "CHECKSTYLE": "checkstyle", "CODECLIMATE": "gitlab", "JUNIT": "junit"}


@cache
def jars() -> Path | None:
    """The library, fetched once by Maven; None where there is none to be had."""
    if shutil.which("java") is None or shutil.which("mvn") is None:
        return None
    pom = FOLDER / "pom.xml"
    folder = CACHE / f"violations-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}"
    if not folder.is_dir():
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-f", str(pom), f"-DoutputDirectory={fresh}"]
        if subprocess.run(command, check=False, capture_output=True, timeout=HANGING).returncode:
            return None
        if not folder.is_dir():
            fresh.rename(folder)
    return folder


def read(folder: Path, **reports: str) -> list[list[str]]:
    """What the library reads: parser, file, line, severity, rule, message of each."""
    library = jars()
    if library is None:
        pytest.skip("neither Java with Maven nor its library are to be had")
    arguments: list[str] = []
    for parser, text in reports.items():
        (folder / f"report-{parser}.txt").write_text(text)
        arguments += [parser, str(folder / f"report-{parser}.txt")]
    command = ["java", "-cp", f"{library}/*", str(FOLDER / "Reads.java"), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=HANGING)
    assert (done.returncode, "SEVERE" in done.stderr, "WARNING" in done.stderr) == (0, False, False), done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_each_format_is_read(tmp_path: Path) -> None:
    found = [finding(), finding(level="warn", message="second", place=finding().place.__class__("deploy/a.yaml", 14))]
    of = report("check", findings=found, rules=CHECK.rules)
    lines = read(tmp_path, **{parser: written(of, name) for parser, name in FORMATS.items()})
    places = {
        parser: [(file, line, severity) for each, file, line, severity, *_ in lines if each == parser]
        for parser in FORMATS
    }
    both = [("deploy/web.yaml", "12", "ERROR"), ("deploy/a.yaml", "14", "WARN")]
    assert (places["SARIF"], places["CHECKSTYLE"]) == (both, both)
    assert [each[:2] for each in places["CODECLIMATE"]] == [each[:2] for each in both]
    assert places["JUNIT"] == both[:1]  # it reads failures only
    assert all("image 'nginx' has no digest" in each[5] for each in lines if each[2] == "12" and each[0] != "SARIF")


def test_hostile_texts_are_read(tmp_path: Path) -> None:
    read_in = read(tmp_path, **{parser: written(CHECK, name) for parser, name in FORMATS.items()})
    counts = {parser: sum(each[0] == parser for each in read_in) for parser in FORMATS}
    assert all(count >= 4 for count in counts.values()), counts
