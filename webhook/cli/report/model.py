"""The result of a run of `check`, `test`, `lint`, `impact` or `audit`: the one model that every output format reads.

A command makes one `Report`, and `webhook.cli.report.writing` writes it in the formats that were asked for; no format
knows a command's own records. What a command fills:

- `check`: a Finding for each violation and action, `suppressed` for what exceptions cover, `left_out`, `diffs`.
- `test`: a Case for each case of a PolicyTest, and for each that failed a Finding too (`failed`), so that formats that
  know no cases show it. What else is wrong with tests (an expression that no test reaches) is a Finding of its own
  `rule`, with the policy's file and line. With `--mutate` no cases, but `mutated`, and a Finding of the kind MUTANT for
  each mutant that survives; what explains one is a Suppression of the kind "comment".
- `lint`: a Finding for each alarm, in the policy's file, with the level error, warning or note; its `object` has no
  apiVersion. A Rule for each id, with its name and its text (`help`); `fix`, if it can be mended. A comment that
  silences an alarm makes a Suppression of the kind "comment". `webhook.cli.report.linted` does so.
- `impact`: a Finding for each verdict that differs, with `change` ("newly denied", "newly allowed", …) and the level of
  what is said now; what is not said any more, and a patch, has the level note. `diff`, if it is a patch; and `impact`,
  which says what was compared. Text and Markdown group such findings by policy, change and owner, and show few
  examples of each.
- `audit`: as `check`, but of stored objects: `place` is the cluster, without a line, `cluster` its name, and `user` who
  is taken to create or update the object. A note says what most requests of the run are, and `request` the others.
  What is found on objects of a controller stands at its workload, once; an aside says on
  which. `webhook.cli.report.audited` does so.

`webhook.cli.reporting` has the options that these commands share, and `finish`, which writes a report and gives the
exit code. Texts are plain and hold no content of Secrets: they are redacted before a Finding is made. Each format
escapes the texts for the language that it is written in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from webhook.digests import sha256
from webhook.excerpts import Excerpt
from webhook.lazypatterns import lazily

if TYPE_CHECKING:
    from webhook.cli.report.scores import Scores
    from webhook.documents.document import Problem
    from webhook.impact.summary import Summary
    from webhook.mutants.running import Mutated
    from webhook.offline.background import LookedFor
    from webhook.offline.leftout import LeftOut
    from webhook.offline.requests import Identity
    from webhook.offline.verdicts import Located
    from webhook.policy.request import User

Level = Literal["deny", "warn", "audit", "error", "warning", "note"]
"""How grave a finding is: of verdicts the binding's action, of everything else error, warning or note."""

Severity = Literal["error", "warning", "note"]

SEVERITY: Final[Mapping[Level, Severity]] = {
    "deny": "error",
    "warn": "warning",
    "audit": "note",
    "error": "error",
    "warning": "warning",
    "note": "note",
}

LEVELS: Final[tuple[Level, ...]] = tuple(SEVERITY)

UNTESTED: Final = "untested"
"""The `kind` of the finding about a policy that has no tests, though it must."""

OF_CASES: Final = ("test", UNTESTED)
"""The `kind` of findings that stand for cases, and for their absence: the text shows these in its own way."""

MUTANT: Final = "mutant"
"""The `kind` of findings about mutants of a policy; the text shows these in its own way, too."""

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")


class Place(Struct, frozen=True):
    """A place in a file. Lines and columns count from 1, columns in characters; None where they are not known.

    `end_column` is the column after the last character, on `end_line`; without `end_line`, on `line`.
    """

    file: str
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None

    def __str__(self) -> str:
        numbers = (self.line, self.column if self.line is not None else None)
        return self.file + "".join(f":{number}" for number in numbers if number is not None)


class Rule(Struct, frozen=True):
    """What findings are about: a policy, what the API server demands, or a rule of lint.

    `kind`: ValidatingAdmissionPolicy, MutatingAdmissionPolicy, "schema", "lint", "test". `title`: a line of plain text.
    `help`: more text, in Markdown; that of a policy is its author's, and not trusted with markup. `url`: its page.
    `place`: where it is declared. `name`: words for an id that is a number. `severity`, `category` and `controls`, such
    as "CIS 5.2.4": what a policy says of itself (webhook.library.metadata); empty if it does not.
    """

    id: str
    kind: str
    title: str = ""
    help: str = ""
    url: str = ""
    place: Place | None = None
    name: str = ""
    severity: str = ""
    category: str = ""
    controls: tuple[str, ...] = ()


class Suppression(Struct, frozen=True):
    """Why a finding counts for nothing.

    `kind`: "exception" (a PolicyException, `by` is its name and `until` its last day), "baseline" (a file of known
    findings, `by` is its name), or "comment" (in the file itself). `reason`: what its author says.
    """

    kind: Literal["exception", "baseline", "comment"]
    by: str
    until: str = ""
    reason: str = ""


class Edit(Struct, frozen=True):
    """A replacement of text: what stands at `place`, with its end, becomes `text`."""

    place: Place
    text: str


