"""Kubernetes' semantic version library. It parses and orders versions like github.com/blang/semver/v4.

https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-semver-library and https://semver.org, version 2.0.0.
"""

from __future__ import annotations

from typing import NoReturn

from webhook.cel.cost import costs, estimates
from webhook.cel.library.declaring import Library, function, method, remembered
from webhook.cel.tree.errors import EvaluationError, no_such_overload
from webhook.cel.value.quoting import quoted
from webhook.lazypatterns import lazily

_UINT64 = 2**64
_DIGITS = lazily(r"[0-9]*")
_IDENTIFIER = lazily(r"[0-9A-Za-z-]*")
# Valid texts match as a whole; the fault of another text is found part by part.
_PRE = r"(?:(?:0|[1-9][0-9]{0,18})(?![0-9A-Za-z-])|[0-9]*+[A-Za-z-][0-9A-Za-z-]*+)"
_PRERELEASE = lazily(rf"{_PRE}(?:\.{_PRE})*+")
_BUILD = lazily(r"[0-9A-Za-z-]++(?:\.[0-9A-Za-z-]++)*+")


class Semver:
    """A version. `prerelease`: its identifiers, separated by dots. Build metadata after `+` is ignored."""

    __slots__ = ("core", "prerelease")
    cel_type = "kubernetes.Semver"
    go_type = "cel.Semver"
    cel_key = ""

    def __init__(self, core: tuple[int, int, int], prerelease: str) -> None:
        self.core = core
        self.prerelease = prerelease

    def __eq__(self, other: object) -> bool:
        if type(other) is not Semver:
            raise no_such_overload()
        return _compare(self, other) == 0

    def __hash__(self) -> int:
        return hash((self.core, self.prerelease))

    def cel_comparing(self, _: object) -> int:
        """The steps to compare it with another version."""
        return len(self.prerelease)

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.core))}{f'-{self.prerelease}' if self.prerelease else ''}"

    __repr__ = __str__


def _fail(message: str) -> NoReturn:
    raise EvaluationError(message)


