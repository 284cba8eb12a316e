"""Archives are read as tarfile reads them, and what no archive of plain files needs is refused at once."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webhook.bundle.packing import MOST_ENTRIES, UnpackError, unpacked
from webhook.bundle.tarreading import MOST_BEFORE, MOST_EXTENDED, TarError, entries

NAMES = st.from_regex(r"([a-zé]{1,20}/){0,3}[a-z =0-9é\udc80]{1,40}", fullmatch=True)
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
END = b"\0" * 1024
NEGATIVE = b"\xff" * 10 + b"\xfc\x00"  # -1024, as GNU tar writes a number to the base of 256


def header(name: str = "a.yaml", size: bytes = b"00000000005\0", kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header as tar writes it, with any size."""
    made = tarfile.TarInfo(name)
    made.type = kind
    text = bytearray(made.tobuf(tarfile.USTAR_FORMAT))
    text[124:136] = size.ljust(12, b"\0")
    text[148:156] = b" " * 8
    text[148:156] = b"%06o\0 " % sum(text)
    return bytes(text)


def extended(text: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    return header("x", b"%011o\0" % len(text), kind) + text + b"\0" * (-len(text) % 512)


FILE = header() + b"hello" + b"\0" * 507


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=1500)), min_size=1, max_size=5),
    st.sampled_from(sorted(FORMATS)),
    st.booleans(),
)
def test_what_tarfile_writes_and_reads_is_read(files: list[tuple[str, bytes]], form: str, folders: bool) -> None:
    made = io.BytesIO()
    with tarfile.open(
        fileobj=made, mode="w", format=FORMATS[form], pax_headers={"comment": "0" * 40}, errors="surrogateescape"
    ) as writer:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            if folders:
                entry.mtime = 1.5  # in the format of POSIX that is a record
                writer.addfile(_folder(name))
            writer.addfile(entry, io.BytesIO(content))
    archive = made.getvalue()
    with tarfile.open(fileobj=io.BytesIO(archive)) as reader:
        expected = [(each.name, each.type, each.offset_data, each.size) for each in reader]
    found = [(each.name, each.kind, each.start, each.size) for each in entries(archive)]
    assert found == expected


def _folder(name: str) -> tarfile.TarInfo:
    made = tarfile.TarInfo(f"in/{name}")
    made.type = tarfile.DIRTYPE
    return made


def test_what_git_archives_is_read(tmp_path: Path) -> None:
    """It begins with a header for all entries: the commit."""
    (tmp_path / "a.yaml").write_text("a: 1\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "a.yaml"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    archive = subprocess.run([*git, "archive", "HEAD"], check=True, capture_output=True).stdout
    assert b"comment=" in archive
    assert unpacked(archive) == (("a.yaml", b"a: 1\n"),)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (header(size=NEGATIVE) + END, "a negative size"),
        (FILE + header("b.yaml", NEGATIVE) + END, "a negative size"),
        (header("x", NEGATIVE, tarfile.XHDTYPE) + FILE + END, "a negative size"),
        (header("x", NEGATIVE, tarfile.GNUTYPE_LONGNAME) + FILE + END, "a negative size"),
        (extended(b"14 size=-1024\n") + FILE + END, "changes the size of an entry"),
        (extended(b"15 path=b.yaml\n", tarfile.XGLTYPE) + FILE + END, "or the names of all"),
        (extended(b"21 GNU.sparse.name=x\n") + FILE + END, "a sparse file"),
        (extended(b"11 a=\xff\xff\xff\xff\xff\n") * MOST_BEFORE + FILE + END, ""),
        (extended(b"6 a=b\n") * (MOST_BEFORE + 1) + FILE + END, "more extended headers than any file needs"),
        (extended(b"6 a=b\n", tarfile.XGLTYPE) * 3000 + FILE + END, "more extended headers than any file needs"),
        (extended(b"ab\0", tarfile.GNUTYPE_LONGNAME) * 3000 + FILE + END, "more extended headers than any file needs"),
        (extended(b"6 a=b\n" * (MOST_EXTENDED // 6)) + FILE + END, ""),
        (extended(b"6 a=b\n" * (MOST_EXTENDED // 6 + 1)) + FILE + END, "more extended headers than any file needs"),
        (extended(b"1" * MOST_EXTENDED) + FILE + END, "no list of records"),
        (extended(b"0 a=b\n") + FILE + END, "no list of records"),
        (extended(b"2 a=b\n") + FILE + END, "no list of records"),
        (extended(b"7 a=b\n") + FILE + END, "no list of records"),
        (extended(b"5 a=b\n") + FILE + END, "no list of records"),
        (extended(b"6 a-b\n") + FILE + END, "no list of records"),
        (extended(b"-6 a=b\n") + FILE + END, "no list of records"),
        (extended(b"\xd9\xa1 a=b\n") + FILE + END, "no list of records"),
        (extended(b"15 path=b.yaml\n")[:520], "it ends within an extended header"),
        (extended(b"6 a=b\n") + END, "it ends within an entry"),
        (FILE[:700], "it ends within an entry"),
        (FILE + b"x" * 512, "invalid header"),
        (FILE + b"\0" * 100, "truncated header"),
        (FILE, ""),
    ],
)
def test_what_no_archive_of_plain_files_needs_is_refused(archive: bytes, message: str) -> None:
    if not message:
        assert [(each.name, each.size) for each in entries(archive)] == [("a.yaml", 5)]
        return
    with pytest.raises(TarError, match=message):
        list(entries(archive))
    with pytest.raises(UnpackError, match="not a tar archive of plain files: "):
        unpacked(archive)


def test_the_steps_are_linear_in_the_size() -> None:
    """Twice as many headers, each of as many records as fit."""
    one = extended(b"6 a=b\n" * 80) + header("%05d", b"0")
    steps = []
    for count in (10, 20):
        archive = b"".join(one for _ in range(count)) + END
        assert len(list(entries(archive))) == count < MOST_ENTRIES
        steps.append(_steps(archive))
    assert steps[1] < 2.1 * steps[0]


def _steps(archive: bytes) -> int:
    """The lines of Python that reading takes."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        list(entries(archive))
    finally:
        sys.settrace(before)
    return count
