"""The report of `explain` for people: for each object the verdict, its place, and the tree of the failed expression."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from webhook.cli.report.celvalues import cut, one_line
from webhook.cli.report.changes import unified
from webhook.cli.report.explaintree import Look, tree_of
from webhook.cli.report.naming import object_name
from webhook.cli.report.style import BOLD, CYAN, DIFF, DIM, ERROR, LEVEL, PASSED
from webhook.offline.background import Background
from webhook.offline.deduplicating import is_of_both, param_of
from webhook.offline.explaining import Explained, ExplainedPolicy, param_name
from webhook.offline.policyexplained import BindingExplained, RequestExplained
from webhook.offline.verdicts import Located
from webhook.paths import Path, render
from webhook.policy.exceptions import PolicyException
from webhook.policy.policyset import Policy
from webhook.policy.request import DELETE, UPDATE
from webhook.visible import visible

PlaceOf = Callable[[Path], str]
"""The place of an expression in its policy's file, as `FILE:LINE`, by its Path in the policy."""


_SENT: Final = {UPDATE: "Update of ", DELETE: "Deletion of "}


class Report(Struct, frozen=True):
    """The result of `explain`. `place_of`: gives the places of the policy's expressions. `verbose`: whether tracebacks
    are shown. `compared`: the old side, such as "from main", if no object differs from it; else "".
    """

    policy: Policy[Any]
    requests: Sequence[RequestExplained]
    place_of: PlaceOf
    background: Background | None = None
    verbose: bool = False
    compared: str = ""

    @property
    def denied(self) -> bool:
        """Whether the policy refuses any of the objects."""
        return any(request.denied for request in self.requests)


def report(found: Report, look: Look) -> str:
    """The report, with a newline at its end."""
    return "\n".join(_Text(found, look).lines()) + "\n"