@remembered
def parse_semver(text: str) -> Semver:
    """Parse a version: MAJOR.MINOR.PATCH[-PRERELEASE][+BUILD]. Raises EvaluationError."""
    if not text:
        _fail("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        _fail("No Major.Minor.Patch elements found")
    major = _number("major", parts[0])
    minor = _number("minor", parts[1])
    rest, plus, build = parts[2].partition("+")
    patch_text, dash, pre = rest.partition("-")
    patch = _number("patch", patch_text)
    if dash and not _PRERELEASE.fullmatch(pre):
        for each in pre.split("."):
            _check_identifier(each)
    if plus and not _BUILD.fullmatch(build):
        for each in build.split("."):
            if not each:
                _fail("Build meta data is empty")
            if not _IDENTIFIER.fullmatch(each):
                _fail(f"Invalid character(s) found in build meta data {quoted(each)}")
    return Semver((major, minor, patch), pre)


def _number(place: str, text: str) -> int:
    if not _DIGITS.fullmatch(text):
        _fail(f"Invalid character(s) found in {place} number {quoted(text)}")
    if len(text) > 1 and text[0] == "0":
        _fail(f"{place.capitalize()} number must not contain leading zeroes {quoted(text)}")
    return _uint64(text)


def _uint64(text: str) -> int:
    if not text:
        _fail('strconv.ParseUint: parsing "": invalid syntax')
    if len(text) > 20 or int(text) >= _UINT64:
        _fail(f"strconv.ParseUint: parsing {quoted(text)}: value out of range")
    return int(text)


def _check_identifier(text: str) -> None:
    if not text:
        _fail("Prerelease is empty")
    if _DIGITS.fullmatch(text):
        if len(text) > 1 and text[0] == "0":
            _fail(f"Numeric PreRelease version must not contain leading zeroes {quoted(text)}")
        _uint64(text)
    elif not _IDENTIFIER.fullmatch(text):
        _fail(f"Invalid character(s) found in prerelease {quoted(text)}")


def _semver(text: str, normalize: bool = False) -> Semver:
    return parse_semver(_normalized(text) if normalize else text)


def _normalized(text: str) -> str:
    """The text without a leading v and leading zeros, and with 0 for a missing minor or patch."""
    parts = [_without_zeros(part) for part in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3 and ("+" in parts[-1] or "-" in parts[-1]):
        _fail("short version cannot contain PreRelease/Build meta data")
    return ".".join([*parts, *["0"] * (3 - len(parts))])


def _without_zeros(part: str) -> str:
    if len(part.encode()) < 2:
        return part
    stripped = part.lstrip("0")
    return stripped if stripped[:1] in tuple("0123456789") else f"0{stripped}"


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        _semver(text, normalize)
    except EvaluationError:
        return False
    return True


def _compare(a: Semver, b: Semver) -> int:
    if a.core != b.core:
        return 1 if a.core > b.core else -1
    if not a.prerelease or not b.prerelease:
        return bool(b.prerelease) - bool(a.prerelease)  # a release comes after its prereleases
    if a.prerelease == b.prerelease:
        return 0
    ones, others = a.prerelease.split("."), b.prerelease.split(".")
    for one, other in zip(ones, others, strict=False):
        if one != other:
            return 1 if _rank(one) > _rank(other) else -1
    return 1 if len(ones) > len(others) else -1


def _rank(identifier: str) -> tuple[bool, int, str]:
    """The sort key of an identifier: numbers come before words."""
    number = identifier.isdigit()
    return not number, int(identifier) if number else 0, identifier


_V = "kubernetes.Semver"
LIBRARY = Library(
    "semver",
    (1, 33),
    (
        function(
            "semver",
            f"string -> {_V}",
            parse_semver,
            "The semantic version of a text.",
            "semver('1.2.3') == semver('1.2.3+build')",
            error=("semver('1.2')", "No Major.Minor.Patch elements found"),
            cost=costs.text,
            estimate=estimates.text,
            work=costs.read,
        ),
        function(
            "semver",
            f"string, bool -> {_V}",
            _semver,
            "With true, a leading v and leading zeros are dropped, and a missing minor or patch is 0.",
            "semver('v01.2', true) == semver('1.2.0')",
            error=("semver('1.2-rc.1', true)", 'Invalid character(s) found in minor number "2-rc"'),
            cost=costs.text,
            estimate=estimates.text,
            work=costs.read,
        ),
        function(
            "isSemver",
            "string -> bool",
            _is_semver,
            "Whether a text is a semantic version.",
            "isSemver('1.2.3-rc.1') && !isSemver('v1.2.3')",
            cost=costs.text,
            estimate=estimates.text,
            work=costs.read,
        ),
        function(
            "isSemver",
            "string, bool -> bool",
            _is_semver,
            "The same; with true, whether `semver(text, true)` accepts the text.",
            "isSemver('v1.2', true)",
            cost=costs.text,
            estimate=estimates.text,
            work=costs.read,
        ),
        method(
            "isGreaterThan",
            f"{_V}, {_V} -> bool",
            lambda a, b: _compare(a, b) == 1,
            "Whether the version comes after the other.",
            "semver('1.10.0').isGreaterThan(semver('1.9.0'))",
            work=costs.comparison,
        ),
        method(
            "isLessThan",
            f"{_V}, {_V} -> bool",
            lambda a, b: _compare(a, b) == -1,
            "Whether the version comes before the other.",
            "semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))",
            work=costs.comparison,
        ),
        method(
            "compareTo",
            f"{_V}, {_V} -> int",
            _compare,
            "-1, 0 or 1.",
            "semver('1.0.0').compareTo(semver('2.0.0')) == -1",
            work=costs.comparison,
        ),
        method(
            "major", f"{_V} -> int", lambda v: _signed(v.core[0]), "The major version.", "semver('1.2.3').major() == 1"
        ),
        method(
            "minor", f"{_V} -> int", lambda v: _signed(v.core[1]), "The minor version.", "semver('1.2.3').minor() == 2"
        ),
        method(
            "patch", f"{_V} -> int", lambda v: _signed(v.core[2]), "The patch version.", "semver('1.2.3').patch() == 3"
        ),
    ),
    opaque={_V: Semver},
)


def _signed(number: int) -> int:
    """A uint64 as Go converts it to int64."""
    return number - _UINT64 if number >= _UINT64 // 2 else number
