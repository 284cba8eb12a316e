"""An explanation as a tree for people: deciding parts stand out, skipped parts are dim, and each step has one line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

from msgspec import Struct

from webhook.cel.tree.stack import with_levels
from webhook.cel.why.explanation import Explanation, Round, Step
from webhook.cel.why.privacy import Private
from webhook.cli.report.celvalues import cut, one_line, shown
from webhook.cli.report.style import BOLD, CYAN, DIM, ERROR, GREEN, MAGENTA, RED
from webhook.offline.explaining import Explained, error_of
from webhook.offline.requests import PlannedRequest
from webhook.offline.verdicts import Located
from webhook.paths import Path, render
from webhook.visible import visible

MAX_LINES: Final = 200
MAX_BRANCHES: Final = 30
MAX_DEPTH: Final = 24
MIN_WIDTH: Final = 40
PIPED_WIDTH: Final = 120
"""Columns of a line where there is no terminal."""

_LOGICAL: Final = frozenset({"&&", "||", "!", "?:"})

Paint = Callable[[str, str], str]
"""(style, text) -> text in that style."""


class Look(Struct, frozen=True):
    """The options of trees. width: columns of a line. full: also show parts that did not matter. ascii: no line art."""

    paint: Paint
    width: int
    full: bool = False
    ascii: bool = False

    @property
    def more(self) -> str:
        """The text in place of nodes that are left out."""
        return "..." if self.ascii else "…"


class _Branch(Struct, frozen=True):
    """A node of the drawn tree: the text, the outcome beside it, a note after that, and the nodes below."""

    text: str
    outcome: str
    style: str
    note: str
    strong: bool
    """Whether it had a part in the outcome."""
    leads: bool
    """Whether it leads to the place that decided the outcome."""
    below: tuple[Step | Round | _Rest, ...]
    cause: bool = False
    """Whether the outcome is an error that arose here."""


class _Rest(Struct, frozen=True):
    """What stands in the place of rounds that are not shown."""

    text: str


def focused(explanation: Explanation, planned: PlannedRequest, located: Located | None) -> Path | None:
    """The Path into the request's object that a tree leads to: that of the finding, if it is known. A finding about a
    missing field stands at its parent; the tree leads to the missing field.
    """
    if located is not None and located.known and located.path is not None:
        prefix = planned.prefix if located.path[: len(planned.prefix)] == planned.prefix else ()
        found = located.path[len(prefix) :]
        within = (path for path in explanation.witnesses if path[: len(found)] == found)
        return next(within, found) or None
    return next(iter(explanation.witnesses), None)


def why(located: Located, look: Look, indent: str = "", *, in_file: bool = True) -> Iterator[str]:
    """The trees of the expressions behind a finding, each below a line that names it; empty without an explanation.
    in_file: whether the object has lines in a file.
    """
    explained = located.explained
    if explained is None:
        return
    for each in explained.evaluated.behind(located.finding):
        yield f"{indent}{look.paint(DIM, f'why: {visible(render(each.place))}')}"
        yield from tree_of(each, look, explained.evaluated.private, explained.planned, located, indent, in_file=in_file)


def tree_of(
    each: Explained,
    look: Look,
    private: Private,
    planned: PlannedRequest,
    located: Located | None,
    indent: str,
    *,
    in_file: bool = True,
) -> list[str]:
    """The tree of a policy's expression on a planned request: it leads to the place of its finding."""
    focus = focused(each.explanation, planned, located)

    def line_of(path: Path) -> int | None:
        if not in_file:
            return None
        place = planned.place(path)
        if planned.of_template and place == planned.prefix:
            return None  # the workload's controller adds the value
        return planned.document.position(place).line

    return tree(each.explanation, look, private, focus, line_of, indent)


def tree(
    explanation: Explanation,
    look: Look,
    private: Private,
    focus: Path | None,
    line_of: Callable[[Path], int | None],
    indent: str,
) -> list[str]:
    """The lines of the tree, without line ends.

    focus: the Path into the object that decided. What leads to it is unfolded, and so is the term that failed; the rest
    has a line each; where nothing leads to it, all that decided is unfolded. line_of: the line of a Path, written
    beside what is at the focus, and beside the elements of lists that were put together; None: it is in no file.
    """

    def draw() -> list[str]:
        drawing = _Drawing(explanation, look, private, focus, line_of)
        drawn = drawing.lines(explanation.root, indent, indent, True, 0)
        lines = list(islice(drawn, MAX_LINES))
        if next(drawn, None) is not None:
            lines.append(look.paint(DIM, f"{indent}{look.more} more than {MAX_LINES} lines; -o json has more"))
        return lines

    return with_levels(explanation.levels, draw)


