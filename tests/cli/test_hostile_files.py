"""Files that somebody else has named and filled: each command says what is wrong, where, and ends with exit code 2."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.cli.running import gatewright

ROOT = Path(__file__).parents[2]
POLICY = str(ROOT / "policies" / "no-host-path")
COMMANDS = {
    "check": ("check", "--policies", POLICY),
    "impact": ("impact", "--old", POLICY, "--new", str(ROOT / "policies" / "deny-host-aliases")),
    "convert": ("convert", "--out", "out"),
    "replay": ("replay", "--policies", POLICY),
    "audit --log": ("audit", "--log"),
    "audit": ("audit", "--policies", POLICY),
}
NAMES = {
    "line end": (b"a\nb.yaml", r"a\nb.yaml"),
    "escape sequence": (b"a\x1b[31mb\x1b]0;x\x07.yaml", r"a\x1b[31mb\x1b]0;x\x07.yaml"),
    "direction": ("a\u202eb\u2066.yaml".encode(), r"a\u202eb\u2066.yaml"),
    "not UTF-8": (b"a\xff\xfeb.yaml", r"a\udcff\udcfeb.yaml"),
}
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f\x9b\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def tried(command: str, file: bytes | str, folder: Path) -> str:
    """What a command writes, which fails."""
    done = gatewright(*COMMANDS[command], os.fsdecode(file), cwd=folder)
    written = done.stdout + done.stderr
    assert done.returncode == 2, written
    assert "Traceback" not in written
    assert not RAW.search(written)
    return written


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "audit"])
def test_the_name_of_a_file_cannot_write_to_the_terminal(command: str, name: str, tmp_path: Path) -> None:
    written, shown = NAMES[name]
    (tmp_path / os.fsdecode(written)).write_bytes(b"kind: [\n")
    assert shown in tried(command, written, tmp_path)


CONTENTS = {
    "aliases": (
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (each, each, b",".join([b"*%c" % (each - 1)] * 9)) for each in range(98, 108)),
        ":6:",
        "aliases repeat more than 500,000 values",
    ),
    "deep": (b"a: " + b"[" * 100_000 + b"]" * 100_000, ":1:253:", "nested more than 250 levels deep"),
    "deep JSON": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ":1:255:", "nested more than 250 levels deep"),
    "NUL": (b"apiVersion: v1\nkind: Config\0Map\n", ":2:", "binary, not YAML or JSON (it contains a NUL byte)"),
    "CRLF": (b"apiVersion: v1\r\nkind: ConfigMap\r\nmetadata: [\r\n", ":4:1:", "not YAML"),
}


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("command", ["check", "impact", "convert"])
def test_the_content_of_a_file_is_an_error_at_its_line(command: str, content: str, tmp_path: Path) -> None:
    text, place, words = CONTENTS[content]
    (tmp_path / "a.yaml").write_bytes(text)
    assert re.search(rf"a\.yaml{place}.*{re.escape(words)}", tried(command, "a.yaml", tmp_path))


@pytest.mark.parametrize("command", ["check", "impact", "convert", "audit --log"])
def test_a_pipe_that_nobody_writes_to_is_named(command: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "pipe.yaml: cannot be read: a pipe that nobody writes to" in tried(command, "pipe.yaml", tmp_path)


@pytest.mark.parametrize("command", ["check", "convert", "audit --log"])
def test_a_device_without_end_is_not_read_to_its_end(command: str, tmp_path: Path) -> None:
    written = tried(command, "/dev/zero", tmp_path)
    assert re.search(r"/dev/zero(:1)?: .*(larger than|512 MiB)", written)


@pytest.mark.parametrize("command", ["check", "impact", "convert"])
def test_a_folder_that_links_lead_round_in_is_read_once(command: str, tmp_path: Path) -> None:
    (tmp_path / "round").mkdir()
    (tmp_path / "round" / "again").symlink_to(".")
    (tmp_path / "round" / "up").symlink_to("..")
    (tmp_path / "round" / "a.yaml").write_bytes(b"apiVersion: v1\nkind: ConfigMap\nmetadata: [\n")
    os.mkfifo(tmp_path / "round" / "pipe.yaml")
    assert tried(command, "round", tmp_path).count("not YAML") == 1
