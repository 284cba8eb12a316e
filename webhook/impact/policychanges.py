"""Whether policies differ between two revisions, for commands that judge by one side's policies alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from webhook.git.arguments import folder_of
from webhook.git.repository import GitError, Repository
from webhook.impact.sameness import compared
from webhook.impact.trees import Trees, between_revisions
from webhook.policy.load.loading import PolicyTreeError
from webhook.versions import Version

_SHOWN: Final = 3  # names of policies


def note(
    names: Sequence[str], paths: Sequence[str], since: str, until: str, imports: Collection[str], version: Version
) -> str:
    """What to say of the policy trees `names` where manifests of two revisions were compared; "" if no policy differs.

    The same goes for trees that are not in the repository of the manifests, `paths`: there the revisions mean others.
    Texts are compared first, and loaded only where they differ.
    """
    try:
        if Repository.of(folder_of(names)).top != Repository.of(folder_of(paths)).top:
            return ""
        trees = between_revisions(names, since, until, imports)
    except GitError:
        return ""
    if _contents(trees, old=True) == _contents(trees, old=False):
        return ""
    differing = _differing(trees, version)
    if differing is None:
        return ""
    command = f"gatewright impact --since {since}{f' --until {until}' if until else ''}"
    shown = [*differing[:_SHOWN], *([f"{len(differing) - _SHOWN:,} more"] if len(differing) > _SHOWN else [])]
    of = f" ({', '.join(shown)})" if shown else ""
    return f"the policies differ too{of}: {command} shows whom that hits"


def _contents(trees: Trees, *, old: bool) -> list[bytes]:
    """The files of a side, whatever their names: a policy that was moved is the same."""
    return sorted(file.content for file in (trees.old if old else trees.new).tree.files)


def _differing(trees: Trees, version: Version) -> list[str] | None:
    """The names of the policies that differ, none if it is not known which; None if no policy does."""
    try:
        comparison = compared(trees.old.loaded(version), trees.new.loaded(version))
    except PolicyTreeError:
        return []
    names = list(dict.fromkeys(name for _, name in comparison.policies))
    return names if names or comparison.apart else None
