from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from tests import goprograms
from tests.apiserver import oracle
from webhook.apiserver import generate, gotypes
from webhook.schema import shipped


def test_the_shipped_tables_are_those_of_kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [str(goprograms.built(oracle.SOURCE)), "types", str(shipped.FOLDER / shipped.INDEX)]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    monkeypatch.setattr("sys.stdin", io.StringIO(made))
    (tmp_path / "old.json").write_text("{}")
    assert generate.main(["--to", str(tmp_path)]) == 0
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        file.name: file.read_text() for file in gotypes.FOLDER.iterdir()
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"structs": {"a.B": [1]}}'])
def test_other_input(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert generate.main(["--to", str(tmp_path)]) == 2
    assert "expected the output of `go run . types INDEX` on stdin" in capsys.readouterr().err