class Fix(Struct, frozen=True):
    """Edits, which together mend what a finding is about."""

    description: str
    edits: tuple[Edit, ...]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    `rule`: the id of its Rule. `message`: lines of plain text. `place`: where it is in the file that a person would
    edit; of a chart or kustomization that is its source, and `rendered` is the place in what was rendered and judged,
    else None. `excerpt`: that line, with the columns that it is about. `path`: the field, as text.

    Of verdicts on objects: `object`, its `owner` (webhook.owners), the `operation` of the request, `kind`,
    `policy` and `binding` ("" if there are none), `action` and `reason` as the API server writes them, `error`: whether
    the policy could not be evaluated, so that this is no violation. `looked_for`: the params that were not found.
    `explained`: the finding as it was located, if its explanation is shown; `why`: instead of it, the lines of the
    explanation, where what it explains is not kept. `cluster`: where the object is stored, ""
    for manifests; `user`: who was taken to make the request there, None for manifests.
    `request`: the request in words, where it is another one than most of an audit; "" else.
    `validation`: its number in a policy in CEL, from 0; None of others. `pod_labels`: of a workload, the labels
    by which its Pods are known. `generated`:
    whether the API server makes up the name of the object.

    `fingerprint`: the same for the same finding in another run, although lines have moved (`fingerprinted` sets it).
    `asides`: more lines, shown below. `traceback`: of a policy in Python, if asked for. `diff`: a unified diff's lines.
    """

    rule: str
    level: Level
    message: str
    place: Place
    rendered: Place | None = None
    excerpt: Excerpt | None = None
    path: str = ""
    object: Identity | None = None
    owner: str = ""
    operation: str = ""
    kind: str = ""
    policy: str = ""
    binding: str = ""
    action: str = ""
    reason: str = ""
    error: bool = False
    change: str = ""
    suppression: Suppression | None = None
    fingerprint: str = ""
    anchor: str = ""  # what identifies the place besides the object; the path with names in place of indexes
    asides: tuple[str, ...] = ()
    looked_for: LookedFor | None = None
    traceback: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    fix: Fix | None = None
    explained: Located | None = None
    why: tuple[str, ...] = ()
    cluster: str = ""
    user: User | None = None
    request: str = ""
    validation: int | None = None
    pod_labels: Mapping[str, str] = {}
    generated: bool = False

    @property
    def severity(self) -> Severity:
        return SEVERITY[self.level]

    @property
    def namespace(self) -> str:
        return self.object.namespace if self.object is not None else ""


class Exempted(Struct, frozen=True):
    """What an exception covers in a case. `text`: the API server's."""

    exception: str
    until: str
    text: str


class Unmatched(Struct, frozen=True):
    """Why a policy was not evaluated, under one binding, or "" for all. `kind`: the policy's."""

    kind: str
    binding: str
    why: str


