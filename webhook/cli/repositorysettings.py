"""The settings of a repository, which stand in place of options: `.gatewright.toml`, or `[tool.gatewright]` in
pyproject.toml.

```toml
policies = ["policies"]
paths = ["deploy"]                 # what check, explain, impact and mutate read when no PATH is named
exclude = ["deploy/vendor/"]
kubernetes-version = "1.34"
owner-label = "team"
rings = ["env=dev", "env=prod"]    # in which rollout takes steps, in order

[pod-templates]                    # where custom resources hold Pod templates, by PLURAL.GROUP
"pipelines.shop.example" = "spec.template"
```

The file comes with the repository, and with each pull request: it is data. It names files below its own folder, and
nothing that is run, downloaded or trusted.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, Final

from msgspec import Struct

from webhook.cli import podtemplatesfile
from webhook.documents import files
from webhook.documents.document import Problem
from webhook.lazypatterns import lazily
from webhook.nearest import nearest
from webhook.offline.customworkloads import NO_MORE, CustomWorkloads
from webhook.versions import parse_version

FILE: Final = ".gatewright.toml"
PROJECT: Final = "pyproject.toml"
_MOST: Final = 1 << 20  # bytes of either
_KEY = lazily(rb"""\btool["']?[ \t]*\.[ \t]*["']?gatewright\b""")
_TOOL = lazily(rb"""\btool["']?[ \t]*[]=]""")
_PLACE = lazily(r" \(at line (\d+), column (\d+)\)\Z")  # of an error of tomllib
_NOT_SETTINGS: Final = {
    "render": "runs programs",
    "values": "is about what programs render",
    "verify-key": "says whom to trust",
    "registry-ca": "says whom to trust",
    "policy-imports": "says what policies may run",
    "authorizations": "says what users may do",
}
"""Options that are no settings of a repository: why."""


class RepositorySettings(Struct, frozen=True):
    """The settings in the file; None or empty where it sets nothing. `file`: its name; "" if there is none."""

    file: str = ""
    policies: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    kubernetes_version: str | None = None
    owner_label: str | None = None
    rings: tuple[str, ...] = ()
    workloads: CustomWorkloads = NO_MORE


NONE: Final = RepositorySettings()


def read() -> tuple[RepositorySettings, list[Problem]]:
    """The settings of the current folder, which need not have any, and their problems."""
    own = _table(Path(FILE))
    project = _table(Path(PROJECT))
    problems = [each for each in (own, project) if isinstance(each, Problem)]
    if isinstance(own, _Table) and isinstance(project, _Table):
        problems.append(own.problem("", f"there is [tool.gatewright] in {PROJECT} too; keep one of them"))
    found = own or project
    if problems or not isinstance(found, _Table):
        return NONE, problems
    settings = found.settings()
    return settings, found.problems


def _table(file: Path) -> _Table | Problem | None:
    """The table of a file; None if there is none of ours."""
    try:
        status = file.lstat()
    except OSError:
        return None
    try:
        if stat.S_ISLNK(status.st_mode):
            # A link would let the repository choose a file to read and to show in errors.
            return None if file.name == PROJECT else Problem(str(file), None, None, "is a link; expected a file")
        if not stat.S_ISREG(status.st_mode):
            return None if file.name == PROJECT else Problem(str(file), None, None, "expected a file")
        content = files.content_of(file, None, _MOST)
    except OSError as error:
        return Problem(str(file), None, None, files.reason(error))
    if file.name == PROJECT and not _may_be_ours(content):
        return None
    import tomllib  # where there are settings

    try:
        text = content.decode()
        parsed: Any = tomllib.loads(text)
    except RecursionError:
        return Problem(str(file), None, None, "not TOML: nested too deeply")
    except UnicodeDecodeError as error:
        return Problem(str(file), None, None, f"not TOML: byte {error.start} is not UTF-8")
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line, column = (int(place[1]), int(place[2])) if place else (None, None)
        return Problem(str(file), line, column, f"not TOML: {_PLACE.sub('', str(error))}")
    if file.name == PROJECT:
        tool = parsed.get("tool")
        if not isinstance(tool, dict) or "gatewright" not in tool:
            return None
        parsed = tool["gatewright"]
    return _Table(str(file), text, parsed)


def _may_be_ours(project: bytes) -> bool:
    """Whether a pyproject.toml may have our table: `tool.gatewright` in any form, or a table `tool` of its own.

    Projects name gatewright without it too, among what they need, and to read all of the TOML takes longer than to read
    a few policies.
    """
    return b"gatewright" in project and bool(_KEY.search(project) or _TOOL.search(project))


class _Table:
    """The table of the settings in its file."""

    def __init__(self, file: str, text: str, value: Any) -> None:
        self._file, self._text, self._value = file, text, value
        self.problems: list[Problem] = []

    def problem(self, key: str, message: str) -> Problem:
        """A Problem at the line that sets a key, if that can be found."""
        found = None
        for number, line in enumerate(self._text.split("\n"), start=1) if key else ():
            written = line.partition("=")[0].strip().strip("[]").strip()
            if written in {key, f'"{key}"', f"'{key}'", f"tool.gatewright.{key}"}:
                found = number
                break
        return Problem(self._file, found, None, message)

    def wrong(self, key: str, message: str) -> None:
        self.problems.append(self.problem(key, f"{key}: {message}" if key else message))

    def settings(self) -> RepositorySettings:
        value = self._value
        if not isinstance(value, dict):
            self.wrong("", "[tool.gatewright]: expected a table")
            return NONE
        for key in value:
            if key in _NOT_SETTINGS:
                self.wrong(key, f"is no setting of a repository, as it {_NOT_SETTINGS[key]}; give the option --{key}")
            elif key not in _KEYS:
                close = nearest(key, _KEYS)
                advice = f"did you mean {close}?" if close else f"there are {', '.join(_KEYS)}"
                self.problems.append(self.problem(key, f"unknown setting {key!r}; {advice}"))
        return RepositorySettings(
            file=self._file,
            policies=self._list("policies", _local),
            paths=self._list("paths", _local),
            exclude=self._list("exclude", lambda text: "" if text else "expected a pattern, got nothing"),
            kubernetes_version=self._text_of("kubernetes-version", _version),
            owner_label=self._text_of("owner-label", lambda text: "" if text else "expected the key of a label"),
            rings=self._list("rings", _ring),
            workloads=self._workloads(),
        )

    def _list(self, key: str, wrong: Callable[[str], str]) -> tuple[str, ...]:
        value = self._value.get(key, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            self.wrong(key, "expected a list of texts")
            return ()
        for each in values:
            if message := wrong(each):
                self.wrong(key, message)
        return tuple(values)

    def _text_of(self, key: str, wrong: Callable[[str], str]) -> str | None:
        value = self._value.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(key, f"expected a text in quotes, got {type(value).__name__}")
        elif message := wrong(value):
            self.wrong(key, message)
        else:
            return value
        return None

    def _workloads(self) -> CustomWorkloads:
        value = self._value.get("pod-templates", {})
        if isinstance(value, dict):
            return podtemplatesfile.of_templates(
                value, lambda name, message: self.problems.append(self.problem(name, message))
            )
        self.wrong("pod-templates", "expected a table of PLURAL.GROUP and a path of fields")
        return NO_MORE


_KEYS: Final = ("policies", "paths", "exclude", "kubernetes-version", "owner-label", "rings", "pod-templates")


def _local(text: str) -> str:
    """The error that a text is not a path below the current folder; empty if it is one."""
    if text.startswith("oci://"):
        return f"{text!r}: a repository does not say what is downloaded; name bundles with --policies"
    path = PurePosixPath(text)
    try:
        outside = (
            not text
            or text == "-"
            or path.is_absolute()
            or ".." in path.parts
            or not Path(text).resolve().is_relative_to(Path.cwd().resolve())
        )
    except (OSError, RuntimeError, ValueError):
        outside = True
    return f"{text!r}: expected a folder or file below the one that the settings are in" if outside else ""


def _ring(text: str) -> str:
    from webhook.rollout.rings import parse  # where there are rings

    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


def _version(text: str) -> str:
    try:
        parse_version(text)
    except ValueError as error:
        return f"{error}, got {text!r}"
    return ""
