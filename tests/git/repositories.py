"""Repositories that tests make, with trees that git itself would not make too."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


class Made:
    """A repository, empty at first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, given: bytes | None = None) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, input=given)
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> str:
        """Write files and symbolic links (path -> target), and commit all. Returns the commit."""
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, target in (links or {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "change")
        return self.git("rev-parse", "HEAD")

    def tree(self, entries: Sequence[tuple[str, str, str | Mapping[str, str]]]) -> str:
        """A commit of these entries: mode, name and text of a file or link; "tree", name and the files of a folder."""
        made = b""
        for mode, name, content in entries:
            if isinstance(content, str):
                kind, held = mode, self._blob(content)
            else:
                inner = b"".join(
                    b"100644 " + each.encode() + b"\0" + bytes.fromhex(self._blob(text))
                    for each, text in content.items()
                )
                kind, held = "40000", self._tree(inner)
            made += f"{kind} {name}".encode() + b"\0" + bytes.fromhex(held)
        return self.git("commit-tree", self._tree(made), "-m", "made by hand")

    def _blob(self, text: str) -> str:
        return self.git("hash-object", "-w", "--stdin", given=text.encode())

    def _tree(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--literally", "-t", "tree", "--stdin", given=content)


def imported(folder: Path, commits: Sequence[Mapping[str, str]]) -> list[str]:
    """A repository with these commits, one after the other, each given by all of its files. Returns the commits."""
    made = []
    for number, files in enumerate(commits, 1):
        made.append(f"commit refs/heads/main\nmark :{number}\ncommitter a <a@example.com> {number} +0000\ndata 0\n")
        made.append("deleteall\n")
        for name, text in files.items():
            made.append(f'M 100644 inline "{name}"\ndata {len(text.encode())}\n{text}\n')
    repository = Made(folder)
    marks = folder / ".git" / "marks"
    repository.git("fast-import", "--quiet", f"--export-marks={marks}", given="".join(made).encode())
    repository.git("reset", "--quiet", "--hard", "main")
    by_mark = dict(line.split() for line in marks.read_text().splitlines())
    return [by_mark[f":{number}"] for number in range(1, len(commits) + 1)]