class Case(Struct, frozen=True, kw_only=True):
    """One case of a policy's tests.

    `expect` and `verdict`: as a PolicyTest writes them. `failures`: why it failed; empty if it passed. `texts`: what
    the API server would say. `unmatched`: why the policy was not evaluated; empty if it was. `refused`: why the API
    server refuses the object whatever the policy says. `notes`: more lines. `known`: it failed, as a baseline says.
    """

    policy: str
    name: str
    place: Place
    expect: str
    verdict: str
    failures: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    excepted_by: str = ""
    excepted: tuple[Exempted, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
    refused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    known: bool = False

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def fails(self) -> bool:
        """Whether it fails the run."""
        return bool(self.failures) and not self.known


class Diff(Struct, frozen=True):
    """What mutation changes of an object. `lines`: a unified diff of its YAML, without line ends."""

    place: Place
    object: Identity
    policies: tuple[str, ...]
    lines: tuple[str, ...]


Count = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
"""A number of things, of a file that others may have written: as large as all readers of JSON count."""


class Past(Struct, frozen=True, kw_only=True):
    """The result of one audit. `at`: when it ended, as in Report. `deny`, `warn`, `audit`: findings of each level,
    before a baseline takes those away that it knows. `objects`, `policies`: how many there were. `score`: that of all
    objects, 0 to 100; None if none was asked for, or nothing was judged. `complete`: whether everything could be
    read."""

    at: str
    deny: Count
    warn: Count
    audit: Count
    objects: Count
    policies: Count
    score: Annotated[float, Meta(ge=0, le=100)] | None = None
    complete: bool = True


class Namespace(Struct, frozen=True):
    """A Namespace of an audited cluster, with its labels."""

    cluster: str
    name: str
    labels: Mapping[str, str]


class Report(Struct, frozen=True, kw_only=True):
    """The whole result of a run. The order is that of the inputs, and the same in every run.

    `command`: "check", "test", "lint", "impact" or "audit". `rules`: by id; a finding's rule may be missing here.
    `suppressed`: findings that count for nothing, each with its suppression. `problems`: inputs that could not be read
    or used: the run itself failed. `warnings`: about inputs, which fail nothing. `notes`: lines worth knowing. `scope`:
    how much was looked at, as name in the plural -> count, such as {"objects": 3, "files": 2}, in the order in which it
    is said.
    `untested`: policies without tests. `mutated`: what became of mutants; None if none were made. `impact`: what two
    policy trees were compared for, and what cannot be said; None for other commands. `hidden`: how many findings are
    left out on demand, `hidden_denied` and `hidden_failing` those among them that deny, and that fail the run.
    `exceptions_used`: the exceptions of the policies, and on how many objects each covered something.
    `at`: of an audit of objects, when it ended, such as "2026-11-29T20:00:04Z"; else "".
    `history`: the last audits, the oldest first, this one at the end;
    empty if they are not kept. `namespaces`: the Namespaces of the audited clusters. `standing`: what an
    audit of objects judged by, as webhook.cli.report.judgedby makes it, if a format shows it; else empty.
    `elsewhere`: of files of another revision than the work tree's, the name in this report, `REVISION:PATH` -> the path
    from the current folder, for formats whose readers look for the file there. `advice`: a line of the text, for
    people, on what to do next. `verbose`, `shows_diffs`,
    `shows_why`: what was asked for.
    """

    command: str
    findings: Sequence[Finding] = ()
    suppressed: Sequence[Finding] = ()
    cases: Sequence[Case] = ()
    rules: Mapping[str, Rule] = {}
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    notes: Sequence[str] = ()
    left_out: Sequence[LeftOut] = ()
    diffs: Sequence[Diff] = ()
    scope: Mapping[str, int] = {}
    untested: Sequence[str] = ()
    mutated: Sequence[Mutated] | None = None
    impact: Summary | None = None
    scores: Scores | None = None
    hidden: int = 0
    hidden_denied: int = 0
    hidden_failing: int = 0
    exceptions_used: Mapping[str, int] = {}
    at: str = ""
    namespaces: Sequence[Namespace] = ()
    history: Sequence[Past] = ()
    standing: Mapping[str, Any] = {}
    elsewhere: Mapping[str, str] = {}
    advice: str = ""
    verbose: bool = False
    shows_diffs: bool = False
    shows_why: bool = False

    def count(self, level: Level) -> int:
        """How many findings have this level."""
        return sum(1 for each in self.findings if each.level == level)


def failed(case: Case) -> Finding:
    """The finding for a case that failed."""
    return Finding(
        rule=case.policy,
        level="error",
        message="\n".join(
            [
                f"{case.name}: {'; '.join(case.failures)}",
                *(f"found: {text}" for text in case.texts),
                *(f"not matched: {each.why}" for each in case.unmatched),
            ]
        ),
        place=case.place,
        kind="test",
        policy=case.policy,
        anchor=case.name,
    )


def merged(findings: Iterable[Finding]) -> Iterator[tuple[tuple[Level, ...], Finding]]:
    """The findings in their order, those that differ in their level only as one: the gravest, with all levels. An
    evaluation error and a violation are never one."""
    found: dict[tuple[object, ...], list[Finding]] = {}
    for each in findings:
        where = (each.place, each.rendered, each.path, each.object, each.operation, each.change)
        found.setdefault((*where, each.rule, each.kind, each.binding, each.message, each.error), []).append(each)
    for same in found.values():
        levels = tuple(each.level for each in same)
        yield levels, min(same, key=lambda each: LEVELS.index(each.level))


# ------------------------------------------------------------------------------------------------------ fingerprints

_VARIABLE: Final = lazily("'[^']*'|\"[^\"]*\"|[0-9]+")


def fingerprinted(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings, each with its fingerprint: 32 hexadecimal digits, different ones within one report.

    It is of the rule, the binding, the level, the cluster and the object, the place within it, and the message without
    what it quotes and its numbers; so neither moving lines or files nor a new image tag makes a finding a new one. Of a
    finding that is about no object, the file is part of it. Equal findings are told apart by counting.
    """
    seen: Counter[bytes] = Counter()
    for each in findings:
        about = each.object
        where = (
            [each.place.file] if about is None else [_group(about.api_version), about.kind, about.namespace, about.name]
        )
        words = _VARIABLE.sub("", each.message)
        if each.cluster:
            where.append(each.cluster)
        parts = [each.rule, each.kind, each.binding, each.level, each.change, *where, each.anchor or each.path, words]
        base = sha256("\0".join(parts).encode(errors="backslashreplace"))
        key = base.digest()  # a hundred thousand of these are kept, and not of the texts
        seen[key] += 1
        base.update(f"\0{seen[key]}".encode())
        yield replace(each, fingerprint=base.hexdigest()[:32])


def anchored(path: Sequence[str | int], value: Any) -> str:
    """A place in a value as text that survives other items being added: items of lists stand by their `name`."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
            parts.append(step)
            continue
        value = value[step] if isinstance(value, list) and step < len(value) else None
        name = value.get("name") if isinstance(value, dict) else None
        parts.append(f"[{name}]" if isinstance(name, str) else str(step))
    return "/".join(parts)


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]
