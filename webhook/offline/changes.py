"""What differs between two revisions of manifests, as the requests that applying the difference would send.

An object that is the same on both sides is sent nowhere, whatever file it is in. Objects are paired by group, kind,
namespace and name. Where several files have an object of one identity, as folders for several clusters do, each stands
for itself, paired with that of the same file; what stands in a new file then has no counterpart that can be told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import orjson
from msgspec import Struct
from msgspec.structs import replace

from webhook.documents.document import Document, Problem
from webhook.offline.requests import Plan, PlannedRequest, by_document
from webhook.offline.updates import Key, key_of, updated
from webhook.paths import ROOT
from webhook.policy.request import CREATE, DELETE, UPDATE

_SORTED: Final = orjson.OPT_SORT_KEYS


class Differing(Struct, frozen=True):
    """The documents that only one side has. `same`: how many both have; `moved`: how many of them in another file."""

    new: list[Document]
    old: list[Document]
    same: int
    moved: int


class Changes(Struct, frozen=True):
    """The requests, and the objects whose counterpart cannot be told. `moved`: of the updates, in another file."""

    requests: list[PlannedRequest]
    problems: list[Problem]
    moved: int

    def counted(self, differing: Differing) -> str:
        """How many objects are created, updated, deleted and left alone, as text."""
        operations = Counter(each.request.operation for each in self.requests if not each.of_template)
        texts = [
            f"{operations[operation]:,} {what}"
            for operation, what in ((CREATE, "created"), (UPDATE, "updated"), (DELETE, "deleted"))
        ]
        moved = differing.moved + self.moved
        return f"{', '.join(texts)}, {differing.same:,} unchanged{f'; {moved:,} moved' if moved else ''}"


def differing(new: Iterable[Document], old: Iterable[Document], file: Callable[[Document], str]) -> Differing:
    """Take away what both sides have. file: the file of a document, by the same name on both sides."""
    in_file: defaultdict[tuple[str, bytes], list[Document]] = defaultdict(list)
    for document in old:
        in_file[file(document), _content(document)].append(document)
    rest: list[Document] = []
    same = moved = 0
    for document in new:
        if found := in_file[file(document), _content(document)]:
            found.pop(0)
            same += 1
        else:
            rest.append(document)
    anywhere: defaultdict[bytes, list[Document]] = defaultdict(list)
    for (_, content), documents in in_file.items():
        anywhere[content] += documents
    only_new: list[Document] = []
    for document in rest:
        if found := anywhere[_content(document)]:
            found.pop(0)
            same, moved = same + 1, moved + 1
        else:
            only_new.append(document)
    left = {id(document) for documents in anywhere.values() for document in documents}
    return Differing(only_new, [document for document in old if id(document) in left], same, moved)


def changes(planned: Plan, before: Plan, differ: Differing, file: Callable[[Document], str]) -> Changes:
    """The requests for what differs. planned: of all new documents; before: deletions of the old ones that differ."""
    changed = {id(document) for document in differ.new}
    groups = list(by_document(planned.requests))
    kept: defaultdict[Key, list[PlannedRequest]] = defaultdict(list)  # objects that both sides have
    ours: defaultdict[Key, list[list[PlannedRequest]]] = defaultdict(list)
    for group in groups:
        first = group[0]
        if id(first.document) not in changed:
            kept[key_of(first)].append(first)
        elif _is_named(first):
            ours[key_of(first)].append(group)
    theirs: defaultdict[Key, list[PlannedRequest]] = defaultdict(list)
    for each in before.requests:
        if not each.prefix and _is_named(each):
            theirs[key_of(each)].append(each)

    was: dict[int, PlannedRequest] = {}  # id of a document -> what it was
    problems: list[Problem] = []
    moved = 0
    for key, new in ours.items():
        old = theirs[key]
        unpaired = _paired(new, old, file, was)
        if len(unpaired) == len(old) == 1 and not kept[key]:
            was[id(unpaired[0].document)] = old.pop()
            moved += 1
        elif unpaired and (old or kept[key] or len(new) > 1):
            others = [*kept[key], *(group[0] for group in new)]
            problems += [_ambiguous(each, others) for each in unpaired]
            changed -= {id(each.document) for each in unpaired}
            old.clear()
    gone: dict[tuple[Key, str], PlannedRequest] = {}
    for key, old in theirs.items():
        there = {file(each.document) for each in (*kept[key], *(group[0] for group in ours[key]))}
        gone |= {(key, file(each.document)): each for each in old if file(each.document) not in there}
    requests: list[PlannedRequest] = []
    for group in groups:
        first = group[0]
        if id(first.document) in changed:
            before_it = was.get(id(first.document))
            requests += group if before_it is None else [updated(first, before_it), *group[1:]]
    requests += [replace(each, problems=()) for each in gone.values()]
    return Changes(requests, problems, moved)


def _paired(
    new: Sequence[list[PlannedRequest]],
    old: list[PlannedRequest],
    file: Callable[[Document], str],
    was: dict[int, PlannedRequest],
) -> list[PlannedRequest]:
    """Pair objects of one identity by their file, and take the old ones from the list. Returns the new ones left."""
    unpaired: list[PlannedRequest] = []
    for group in new:
        first = group[0]
        found = next((each for each in old if file(each.document) == file(first.document)), None)
        if found is None:
            unpaired.append(first)
        else:
            old.remove(found)
            was[id(first.document)] = found
    return unpaired


def _is_named(planned: PlannedRequest) -> bool:
    """Whether the object has a name of its own. One that the API server names is never the same as another."""
    value: Any = planned.document.value
    metadata = value.get("metadata") if isinstance(value, dict) else None
    return not planned.prefix and isinstance(metadata, dict) and bool(metadata.get("name"))


def _ambiguous(planned: PlannedRequest, others: Iterable[PlannedRequest]) -> Problem:
    """Why it is not known what an object was before."""
    own = planned.document
    places = sorted({_place(each.document) for each in others if each.document is not own})
    name = f"{planned.identity.kind} {'/'.join(filter(None, (planned.identity.namespace, planned.identity.name)))}"
    elsewhere = f" also stands in {', '.join(places[:3])}" if places else " stood in several files before"
    return own.problem(
        ROOT,
        f"{name}{elsewhere}: which of them a cluster has is not known; it is not checked. Check the folders of one "
        "cluster at a time",
    )


def _place(document: Document) -> str:
    """Where a document is, as text; of what was rendered its source, as lines are those of the output."""
    at = f"{document.stream}:{document.line}"
    return at if document.file == document.stream else f"{document.file} (rendered, in line {document.line})"


def _content(document: Document) -> bytes:
    """Equal for equal values: 1, 1.0 and true differ."""
    try:
        return orjson.dumps(document.value, option=_SORTED)
    except (TypeError, orjson.JSONEncodeError):  # an integer of more than 64 bits
        import json

        return json.dumps(document.value, sort_keys=True).encode("utf-8", "surrogatepass")
