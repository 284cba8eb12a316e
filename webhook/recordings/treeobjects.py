"""Which objects of the policy tree are not those that were recorded: a replay does not show what these change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from webhook.cluster.snapshot import key_of
from webhook.cluster.view import Answer, ClusterView
from webhook.recordings.reading import Recorded
from webhook.recordings.view import Key

_PARTLY: Final = frozenset(("metadata", "spec"))
"""Fields in which the API server sets defaults: what the tree does not say there may be anything."""

_SERVERS: Final = frozenset(("status",))


class TreeObjects:
    """Compares what policies looked up with the policy tree. tree: its objects."""

    def __init__(self, tree: ClusterView) -> None:
        self._tree = tree
        self._known: dict[tuple[Key, int], tuple[Any, tuple[str, ...]]] = {}  # by identity of what was looked up

    def differing(self, recorded: Recorded, redacted: Callable[[Any], Any]) -> Iterator[str]:
        """The names of the tree's objects that a review looked up, and that were recorded with another content.

        redacted: a copy of an object, redacted as the recording is.
        """
        for key, answer in recorded.answers.items():
            if key[0] == "access" or not isinstance(answer, Answer):
                continue
            known = self._known.get((key, id(answer.value)))
            if known is None:  # the objects of a file stay the same Python objects
                known = answer.value, tuple(self._among(key, answer.value, redacted))
                self._known[key, id(answer.value)] = known
            yield from known[1]

    def _among(self, key: Key, found: Any, redacted: Callable[[Any], Any]) -> Iterator[str]:
        what, *arguments = key
        try:
            own = getattr(self._tree, what)(*arguments).value
        except LookupError:
            return
        listed = {key_of(each): each for each in found} if isinstance(found, list) else None
        for each in own if isinstance(own, list) else [own]:
            if each is None:
                continue
            was = found if listed is None else listed.get(key_of(each))
            if was is None or not _same(redacted(each), was):
                yield f"{each.get('kind')} {'/'.join(filter(None, key_of(each)))}"


def _same(own: dict[str, Any], was: dict[str, Any]) -> bool:
    """Whether an object of the cluster is what the API server makes of one in the tree."""
    names = (own.keys() | was.keys()) - _SERVERS
    return all(
        _covered(own.get(name), was.get(name)) if name in _PARTLY else own.get(name) == was.get(name) for name in names
    )


def _covered(own: Any, was: Any) -> bool:
    """Whether everything that one value says is said by the other, which may say more."""
    pairs = [(own, was)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            pairs += ((value, other.get(name)) for name, value in one.items())
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            pairs += zip(one, other, strict=True)
        elif one is not None and one != other:
            return False
    return True