class _Drawing:
    def __init__(
        self,
        explanation: Explanation,
        look: Look,
        private: Private,
        focus: Path | None,
        line_of: Callable[[Path], int | None],
    ) -> None:
        self.look = look
        self.private = private
        self.focus = focus
        self.line_of = line_of
        self.variables = explanation.variables
        self.drawn: set[str] = set()  # variables with drawn expressions
        self.telling: set[int] | None = set()  # id() of the steps that lead to the focus, None: there are none
        self.joined: set[int] = set()  # id() of the rounds over lists that the expression made
        if not self.leads(explanation.root):
            self.telling = None
        else:
            self.follow(explanation.root)

    def leads(self, step: Step) -> bool:
        """Whether a step, or one below it, is at the focus or in error. Records all such steps."""
        variable = self.variables.get(step.name)
        below = [*step.children, *(child for each in step.rounds for child in each.children)]
        found = self.at_focus(step) or (step.outcome == "error" and step.decides)
        for each in below:
            found = self.leads(each) or found
        if variable is not None and not found:
            found = self.leads(variable)
        if found and self.telling is not None:
            self.telling.add(id(step))
        return found

    def follow(self, step: Step) -> None:
        """Marks a term that decided alone as leading to the focus too."""
        if self.telling is None or step.outcome != "value":
            return
        self.telling.add(id(step))
        variable = self.variables.get(step.name)
        if variable is not None:
            self.follow(variable)
            return
        decided = [each for each in step.children if each.decides and each.outcome == "value"]
        match step.name:
            case "&&" | "||":
                term = [each for each in decided if each.value is step.value]
                if (step.value is (step.name == "||")) and term:
                    self.follow(term[0])
            case "!":
                self.follow(step.children[0])
            case "?:":
                self.follow(next((each for each in step.children[1:] if each.outcome == "value"), step.children[0]))
            case _:
                for child in (child for each in step.rounds if each.decides for child in each.children):
                    self.follow(child)

    def at_focus(self, step: Step) -> bool:
        return self.focus is not None and step.path is not None and step.path[: len(self.focus)] == self.focus

    def lines(
        self, step: Step | Round | _Rest, first: str, rest: str, strong: bool, depth: int, near: bool = False
    ) -> Iterator[str]:
        """The line of a step and those below it; `first` stands before its own, `rest` before the others.

        near: it is compared or computed with what is at the focus: where it comes from matters too.
        """
        if isinstance(step, _Rest):
            yield self.look.paint(DIM, first + step.text)
            return
        branch = self.branch(step, strong, near) if isinstance(step, Step) else self.round(step, strong)
        yield from self.written(branch, first, rest)
        below = self.shortened(step, branch.below)
        if not below or (depth >= MAX_DEPTH and not self.look.full):
            return
        last = len(below) - 1
        beside = isinstance(step, Step) and not step.rounds and step.name not in _LOGICAL and strong
        tee, corner, bar = ("|-", "`-", "| ") if self.look.ascii else ("├─", "└─", "│ ")
        for place, child in enumerate(below):
            ends = place == last
            inner = strong and (not isinstance(child, Step) or child.decides)
            mark, space = (f"{corner} ", "   ") if ends else (f"{tee} ", f"{bar} ")
            yield from self.lines(child, rest + mark, rest + space, inner, depth + 1, beside)

    def shortened(self, step: Step | Round, below: tuple[Step | Round | _Rest, ...]) -> Sequence[Step | Round | _Rest]:
        """At most MAX_BRANCHES of the nodes below a step, and a note for each run left out. What decided stays."""
        if len(below) <= MAX_BRANCHES:
            return below
        by_weight = sorted(range(len(below)), key=lambda place: -self.weight(step, below[place]))  # stable
        kept = set(by_weight[:MAX_BRANCHES])
        shown: list[Step | Round | _Rest] = []
        left_out = 0
        for place, each in enumerate((*below, None)):
            if each is not None and place not in kept:
                left_out += 1
                continue
            if left_out:
                shown.append(_Rest(f"{self.look.more} {left_out} more"))
                left_out = 0
            if each is not None:
                shown.append(each)
        return tuple(shown)

    def weight(self, parent: Step | Round, each: Step | Round | _Rest) -> int:
        """2: a node is in error or decided its parent. 1: it leads to where the outcome was decided. 0: neither."""
        if isinstance(each, Round):
            return max((self.weight(each, child) for child in each.children), default=0)
        if not isinstance(each, Step):
            return 0
        if each.outcome == "error":
            return 2
        if isinstance(parent, Step) and parent.name in ("&&", "||") and parent.outcome == each.outcome == "value":
            decisive = parent.name == "||"
            if parent.value is decisive and each.value is decisive:
                return 2
        return 1 if self.telling is not None and id(each) in self.telling else 0

    def written(self, branch: _Branch, first: str, rest: str) -> Iterator[str]:
        """The line of a branch, cut to the width: the text first, then the value, the note never.

        Where an error arose it is written in full, over several lines if need be.
        """
        paint = self.look.paint
        columns = max(self.look.width, MIN_WIDTH) - len(first) - len(branch.note)
        columns = max(columns, MIN_WIDTH // 2)
        outcome = cut(branch.outcome, max(columns - len(branch.text), columns // 2, 1))
        following: list[str] = []
        if branch.cause and len(outcome) < len(branch.outcome):
            outcome = ""
            width = max(self.look.width - len(rest) - 3, MIN_WIDTH // 2)
            following = textwrap.wrap(branch.outcome.strip(), width, break_on_hyphens=False)
        text = cut(branch.text, max(columns - len(outcome), 8))
        text = paint(DIM if not branch.strong else BOLD if branch.leads else "", text)
        note = paint(MAGENTA, branch.note) if branch.note else ""
        yield f"{paint(DIM, first)}{text}{paint(branch.style, outcome)}{note}"
        for line in following:
            yield f"{paint(DIM, rest)}   {paint(branch.style, line)}"

    def branch(self, step: Step, strong: bool, near: bool) -> _Branch:
        width = self.look.width
        text = one_line(step.text[: 4 * width])
        if step.outcome == "skipped":
            return _Branch(text, "  not evaluated", DIM, "", False, False, ())
        note = self.note(step)
        if step.outcome == "error":
            error = f"  error: {one_line(self.private.text(error_of(step)))}"
            below = self.below(step)
            arose = not step.rounds and not any(isinstance(each, Step) and each.outcome == "error" for each in below)
            return _Branch(text, error, ERROR, note if arose else "", strong, strong, below, arose)
        below = self.below(step) if self.look.full or (strong and self.unfolds(step, near)) else ()
        value = shown(step.value, step.level, self.private, width)
        style = {True: GREEN, False: RED}[step.value] if isinstance(step.value, bool) else CYAN
        return _Branch(text, f" = {value}", style if strong else DIM, note, strong, self.unfolds(step, False), below)

    def note(self, step: Step) -> str:
        while step.name == "!" and _says_all(step):
            step = step.children[0]
        return self.marked(step.path) if step.path is not None and self.at_focus(step) else ""

    def marked(self, path: Path) -> str:
        line = self.line_of(path)
        return "" if line is None else f"  {'<-' if self.look.ascii else '←'} line {line}"

    def unfolds(self, step: Step, near: bool) -> bool:
        """Whether the steps below a step are drawn when not everything is."""
        return self.telling is None or id(step) in self.telling or (near and step.name in self.variables)

    def round(self, each: Round, strong: bool) -> _Branch:
        items = ", ".join(
            f"{name} = {shown(value, level, self.private, self.look.width)}" for name, value, level in each.items
        )
        below = tuple(child for child in each.children if child.name != "literal")
        note = self.marked(each.path) if each.path is not None and id(each) in self.joined else ""
        return _Branch(f"[{each.place}] {one_line(items)}", "", "", note, strong, each.decides, below)

    def below(self, step: Step) -> tuple[Step | Round | _Rest, ...]:
        """The nodes below a step."""
        full = self.look.full
        variable = self.variables.get(step.name)
        if variable is not None:
            at = self.at_focus(step) and not full and step.outcome == "value"
            if step.name in self.drawn or at:
                return ()
            self.drawn.add(step.name)
            return (variable,)
        if step.plain or (step.outcome == "value" and _says_all(step)):
            return ()
        if step.rounds and step.children[0].path is None:
            self.joined.update(map(id, step.rounds))  # [4] is another element in the file
        left = step.total - len(step.rounds) if step.rounds else 0
        rest = [_Rest(f"{self.look.more} {left} of {step.total} elements not shown")] if left > 0 else []
        return (*(child for child in step.children if not _silent(step, child, full)), *step.rounds, *rest)


def _says_all(step: Step) -> bool:
    """Whether the steps below a step add nothing to its own line: `!has(v.hostPath) = false`."""
    if step.name == "has":
        return all(child.plain for child in step.children)
    return step.name == "!" and bool(step.children) and step.children[0].name == "has" and _says_all(step.children[0])


def _silent(step: Step, child: Step, full: bool) -> bool:
    """Whether a child needs no line of its own."""
    if child.name == "literal" or full:
        return child.name == "literal"
    if child.outcome == "skipped" and step.form == "default":
        return True  # the default of a value that is present
    selects = step.form in ("default", "mapped") or step.name.startswith((".", "?", "["))
    return child.plain and (step.form == "loop" or (selects and step.outcome == "value") or child.name == "object")
