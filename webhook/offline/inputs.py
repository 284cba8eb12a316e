"""The requests that a run is about: what applying its manifests would send, seen from what was there before.

What there was is nothing, the same objects (an operation), the objects of other files (`old`), or those of a revision
of the git repository (`since`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.documents.document import Problem
from webhook.documents.ignoring import Ignoring
from webhook.offline import manifests
from webhook.offline.leftout import LeftOut
from webhook.offline.leftout import notes as notes_on
from webhook.offline.requests import Options, Plan, PlannedRequest, plan
from webhook.offline.updates import compared, counted, defined_twice
from webhook.policy.request import DELETE

if TYPE_CHECKING:
    from webhook.offline.rendering import Rendered, Rendering
    from webhook.offline.revisions import Sides
    from webhook.policy.policyset import PolicySet

STDIN: Final = "-"


class Inputs(Struct, frozen=True):
    """Where the manifests are.

    `paths`: files, folders, or STDIN. `old`: the file or folder with what was before, "" for none. `since`, `until`:
    the revisions to compare; "" for no comparison, and for the work tree. Only one of `old` and `since` is given.
    `rendering`: what renders charts and kustomizations; None if nothing does. `verbose`: whether notes name every file.
    """

    paths: Sequence[str]
    old: str = ""
    since: str = ""
    until: str = ""
    exclude: Ignoring | None = None
    strict: bool = False
    rendering: Rendering | None = None
    verbose: bool = False


class Asked(Struct, frozen=True):
    """The requests, and what was found on the way to them.

    `planned`: of the manifests as they are now. `policies`: those that were given, knowing the custom kinds of the
    manifests. `problems`: what could not be read or planned; `empty`: whether there was nothing that could be.
    `elsewhere`: the files of the revision, `REVISION:PATH` -> the path from the current folder.
    """

    requests: list[PlannedRequest]
    planned: Plan
    policies: PolicySet
    problems: list[Problem]
    warnings: list[Problem]
    notes: list[str]
    left_out: Sequence[LeftOut]
    empty: bool
    elsewhere: Mapping[str, str] = {}

    def nothing(self, paths: Sequence[str], purpose: str) -> Problem:
        """See `nothing`."""
        return nothing(paths, purpose)


def nothing(paths: Sequence[str], purpose: str) -> Problem:
    """The problem that there is nothing to "check", or to do what else `purpose` says."""
    where = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    return Problem("<stdin>" if where == STDIN else where, None, None, f"no objects in it to {purpose}")


def asked(
    inputs: Inputs,
    options: Options,
    policies: PolicySet,
    stdin: BinaryIO | None,
    progress: Callable[[str], None] = lambda _file: None,
) -> Asked:
    """Read the manifests and plan their requests. progress: called with the name of each file.

    Raises GitError for a revision.
    """
    sides = _sides(inputs, policies, progress) if inputs.since else None
    read = (
        sides.new if sides is not None else _read(inputs, inputs.paths, policies, stdin, progress, strict=inputs.strict)
    )
    empty = not (read.documents or read.problems or read.left_out or (sides is not None and sides.old.documents))
    problems = [*read.problems]
    planned = plan(read.documents, options, policies.objects)
    requests = list(planned.requests)
    notes = [*notes_on(read.left_out, read.kept, verbose=inputs.verbose), *planned.notes]
    deletions = replace(options, operation=DELETE)
    if inputs.old:
        was = _read(inputs, [inputs.old], policies, stdin, progress, may_be_empty=True)
        before = plan(was.documents, deletions, policies.objects)
        problems += [*was.problems, *before.problems]
        requests = compared(requests, before)
        notes.append(f"against {inputs.old}: {counted(requests)}")
    if sides is not None:
        from webhook.offline.changes import changes, differing

        differ = differing(read.documents, sides.old.documents, sides.file)
        before = plan(differ.old, deletions, policies.objects)
        found = changes(planned, before, differ, sides.file)
        problems += [*found.problems, *before.problems]
        requests = found.requests
        notes.append(f"between {sides.between}: {found.counted(differ)}")
    return Asked(
        requests,
        planned,
        planned.defaulting(policies),
        [*problems, *planned.problems],
        [*read.warnings, *(sides.warnings if sides is not None else defined_twice(planned.requests))],
        notes,
        read.left_out,
        empty,
        sides.elsewhere if sides is not None else {},
    )


def _read(
    inputs: Inputs,
    paths: Sequence[str],
    policies: PolicySet,
    stdin: BinaryIO | None,
    progress: Callable[[str], None],
    **how: Any,
) -> manifests.Manifests:
    return manifests.read(
        paths,
        stdin,
        progress,
        exclude=inputs.exclude,
        crds=policies.objects,
        renderers=rendered_by(inputs),
        **how,
    )


def rendered_by(inputs: Inputs) -> Mapping[str, Callable[[str], Rendered]]:
    """What renders the charts and kustomizations of a run; see manifests.read."""
    if inputs.rendering is None:
        return manifests.NOTHING_IS_RENDERED
    from webhook.offline.rendering import renderers

    return renderers(inputs.rendering)


def _sides(inputs: Inputs, policies: PolicySet, progress: Callable[[str], None]) -> Sides:
    from webhook.offline import revisions
    from webhook.offline.rendering import Rendering

    how = revisions.Reading(inputs.exclude, inputs.strict, policies.objects, inputs.rendering or Rendering(), progress)
    return revisions.read(inputs.paths, inputs.since, inputs.until, how)
