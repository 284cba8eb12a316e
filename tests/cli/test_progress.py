import io

import pytest

from webhook.cli import progress
from webhook.cli.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_short_run_tells_nothing() -> None:
    stream = Terminal()
    with ProgressBar(stream) as bar:
        bar.step("checking", 1, 2)
    assert stream.getvalue() == ""


def test_a_long_run_tells_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    for stream, told in ((Terminal(), True), (io.StringIO(), False)):
        with ProgressBar(stream) as bar:
            bar.step("checking", 1, 2)
        assert ("checking" in stream.getvalue()) is told
