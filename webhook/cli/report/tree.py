"""An explanation as a tree for people: what decided stands out, what was skipped is dim, and a line is a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from webhook.cel.explain import Explanation, Round, Step
from webhook.cel.privacy import Private
from webhook.cli.report.values import cut, one_line, shown
from webhook.offline.explaining import error_of
from webhook.paths import Path

MAX_LINES: Final = 200
MAX_BRANCHES: Final = 30
MAX_DEPTH: Final = 24
MIN_WIDTH: Final = 40

_BOLD, _DIM, _RED, _GREEN, _CYAN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[36m"
_YELLOW: Final = "\x1b[33m"

Paint = Callable[[str, str], str]
"""(style, text) -> text in that style."""


@dataclass(frozen=True, slots=True)
class Look:
    """How trees are drawn. width: columns of a line. full: also what had no part in the outcome. ascii: no line art."""

    paint: Paint
    width: int
    full: bool = False
    ascii: bool = False


@dataclass(frozen=True, slots=True)
class _Branch:
    """A node of the drawn tree: the text, the outcome beside it, a note after that, and what is below."""

    text: str
    outcome: str
    style: str
    note: str
    strong: bool
    below: tuple[Step | Round, ...]


def tree(
    explanation: Explanation, look: Look, private: Private, line_of: Callable[[Path], str], indent: str = ""
) -> list[str]:
    """The lines of the tree, without line ends.

    line_of: where a Path into the object stands in the file, told beside the steps that decided; "" for nowhere.
    """
    drawing = _Drawing(look, private, line_of, frozenset(explanation.witnesses))
    drawn = drawing.lines(explanation.root, indent, indent, True, 0)
    lines = list(islice(drawn, MAX_LINES))
    if next(drawn, None) is not None:
        lines.append(look.paint(_DIM, f"{indent}… more than {MAX_LINES} lines; -o json has more"))
    return lines


class _Drawing:
    def __init__(
        self, look: Look, private: Private, line_of: Callable[[Path], str], witnesses: frozenset[Path]
    ) -> None:
        self.look = look
        self.private = private
        self.line_of = line_of
        self.witnesses = witnesses

    def lines(self, step: Step | Round, first: str, rest: str, strong: bool, depth: int) -> Iterator[str]:
        """The line of a step and those below it; `first` stands before its own, `rest` before the others."""
        branch = self.branch(step, strong) if isinstance(step, Step) else self.round(step, strong)
        yield self.line(branch, first)
        below = branch.below
        if not below or (depth >= MAX_DEPTH and not self.look.full):
            return
        last = len(below) - 1
        tee, corner, bar = ("|-", "`-", "| ") if self.look.ascii else ("├─", "└─", "│ ")
        for place, child in enumerate(below):
            if place >= MAX_BRANCHES:
                yield self.look.paint(_DIM, f"{rest}{corner} … {len(below) - place} more")
                return
            ends = place == last
            inner = strong and (not isinstance(child, Step) or child.decides)
            mark, space = (f"{corner} ", "   ") if ends else (f"{tee} ", f"{bar} ")
            yield from self.lines(child, rest + mark, rest + space, inner, depth + 1)

    def line(self, branch: _Branch, first: str) -> str:
        """One line, cut to the width: the text first, then the value, the note never."""
        paint = self.look.paint
        columns = max(self.look.width, MIN_WIDTH) - len(first) - len(branch.note)
        columns = max(columns, MIN_WIDTH // 2)
        outcome = cut(branch.outcome, max(columns - len(branch.text), columns // 2, 1))
        text = cut(branch.text, max(columns - len(outcome), 8))
        text = paint(_BOLD, text) if branch.strong else paint(_DIM, text)
        note = paint(_YELLOW, branch.note) if branch.note else ""
        return f"{paint(_DIM, first)}{text}{paint(branch.style, outcome)}{note}"

    def branch(self, step: Step, strong: bool) -> _Branch:
        width = self.look.width
        text = one_line(step.text[: 4 * width])
        note = self.note(step.path) if step.outcome != "skipped" else ""
        below = _below(step, self.look.full or strong) if step.outcome != "skipped" else ()
        if step.outcome == "skipped":
            return _Branch(text, "  not evaluated", _DIM, "", False, ())
        if step.outcome == "error":
            return _Branch(text, f"  error: {one_line(error_of(step))}", _BOLD + _RED, note, strong, below)
        value = shown(step.value, step.level, self.private, width)
        style = {True: _GREEN, False: _RED}.get(step.value, _CYAN) if isinstance(step.value, bool) else _CYAN
        return _Branch(text, f" = {value}", style if strong else _DIM, note, strong, below)

    def round(self, each: Round, strong: bool) -> _Branch:
        items = ", ".join(
            f"{name} = {shown(value, level, self.private, self.look.width)}" for name, value, level in each.items
        )
        below = tuple(child for child in each.children if child.name != "literal")
        where = f"[{each.place}] " + one_line(items)
        return _Branch(where, "", "", self.note(each.path), strong, below)

    def note(self, path: Path | None) -> str:
        if path is None or path not in self.witnesses:
            return ""
        line = self.line_of(path)
        return f"  {'<-' if self.look.ascii else '←'} {line}" if line else ""


def _below(step: Step, whole: bool) -> tuple[Step | Round, ...]:
    """What is drawn below a step. Of what had no part in the outcome (`whole` is False) nothing is."""
    if step.variable is not None and (whole or step.variable.outcome == "error"):
        return (step.variable,)
    if not whole or step.plain or (step.outcome == "value" and _says_all(step)):
        return ()
    below: list[Step | Round] = [child for child in step.children if not _silent(step, child)]
    below += step.rounds
    return tuple(below)


def _says_all(step: Step) -> bool:
    """Whether nothing below a step tells more than its own line: `!has(v.hostPath) = false`."""
    if step.name == "has":
        return all(child.plain for child in step.children)
    return step.name == "!" and bool(step.children) and step.children[0].name == "has" and _says_all(step.children[0])


def _silent(step: Step, child: Step) -> bool:
    """Whether a child needs no line of its own."""
    if child.name == "literal":
        return True
    looped = bool(step.rounds) or step.name in ("all", "exists", "filter", "map")
    selects = step.name.startswith((".", "?", "[", "orValue", "optMap", "optFlatMap"))
    return child.plain and (looped or (selects and step.outcome == "value") or child.name == "object")
