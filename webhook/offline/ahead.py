"""What a run over manifests has to know of all of them before it judges the first: definitions of kinds, and the
objects that policies and the API server's plugins look up.

It is found without parsing every file: the bytes of a file show that it holds none of these, or leave it open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from msgspec import Struct

from webhook.apiserver.plugins.lookups import LOOKED_UP
from webhook.cluster.lookups import NAMESPACES_KIND
from webhook.documents.kustomizations import GROUP
from webhook.documents.spelling import may_hide_words
from webhook.lazypatterns import lazily
from webhook.offline.creatable import DEFINITION, is_definition
from webhook.policy.needed import lookups_of
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.versions import Version

Type = tuple[str, str]
"""apiVersion and kind."""

_WORD: Final = lazily(r"[A-Za-z0-9.-]+")
_GENERATED: Final = b"generateName"


class Ahead(Struct, frozen=True):
    """`wanted`: apiVersion and kind of what is looked up, and the names; None for all of the kind. `always`: the kinds
    in bytes whose objects are all wanted; `named`: those of which some are, with their names. `anything`: some kind or
    name is no plain word, so that bytes show nothing."""

    wanted: Mapping[Type, Collection[str] | None]
    always: tuple[bytes, ...]
    named: tuple[tuple[bytes, tuple[bytes, ...]], ...]
    anything: bool

    def may_hold(self, content: bytes) -> bool:
        """Whether the content of a file, of which it is known that it hides no words (webhook.documents.spelling), may
        hold an object that is wanted, or a definition."""
        return (
            self.anything
            or any(kind in content for kind in self.always)
            or any(kind in content and any(name in content for name in names) for kind, names in self.named)
        )

    def wants(self, value: Any) -> bool:
        """Whether a document is wanted, or a definition."""
        if is_definition(value):
            return True
        if not isinstance(value, dict):
            return False
        type_ = value.get("apiVersion"), value.get("kind")
        if not all(isinstance(each, str) for each in type_) or type_ not in self.wanted:
            return False
        names = self.wanted[type_]  # type: ignore[index]  # both are texts
        metadata = value.get("metadata")
        if names is None or not isinstance(metadata, dict):
            return True
        name = metadata.get("name")
        return not name or name in names  # without a name one is made up


def ahead_of(policies: PolicySet, target: Version) -> Ahead:
    """What a run with these policies has to know ahead."""
    wanted: dict[Type, set[str] | None] = dict.fromkeys((NAMESPACES_KIND, *sorted(LOOKED_UP)))
    builtin = Kinds.builtin(target)
    for each in lookups_of(policies).targets:
        type_ = each.api_version, each.kind
        # An object of any name makes an unknown kind a known one.
        if not each.name or builtin.for_kind(*type_) is None:
            wanted[type_] = None
        elif (names := wanted.setdefault(type_, set())) is not None:
            names.add(each.name)
    always = {DEFINITION, *(kind for (_, kind), names in wanted.items() if names is None)}
    named: dict[str, set[str]] = {}
    for (_, kind), names in wanted.items():
        if names is not None:
            named.setdefault(kind, set()).update(names)
    words = [*always, *named, *(name for names in named.values() for name in names)]
    return Ahead(
        wanted,
        tuple(sorted(map(str.encode, always))),
        tuple((kind.encode(), (*sorted(map(str.encode, names)), _GENERATED)) for kind, names in sorted(named.items())),
        not all(map(_is_word, words)),
    )


def may_be_structure(content: bytes) -> bool:
    """Whether the content of a file may say how others are read: it holds a definition or a kustomization, or may hide
    words."""
    return any(each in content for each in _STRUCTURE) or may_hide_words(content)


_STRUCTURE: Final = (DEFINITION.encode(), GROUP.encode())


def _is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None
