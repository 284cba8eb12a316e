"""Since when files of a repository are as they are."""

from __future__ import annotations

from webhook.git.repository import Repository


def last_change(repository: Repository, path: str) -> float | None:
    """When a file became what it is: the time of the last commit that changed it, in seconds since the epoch.

    path: relative to the top. None for a file that has no commit, or that was changed since. In a shallow clone it is
    the time of the oldest commit that is there, if none of the younger ones changed the file. Raises GitError.
    """
    if repository.ask("status", "--porcelain", "-z", "--ignored", "--", path):
        return None
    said = repository.ask("log", "-1", "--format=%ct", "--", path).strip()
    return float(said) if said else None