class _Text:
    def __init__(self, found: Report, look: Look) -> None:
        self.found = found
        self.look = look
        self.paint = look.paint

    def lines(self) -> Iterator[str]:
        yield from self.head()
        shown: dict[int, list[Located]] = {}  # by id() of the document: the findings on its requests
        # Objects that the policy does not match come last: readers look for the refusal.
        for request in sorted(self.found.requests, key=lambda each: not (each.matched or each.refused)):
            yield ""
            said = shown.setdefault(id(request.planned.document), [])
            yield from self.request(request, said)
            said += request.findings
        if not self.found.requests and self.found.compared:
            yield ""
            yield f"no object differs {visible(self.found.compared)}"

    def head(self) -> Iterator[str]:
        """The lines on the policy itself."""
        policy = self.found.policy
        language = "Python" if policy.language == "python" else "CEL"
        yield self.paint(BOLD, visible(policy.name))
        if policy.description:
            yield from self.wrapped(one_line(policy.description), "  ")
        yield from self.wrapped(f"{policy.kind} in {language}, {visible(policy.file)}:{policy.line}", "  ", DIM)
        if policy.language == "python":
            yield from self.wrapped(
                f"A policy in Python has no expressions to take apart: its reasons are in the function, "
                f"{visible(policy.file)}:{policy.line}.",
                "  ",
                DIM,
            )

    def request(self, request: RequestExplained, said: Sequence[Located]) -> Iterator[str]:
        """The lines on a request. said: the findings on the Pod's workload, which are not repeated."""
        mark, verdict, style = self.verdict(request)
        planned = request.planned
        what = f"{_SENT.get(planned.request.operation, '')}{object_name(planned.identity)}"
        if planned.of_template:
            what = f"Pod of {object_name(planned.identity)}"
        repeated = {id(each) for each in request.findings if any(_repeats(each, earlier) for earlier in said)}
        if repeated and len(repeated) == len(request.findings):
            yield self.paint(style, f"{mark} {what} {verdict}") + self.paint(DIM, ", for the same reason")
            return
        line = planned.document.position(planned.prefix).line
        place = f"{visible(planned.document.stream)}:{line}"
        yield f"{self.paint(style, f'{mark} {what} {verdict}')}{self.paint(DIM, f'  {place}')}"
        for located in request.refused:
            yield from self.finding(located)
        if request.unjudged:
            return
        if request.refused:
            yield f"  Of the rest of the object: it {self.outcome(request)[1]}."
        if request.unmatched is not None:
            yield from self.wrapped(visible(request.unmatched), "  ")
            return
        shown = _Shown(self.found.background)
        if repeated:
            shown.repeated = repeated
            workload = object_name(planned.identity)
            yield self.paint(DIM, f"  for what is said of {workload} above ({len(repeated)}), and:")
        if self.found.policy.language == "cel":
            for bound in request.bindings:
                yield from self.binding(request, bound, shown)
        for located in request.findings:  # of Python; of CEL what no expression says: params that are not there
            if shown.is_new(located):
                yield from self.finding(located)
        for located, exception in request.excepted:  # of Python, and mutations that were left out
            if shown.is_new(located):
                yield from self.exempted(located, exception)
        for change in request.changes:
            yield from (f"  {self.paint(DIFF.get(row[:1], ''), row)}" for row in unified(change))

    def verdict(self, request: RequestExplained) -> tuple[str, str, str]:
        """The mark, text and style of the verdict on the object."""
        if request.refused:
            mark = "✗" if not self.look.ascii else "x"
            return mark, "is refused by the API server, whatever policies say", LEVEL["deny"]
        return self.outcome(request)

    def outcome(self, request: RequestExplained) -> tuple[str, str, str]:
        """The mark, text and style of the policy's outcome."""
        actions = {located.finding.action for located in request.findings}
        if "Deny" in actions:
            return "✗" if not self.look.ascii else "x", "is denied", LEVEL["deny"]
        if "Warn" in actions:
            return "!", "is let in with a warning", LEVEL["warn"]
        if "Audit" in actions:
            return "!", "is let in and written to the audit log", LEVEL["audit"]
        if not request.matched or not self.ran(request):
            return "-", "is not matched by the policy", BOLD
        if request.excepted:
            names = dict.fromkeys(
                f"excepted by {visible(each.name)} until {visible(each.until)}" for _, each in request.excepted
            )
            return "✓" if not self.look.ascii else "+", f"passes, {' and '.join(names)}", LEVEL["audit"]
        changed = ", and is changed" if request.changes else ""
        return "✓" if not self.look.ascii else "+", f"passes{changed}", PASSED

    def ran(self, request: RequestExplained) -> bool:
        evaluated = [each for bound in request.bindings for each in bound.evaluated]
        return not evaluated or any(each.matched for each in evaluated)

    def finding(self, located: Located) -> Iterator[str]:
        for line in located.message.strip().splitlines():  # of an expression over several lines
            yield from self.wrapped(visible(line.rstrip()), "  ", BOLD)
        for line in beside(located, self.found.background, self.found.verbose):
            yield from self.wrapped(visible(line), "  ", DIM)
        yield self.place(located)

    def exempted(self, located: Located, exception: PolicyException) -> Iterator[str]:
        """The lines on what an exception covers."""
        reason = f" ({visible(' '.join(exception.reason.split()))})" if exception.reason else ""
        by = f"excepted by {visible(exception.name)} until {visible(exception.until)}{reason}: "
        yield from self.wrapped(by + visible(located.message), "  ", LEVEL["audit"])
        yield self.place(located)

    def place(self, located: Located) -> str:
        path = render(located.path or ())
        place = f"{visible(located.stream)}:{located.line}:{located.column}"
        error = f" {self.paint(ERROR, '(error)')}" if located.finding.error else ""
        return f"  {self.paint(CYAN, place)}{f': {visible(path)}' if path else ''}{error}"

    # ----------------------------------------------------------------------------------------------- by expression

    def binding(self, request: RequestExplained, bound: BindingExplained, shown: _Shown) -> Iterator[str]:
        actions = ", ".join(bound.binding.actions)
        name = f"binding {visible(bound.binding.name)}" + (f" ({actions})" if actions else "")
        if bound.unmatched:
            yield from self.wrapped(f"{name} does not apply: {visible(bound.unmatched)}", "  ", DIM)
            return
        for evaluated in bound.evaluated:
            param = visible(param_name(evaluated.param))
            if shown.is_known(evaluated.param):
                yield self.paint(DIM, f"  the same under {name}")
                for located in self.of_binding(request, bound):
                    shown.is_new(located)
                continue
            yield from self.evaluated(request, evaluated, shown)
            if self.look.full or all(each.holds for each in evaluated.validations):
                yield ""
            yield from self.wrapped(name + (f", params {param}" if param else ""), "  ", DIM)

    def of_binding(self, request: RequestExplained, bound: BindingExplained) -> list[Located]:
        return [located for located in request.findings if located.finding.binding == bound.binding.name]

    def evaluated(self, request: RequestExplained, evaluated: ExplainedPolicy, shown: _Shown) -> Iterator[str]:
        if not evaluated.matched:
            for condition in evaluated.conditions:
                if not condition.holds:
                    yield from self.tree(condition, request, evaluated)
            return
        failed = [each for each in evaluated.validations if not each.holds]
        for each in failed:
            of = [found for found in request.findings if evaluated.is_behind(found.finding, each)]
            if of and all(id(located) in shown.repeated for located in of):
                continue
            for located in of:
                if shown.is_new(located):
                    yield from self.finding(located)
            for located, exception in request.excepted:
                if evaluated.is_behind(located.finding, each) and shown.is_new(located):
                    yield from self.exempted(located, exception)
                    of.append(located)
            yield from self.tree(each, request, evaluated, of[0] if of else None)
        annotations = [each for each in evaluated.annotations if each.explanation.failed]
        for each in annotations:
            yield from self.tree(each, request, evaluated)
        rest = [*evaluated.conditions, *(each for each in evaluated.validations if each.holds)]
        if self.look.full or not failed:
            for each in rest:
                yield from self.tree(each, request, evaluated)
        else:
            yield ""
            for each in rest:
                source = one_line(each.explanation.source)
                head = f"  {self.named(each)} holds: "
                yield self.paint(DIM, head + cut(source, self.look.width - len(head)))

    def named(self, each: Explained) -> str:
        field, index = each.place[1], each.place[2]
        if field == "auditAnnotations":
            return f"{field} {visible(each.name)}"
        return f"{field}[{index}] {visible(each.name)}" if each.name else f"{field}[{index}]"

    def tree(
        self, each: Explained, request: RequestExplained, evaluated: ExplainedPolicy, located: Located | None = None
    ) -> Iterator[str]:
        outcome = {True: "holds", False: "is false"}.get(each.explanation.value, "gives no boolean")
        if each.explanation.failed:
            outcome = "fails"
        place = self.found.place_of(each.place)
        yield ""
        yield f"  {self.named(each)} {outcome}{self.paint(DIM, f'  {place}')}"
        yield from tree_of(each, self.look, evaluated.private, request.planned, located, "    ")

    def wrapped(self, text: str, indent: str, style: str = "") -> Iterator[str]:
        width = max(self.look.width - len(indent), 20)
        for line in textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False):
            yield indent + self.paint(style, line)


