"""The API server's own packages asked about generated rules: `python -m tests.apiserver.customresources.asked`.

It compares the estimated cost of each rule for `spec`, the errors of rules that do not compile, with their positions,
and all refusals of the definitions, which tell the costs of the other rules. It prints each difference; the last line
counts.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from tests.apiserver.customresources import generatedrules
from tests.goprograms import answers, built
from webhook.apiserver.customresources import definitions, estimating, rules, ruletypes, structural
from webhook.cel.functions import MEMBER_MACROS
from webhook.versions import NEWEST

PROGRAM: Final = Path(__file__).parent / "kubernetes"
ALLOWED: Final = (NEWEST[0], NEWEST[1] - 1)
"""Rules of new definitions may use what the API server before knows, too; Gatewright lets them use all."""
RULES: Final = 6
"""Of each definition, for its spec; there are as many for its parts."""
_AT_ONCE: Final = 50

_MACROS = ("has", *sorted(MEMBER_MACROS))
_ISSUE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*?)\n \| .*?(?=\nERROR: |\Z)", re.DOTALL)
_OUR_ISSUE = re.compile(r"(?:^|; )(\d+):(\d+): ")
_OUR_PLACE = re.compile(r" \(at \d+:\d+\)$")
_STRUCT = re.compile(r"selfType[\w.@]*")
_SHOWN = re.compile(r"(Invalid value: )(?:\{\"Rule\":.*?\"OptionalOldSelf\":\w+\}|\"(?:[^\"\\]|\\.)*\")(: )", re.DOTALL)
_DETAILS = re.compile(r"((?:compilation|instantiation) failed): .*", re.DOTALL)
_MACRO = re.compile(rf"overload for '({'|'.join(_MACROS)})'|(?:mean '|write LIST\.)(?:{'|'.join(_MACROS)})\b")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")


class Issue(Struct, frozen=True):
    """An error of compilation. column: from 1."""

    line: int
    column: int
    text: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.text}"


class Compared(Struct):
    """What was compared, and what differs."""

    counts: Counter[str] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)

    def differs(self, what: str, rule: str, ours: object, theirs: object) -> None:
        self.counts[f"{what} that differ"] += 1
        self.differing.append(f"{what}: {rule}\n  here:  {ours}\n  there: {theirs}")


def compared(program: Path, seed: int, count: int) -> Compared:
    """Compare so many definitions."""
    found = Compared()
    made = list(generatedrules.definitions(seed, count, RULES))
    for start in range(0, count, _AT_ONCE):
        batch = made[start : start + _AT_ONCE]
        asked = [{"definition": each, "objects": []} for each in batch]
        for definition, answer in zip(batch, answers(program, asked), strict=True):
            _compare(definition, answer, found)
    return found


def _compare(definition: dict[str, Any], answer: dict[str, Any], found: Compared) -> None:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    spec = structural.read(schema, ()).properties["spec"]
    known = ruletypes.declared(spec, root=spec.embedded)
    assert known is not None
    for rule, told in zip(rules.compile_rules(spec, known, ALLOWED), answer["costs"], strict=True):
        if rule.program is None:
            found.counts["rules that do not compile"] += 1
            _compare_errors(rule.rule.rule, rule.error, told, found)
            continue
        found.counts["estimates"] += 1
        found.counts["of them unbounded"] += told == str(2**64 - 1)
        cost = str(estimating.estimated(rule.program.tree, known))
        if cost != told:
            found.differs("estimates", rule.rule.rule, cost, told)
    theirs, ours = answer["errors"] or [], definitions.read(definition, ALLOWED).refused
    wanted = Counter(map(_comparable, theirs))
    given = Counter(_comparable(each.text) for each in ours)
    found.counts["definitions"] += 1
    found.counts["refusals"] += wanted.total()
    found.counts["of them for costs"] += sum(number for text, number in wanted.items() if "exceed" in text)
    if wanted != given:
        found.differs("refusals", "", "\n         ".join(given - wanted), "\n         ".join(wanted - given))


def _comparable(text: str) -> str:
    """A refusal without the rule, and without the errors of compilation, which are compared by themselves."""
    if "contributed to estimated rule cost total" in text:  # of rules that cost the same, Go names any four
        text = text.partition(": ")[2]
    return _DETAILS.sub(r"\1", _SHOWN.sub(r"\1RULE\2", text))


def _compare_errors(rule: str, ours: str, theirs: str, found: Compared) -> None:
    failed = "compilation failed: "
    if not ours.startswith(failed) or not theirs.startswith(failed):
        if _OUR_PLACE.sub("", ours) != theirs:
            found.differs("errors", rule, ours, theirs)
        return
    there = [Issue(int(line), int(column), text) for line, column, text in _ISSUE.findall(theirs)]
    parts = _OUR_ISSUE.split(ours.removeprefix(failed))[1:]
    here = [Issue(int(parts[at]), int(parts[at + 1]), parts[at + 2]) for at in range(0, len(parts), 3)]
    kinds = list(_syntax(here, there) if "Syntax error" in theirs else _checked(rule, here, there))
    found.counts.update(kinds)
    if "" in kinds:
        found.differs("errors", rule, ours, "; ".join(map(str, there)))


def _syntax(here: list[Issue], there: list[Issue]) -> Iterator[str]:
    """How syntax errors are the same; "" where they are not."""
    advice = here[0].text.startswith("Syntax error: write ")
    told = len(here) == len(there) and all(map(_told, here, there))
    places = [(issue.line, issue.column) for issue in there]
    if (here[0].line, here[0].column) not in places or not (advice or told):
        yield ""
    elif advice:
        yield "syntax errors with advice in the place of the parser's words"
    else:
        yield "syntax errors to the letter"


def _told(ours: Issue, theirs: Issue) -> bool:
    """Whether an error is the same to the letter, before any advice."""
    return str(ours).partition("; write ")[0] == str(theirs)


def _checked(rule: str, here: list[Issue], there: list[Issue]) -> Iterator[str]:
    """How errors of the checker are the same; "" where they are not."""
    left = [issue for issue in dict.fromkeys(there) if "!error!" not in issue.text]
    if any("Kubernetes has" in issue.text for issue in here):
        yield "functions of a later version, told alone"
        return
    misspelt = False
    for issue in here:
        name = _UNDECLARED.match(issue.text)
        namespace, dot, last = name[1].rpartition(".") if name else ("", "", "")
        if dot and namespace:
            # A function of a namespace is one name here, and two there.
            parts = [_named(left, namespace), _named(left, last)]
            left = [each for each in left if each not in parts]
            yield "unknown functions of a namespace" if None not in parts else ""
            continue
        macro = _MACRO.search(issue.text)
        same = next((each for each in left if _kind(rule, issue, each)), None)
        if same is None and macro:
            same = _named(left, macro[1])
            yield "macros with other arguments" if same else ""
        else:
            yield _kind(rule, issue, same) if same else ""
        misspelt = misspelt or macro is not None
        left = [each for each in left if each is not same]
    for issue in left:
        # The variables of a macro that is misspelt are not told of.
        yield "variables of unknown macros, left out" if misspelt and _UNDECLARED.match(issue.text) else ""


def _named(issues: list[Issue], name: str) -> Issue | None:
    return next((each for each in issues if each.text.startswith(f"undeclared reference to '{name}'")), None)


def _kind(rule: str, ours: Issue, theirs: Issue) -> str:
    """How two errors are the same; "" if they are not."""
    words = theirs.text.removesuffix(" (in container '')")
    if not _STRUCT.sub("a struct", ours.text).startswith(_STRUCT.sub("a struct", words)) or ours.line != theirs.line:
        return ""
    if ours.column == theirs.column:
        return "errors at the same place"
    named = re.search(r"'([^']*)'", theirs.text)
    line = rule.split("\n")[ours.line - 1]
    low, high = sorted((ours.column, theirs.column))
    between = line[low - 1 : high - 1].strip()
    beside = (".", ".?", "(", named[1]) if named else ("(",)
    if "out of range" in words and ours.column < theirs.column:
        return "errors of formatting at the text here, at the call there"
    # There: the point before a field, the bracket behind a function or before its argument, the bracket of has().
    if between in beside or (line[: theirs.column].endswith("has(") and between.endswith(".")):
        return "errors at the name here, at the point or bracket beside it there"
    return ""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.apiserver.customresources.asked")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--definitions", type=int, default=400, metavar="N", help=f"{RULES * 2} rules each")
    given = parser.parse_args(arguments)
    found = compared(built(PROGRAM), given.seed, given.definitions)
    for each in found.differing:
        print(each)
    print(", ".join(f"{number} {what}" for what, number in found.counts.items()))
    return int(bool(found.differing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
