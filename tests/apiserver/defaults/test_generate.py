from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest

from tests import goprograms
from tests.apiserver import oracle
from webhook.apiserver.defaults import generate
from webhook.apiserver.defaults.defaulting import FOLDER
from webhook.schema import shipped


def test_the_shipped_tables_are_those_of_kubernetes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [str(goprograms.built(oracle.SOURCE)), "defaulters", str(shipped.FOLDER / shipped.INDEX)]
    done = subprocess.run(command, cwd=oracle.SOURCE, capture_output=True, text=True, check=True, timeout=60)
    monkeypatch.setattr("sys.stdin", io.StringIO(done.stdout))
    (tmp_path / "old.json").write_text("{}")
    assert generate.main(["--to", str(tmp_path)]) == 0
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        file.name: file.read_text() for file in FOLDER.iterdir()
    }


@pytest.mark.parametrize("text", ["", "[]", '{"io.k8s.api.core.v1": {"Pod": []}}'])
def test_other_input(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert generate.main(["--to", str(tmp_path)]) == 2
    assert "expected the output of `go run . defaulters INDEX` on stdin" in capsys.readouterr().err


def test_a_function_that_is_not_written_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tables = {
        "io.k8s.api.core.v1": {
            "Pod": {"run": ["core.v1.Novelty"], "into": {"spec": "struct io.k8s.api.core.v1.PodSpec"}},
            "PodSpec": {"run": ["novel.v1.PodSpec"], "values": {"a": 1}},
            "Unused": {"run": ["core.v1.Unused"]},
        }
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(tables)))
    assert generate.main(["--to", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "core.v1.Novelty is in no module" in said
    assert "novel.v1.PodSpec is in no module" in said
    assert "Unused" not in said
    assert json.loads((tmp_path / "io.k8s.api.core.v1.json").read_text()) == {
        "Pod": {"run": ["core.v1.Novelty"], "into": {"spec": "struct PodSpec"}},
        "PodSpec": {"run": ["novel.v1.PodSpec"], "values": {"a": 1}},
    }
