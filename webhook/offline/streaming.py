"""A run over manifests file by file: each is parsed, planned, judged and forgotten, so that memory does not grow with
them.

What a run has to know of all of them (webhook.offline.ahead) is found first. The files are then divided into parts,
which may be planned in any process and in any order; what is to be said of them is put together in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, BinaryIO, Final, Protocol, TypeVar

from msgspec import Struct, field

from webhook.documents import files
from webhook.documents.document import Document, Problem
from webhook.documents.reader import objects
from webhook.offline.ahead import ahead_of
from webhook.offline.inputs import Asked, Inputs, rendered_by
from webhook.offline.leftout import LeftOut
from webhook.offline.leftout import notes as notes_on
from webhook.offline.lookedup import Overlaps
from webhook.offline.manifests import Reading
from webhook.offline.requests import Options, Plan, PlannedRequest, Planner, by_document
from webhook.offline.sifting import File, Manifests, accept
from webhook.offline.unknownnamespaces import Depending
from webhook.offline.updates import DefinedTwice
from webhook.policy import startup
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds

T = TypeVar("T")

_BATCH: Final = 64
"""Documents whose requests are in memory at once, and files that are checked before it is reported."""

_DIVIDED: Final = 16
"""Documents of what is divided that a process checks before it reports."""

_PART: Final = 1 << 16
"""Bytes of files that are checked before it is reported, if there are more of them than one."""

_SHARES: Final = 4
"""Parts into which the work of each process is divided, at least."""

_USUAL: Final = 2048
"""Bytes that a document is taken to have before it is read."""


class Said(Struct):
    """What is to be said of some manifests besides the verdicts.

    `sifted`: without documents. `objects`: of what is no object; `planning`: of what cannot be planned. `twice`: of
    what is defined twice. `guessed`, `plugins`: see Plan. `overlaps`: notes on what the policy tree has too. `met`: the
    resources of webhook.policy.startup that are among them. `depending`: the Namespaces that verdicts may depend on.
    `checked`: of each folder one stream in which something is checked. `something`: whether there is anything to check.
    """

    sifted: Manifests = field(default_factory=Manifests)
    objects: list[Problem] = field(default_factory=list)
    planning: list[Problem] = field(default_factory=list)
    twice: list[Problem] = field(default_factory=list)
    guessed: dict[tuple[str, str], str] = field(default_factory=dict)
    plugins: dict[str, None] = field(default_factory=dict)
    overlaps: list[str] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    depending: set[str] = field(default_factory=set)
    checked: dict[str | None, str] = field(default_factory=dict)
    something: bool = False

    def plan(self, plan: Plan) -> None:
        """Add the notes of a plan of the manifests that follow."""
        for kind, note in plan.guessed.items():
            self.guessed.setdefault(kind, note)
        self.plugins |= dict.fromkeys(plan.plugins)

    def take(self, other: Said) -> None:
        """Add what is to be said of the manifests that follow."""
        self.sifted.take(other.sifted)
        self.objects += other.objects
        self.planning += other.planning
        self.twice += other.twice
        for kind, note in other.guessed.items():
            self.guessed.setdefault(kind, note)
        self.plugins |= other.plugins
        self.overlaps += other.overlaps
        self.met |= other.met
        self.depending |= other.depending
        for argument, stream in other.checked.items():
            self.checked.setdefault(argument, stream)
        self.something |= other.something


class Part(Struct):
    """Some files that one process checks, or requests that are planned. `documents`: about how many."""

    files: Sequence[File] = ()
    requests: Sequence[PlannedRequest] = ()
    said: Said | None = None
    documents: int = 0


class Whole(Struct, frozen=True):
    """What is to be said of all manifests of a run. `empty`: there are none."""

    problems: list[Problem]
    warnings: list[Problem]
    notes: list[str]
    left_out: Sequence[LeftOut]
    met: set[str]
    depending: set[str]
    empty: bool
    elsewhere: Mapping[str, str] = {}


class Run(Protocol):
    """The manifests of a run. `objects`: those that policies look up. `policies`: those that were given, knowing the
    custom kinds of the manifests. `documents`: about how many there are."""

    policies: PolicySet
    kinds: Kinds
    objects: Sequence[dict[str, Any]]
    documents: int

    def parts(self, count: int) -> list[Part]:
        """The manifests, divided. count: the processes that check them. Call it once, before they are started."""

    def requests(self, part: Part, said: Said) -> Iterator[PlannedRequest]:
        """The requests of a part. said: to which is added what is to be said of it, until all of them were taken."""

    def whole(self, said: Said) -> Whole:
        """What is to be said of the run, of what was said of all parts in their order."""


class Planned:
    """A run whose requests are all planned: they are compared with others, or are not those of whole objects."""

    def __init__(self, asked: Asked, requests: Sequence[PlannedRequest], notes: Sequence[str]) -> None:
        self.policies, self.kinds, self.objects = asked.policies, asked.planned.kinds, asked.planned.objects
        self._asked = asked
        self._groups = list(by_document(requests))
        self.documents = len(self._groups)
        self._notes = notes
        self._sayer = _Sayer(asked.policies)

    def parts(self, count: int) -> list[Part]:
        """See Run."""
        return [Part(requests=[*chain.from_iterable(each)]) for each in batched(self._groups, _DIVIDED)]

    def requests(self, part: Part, said: Said) -> Iterator[PlannedRequest]:
        """See Run."""
        self._sayer.say(part.requests, said)
        yield from part.requests

    def whole(self, said: Said) -> Whole:
        """See Run."""
        asked = self._asked
        return Whole(
            asked.problems,
            asked.warnings,
            [*asked.notes, *self._notes, *said.overlaps],
            asked.left_out,
            said.met,
            said.depending,
            asked.empty,
            asked.elsewhere,
        )


class Streamed:
    """A run that applies objects as they are in the manifests. See Run; `inputs.old` and `inputs.since` are empty."""

    def __init__(
        self,
        inputs: Inputs,
        options: Options,
        policies: PolicySet,
        stdin: BinaryIO | None,
        progress: Callable[[str], None] = lambda _file: None,
    ) -> None:
        self._inputs = inputs
        self._options = options
        ahead = ahead_of(policies, options.target)
        self._reading = reading = Reading(
            stdin, progress, inputs.exclude, inputs.strict, (), rendered_by(inputs), ahead=ahead
        )
        for name in inputs.paths:
            reading.named(name)
        self._sifting = reading.settled(Kinds.builtin().with_crds(policies.objects))
        at_hand = [each for each in self._looked_up() if ahead.wants(each.value)]
        self._planner = Planner(options, [*policies.objects, *(each.value for each in at_hand)])
        plan = self._planner.apart().planned(at_hand)
        self.policies = plan.defaulting(policies)
        self.kinds: Kinds = plan.kinds
        self.objects: Sequence[dict[str, Any]] = plan.objects
        self.documents = sum(_number(each) for each in reading.files) + len(reading.rendered)
        self._sayer = _Sayer(self.policies)

    def _looked_up(self) -> Iterator[Document]:
        """The objects of files in which there may be one that is looked up, and what was rendered."""
        for file in self._reading.files:
            if not file.looked_up:
                continue
            try:
                loaded = file.loaded()
            except OSError:
                continue  # which is said when it is checked
            if file.unparsed and self._reading.keeps_parsed(file):
                file.documents, file.unread, file.warnings = loaded.documents, loaded.unread, loaded.warnings
                file.unparsed, file.content = False, None
            yield from objects(self._sifting.sifted(loaded).documents, typed=self._options.as_written)[0]
        rendered = Manifests()
        for document in self._reading.rendered:
            accept(document, rendered)
        yield from objects(rendered.documents, typed=self._options.as_written)[0]

    # Dividing

    def parts(self, count: int) -> list[Part]:
        """See Run. What is larger than a share of the work is planned here, and divided."""
        made: list[Part] = []
        listed = self._reading.files
        if self._reading.rendered:
            listed = [*listed, File("", self._reading.rendered, sifted=True)]
        shares = _SHARES * count
        share = sum(each.size for each in listed) // shares
        most_bytes, most_files = min(share, _PART), min(len(listed) // shares + 1, _BATCH)
        planner = self._planner.apart()
        gathered: list[File] = []
        size = 0
        for file in listed:
            divided = count > 1 and (
                file.size > max(share, _PART) or (not file.unparsed and len(file.documents) > _DIVIDED)
            )
            if gathered and (divided or size + file.size > most_bytes or len(gathered) >= most_files):
                made.append(Part(gathered))
                gathered, size = [], 0
            if divided:
                made += self._divided(file, planner)
            else:
                gathered.append(file)
                size += file.size
        if gathered:
            made.append(Part(gathered))
        return made

    def _divided(self, file: File, planner: Planner) -> Iterator[Part]:
        said = Said()
        groups = by_document(self._planned([file], planner, said))
        parts = [Part(requests=[*chain.from_iterable(each)]) for each in batched(groups, _DIVIDED)] or [Part()]
        parts[0].said = said
        return iter(parts)

    # Planning

    def requests(self, part: Part, said: Said) -> Iterator[PlannedRequest]:
        """See Run."""
        if part.said is not None:
            said.take(part.said)
        yield from part.requests
        yield from self._planned(part.files, self._planner, said)

    def _planned(self, listed: Iterable[File], planner: Planner, said: Said) -> Iterator[PlannedRequest]:
        # Step by step for all of a part: going from step to step for each file costs a fifth more, in caches.
        sifted = [document for file in listed for document in self._sifted(file, said)]
        twice = DefinedTwice()
        for documents in batched(sifted, _BATCH):
            manifests, problems = objects(documents, typed=self._options.as_written)
            plan = planner.planned(manifests)
            said.objects += problems
            said.planning += plan.problems
            said.twice += twice.warnings(plan.requests)
            said.plan(plan)
            self._sayer.say(plan.requests, said)
            yield from plan.requests

    def _sifted(self, file: File, said: Said) -> list[Document]:
        """The objects of a file."""
        found = Manifests()
        if file.sifted:
            for document in file.documents:
                accept(document, found)
        else:
            try:
                found = self._sifting.sifted(file.loaded())
            except OSError as error:
                found.problems.append(Problem(file.name, None, None, files.reason(error)))
        documents, found.documents = found.documents, []
        said.sifted.take(found)
        said.something |= bool(documents)
        for document in documents if file.sifted else documents[:1]:
            said.checked.setdefault(file.argument if not file.sifted else document.stream, document.stream)
        return documents

    # Saying

    def whole(self, said: Said) -> Whole:
        """See Run."""
        reading = self._reading
        found = reading.found
        found.take(said.sifted)
        reading.end({*said.checked.values()}, may_be_empty=False)
        return Whole(
            [*found.problems, *said.objects, *said.planning],
            [*found.warnings, *said.twice],
            [
                *notes_on(found.left_out, found.kept, verbose=self._inputs.verbose),
                *said.guessed.values(),
                *said.plugins,
                *said.overlaps,
            ],
            found.left_out,
            said.met,
            said.depending,
            not (said.something or found.problems or found.left_out),
        )


class _Sayer:
    """What is to be said of requests, whichever part they are of."""

    def __init__(self, policies: PolicySet) -> None:
        self._overlaps = Overlaps(policies.objects)
        self._depending = Depending(policies)

    def say(self, requests: Sequence[PlannedRequest], said: Said) -> None:
        said.overlaps += self._overlaps.notes(requests)
        said.met |= startup.among(each.request for each in requests)
        said.depending |= self._depending.of(each.request for each in requests)


def _number(file: File) -> int:
    """About how many documents a file has."""
    return len(file.documents) if not file.unparsed else 1 + file.size // _USUAL


def batched(values: Iterable[T], count: int) -> Iterator[list[T]]:
    """Values in lists of `count`, the last one perhaps shorter. (Python has it since 3.12.)"""
    taken = iter(values)
    while batch := list(islice(taken, count)):
        yield batch
