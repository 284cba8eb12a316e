"""The coverage of policies as Cobertura's XML, which CI systems read: coverage-04.dtd.

A folder is a package, a policy a class (of Python: a file). A line counts if a mark begins in it; its branches are the
sides of these marks. Cobertura knows no columns, and of how often something ran only whether it did.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import Final
from xml.etree import ElementTree as ET

from webhook.coverage.model import Coverage, Covered, Figure, Mark

DTD: Final = "http://cobertura.sourceforge.net/xml/coverage-04.dtd"


def report(coverage: Coverage) -> str:
    """The XML document. Files are named as the policy tree was, so mostly relative to the working directory."""
    root = ET.Element("coverage", _rates(coverage.policies, totals=True))
    root.set("version", "gatewright")
    root.set("timestamp", str(int(time.time() * 1000)))
    ET.SubElement(ET.SubElement(root, "sources"), "source").text = "."
    packages = ET.SubElement(root, "packages")
    for folder, within in groupby(coverage.policies, key=lambda each: str(PurePath(each.file).parent)):
        each = list(within)
        package = ET.SubElement(packages, "package", {"name": _legal(folder), **_rates(each)})
        classes = ET.SubElement(package, "classes")
        for covered in each:
            _class(classes, covered)
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" ?>\n<!DOCTYPE coverage SYSTEM "{DTD}">\n{body}\n'


def _class(classes: ET.Element, covered: Covered) -> None:
    names = {"name": _legal(covered.name), "filename": _legal(PurePath(covered.file).as_posix())}
    element = ET.SubElement(classes, "class", {**names, **_rates([covered])})
    ET.SubElement(element, "methods")
    lines = ET.SubElement(element, "lines")
    for number, marks in groupby(sorted(_counted(covered), key=_line), key=_line):
        each = list(marks)
        line = ET.SubElement(lines, "line", number=str(number), hits=str(int(any(mark.ran for mark in each))))
        branching = [mark for mark in each if _branches(mark)]
        if not branching:
            line.set("branch", "false")
            continue
        figure = _figure(branching)
        line.set("branch", "true")
        line.set("condition-coverage", f"{_whole(figure)} ({figure.covered}/{figure.total})")
        conditions = ET.SubElement(line, "conditions")
        for place, mark in enumerate(branching):
            ET.SubElement(conditions, "condition", number=str(place), type="jump", coverage=_whole(_figure([mark])))


def _rates(policies: Sequence[Covered], *, totals: bool = False) -> dict[str, str]:
    lines = Figure.sum(_lines(each) for each in policies)
    branches = Figure.sum(_figure(mark for mark in each.marks if _branches(mark)) for each in policies)
    rates = {"line-rate": _rate(lines), "branch-rate": _rate(branches)}
    if totals:
        rates |= {"lines-covered": str(lines.covered), "lines-valid": str(lines.total)}
        rates |= {"branches-covered": str(branches.covered), "branches-valid": str(branches.total)}
    return {**rates, "complexity": "0"}


def _counted(covered: Covered) -> list[Mark]:
    """The marks of which a side counts."""
    return [mark for mark in covered.marks if mark.figure.total]


def _lines(covered: Covered) -> Figure:
    ran: dict[int, bool] = {}
    for mark in _counted(covered):
        ran[_line(mark)] = ran.get(_line(mark), False) or mark.ran
    return Figure(sum(ran.values()), len(ran))


def _figure(marks: Iterable[Mark]) -> Figure:
    return Figure.sum(mark.figure for mark in marks)


def _branches(mark: Mark) -> bool:
    return len(mark.sides) > 1 and mark.figure.total > 0


def _line(mark: Mark) -> int:
    return mark.start[0]


def _rate(figure: Figure) -> str:
    return f"{figure.covered / figure.total if figure.total else 1:.4f}"


def _whole(figure: Figure) -> str:
    return f"{figure.covered * 100 // figure.total}%"


def _legal(text: str) -> str:
    """The text without the characters that XML cannot hold."""
    return "".join(each if each.isprintable() else "?" for each in text)