def _repeats(later: Located, earlier: Located) -> bool:
    """Whether a finding on a workload's Pod repeats one on the workload, under the same params."""
    return param_of(later.finding) is param_of(earlier.finding) and is_of_both(later, earlier)


class _Shown:
    """The parts of a request that were shown: its findings, and the params under which the policy was shown."""

    def __init__(self, background: Background | None) -> None:
        self._background = background
        self._findings: list[Located] = []
        self._params: list[Any] = []
        self.repeated: set[int] = set()  # ids of findings that were shown with the workload

    def is_known(self, param: Any) -> bool:
        """Whether the policy was shown for a param; it counts as shown from now on."""
        known = any(param is each for each in self._params)
        self._params.append(param)
        return known

    def is_new(self, located: Located) -> bool:
        """Whether no equal finding was shown; it counts as shown from now on."""
        if id(located) in self.repeated:
            return False
        said = beside(located, self._background, verbose=False)  # the params of two bindings are shown separately
        known = any(
            located.reads_as(each) and beside(each, self._background, verbose=False) == said for each in self._findings
        )
        self._findings.append(located)
        return not known


def beside(located: Located, background: Background | None, verbose: bool) -> list[str]:
    """The lines to show below a finding's message, in addition to the API server's text."""
    if background is None:
        return []
    lookup = background.lookup(located.finding, located.identity.namespace)
    traceback = background.traceback(located.finding) if verbose else ()
    return [*([lookup] if lookup else []), *traceback]
