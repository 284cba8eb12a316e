"""What the API server makes of an object that a mutation changed: decoded into the Go type of its kind, and defaulted.

A live API server may be of another version than the tables here, and have fields or forms that they do not know. What
it sent is kept: the result differs from the mutated object only where decoding changes what the mutation did.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from webhook.apiserver import decoding, encoding
from webhook.apiserver.decoding import Decoded
from webhook.apiserver.defaults.defaulting import set_defaults
from webhook.apiserver.gotypes import struct_of
from webhook.apiserver.problems import FieldProblem
from webhook.versions import NEWEST, Version

if TYPE_CHECKING:
    from webhook.apiserver.customresources.definitions import Kind

JSONObject = dict[str, Any]

CustomKinds = Mapping[tuple[str, str], "Kind"]
"""(apiVersion, kind) → the custom kind."""

NO_CUSTOM_KINDS: Final[CustomKinds] = MappingProxyType({})


class Retyped(NamedTuple):
    """The object after a mutation as the next policy sees it, and why the API server cannot decode it.

    typed: whether all of it is what decoding and defaulting by the tables here made.
    """

    object: JSONObject
    problems: tuple[FieldProblem, ...]
    typed: bool


def retyped(
    before: JSONObject,
    after: JSONObject,
    custom: CustomKinds = NO_CUSTOM_KINDS,
    target: Version = NEWEST,
    *,
    typed: bool = False,
) -> Retyped:
    """The object after a mutation as the next policy sees it.

    before: the object before the mutation; what is wrong with it already is no problem of the mutation. Neither is
    modified. An object of a kind in `custom` gets the defaults of its schema; the API server prunes it only where it
    decodes it. Objects of other kinds stay as they are. target: the Kubernetes version. typed: see Retyped, of
    `before`; there is nothing in it then that these tables do not know.
    """
    api_version, kind = str(after.get("apiVersion")), str(after.get("kind"))
    struct = struct_of(api_version, kind, target)
    if struct is None:
        kind_of_schema = custom.get((api_version, kind))
        if kind_of_schema is None:
            return Retyped(after, (), False)
        from webhook.apiserver.customresources import judging  # where there is a custom resource

        return Retyped(judging.defaulted(kind_of_schema, after), (), False)
    is_now = _typed(after, api_version, kind, struct, target)
    if typed:
        return Retyped(is_now.object, is_now.problems, True)
    was = _typed(before, api_version, kind, struct, target)
    problems: tuple[FieldProblem, ...] = is_now.problems
    if problems and was.problems:
        known = {(each.path, each.message) for each in was.problems}
        problems = tuple(each for each in problems if (each.path, each.message) not in known)
    merged = _merged(before, was.object, after, is_now.object)
    return Retyped(merged, problems, merged is is_now.object)


def _typed(value: JSONObject, api_version: str, kind: str, struct: str, target: Version) -> Decoded:
    decoded = decoding.decode(value, struct, target)
    set_defaults(decoded.object, api_version, kind, target)
    encoding.encode(decoded.object, struct, target)
    return decoded


_ABSENT: Final = object()


def _merged(before: Any, was: Any, after: Any, is_now: Any) -> Any:
    """`is_now`, but for what `was` changed of `before`: there `after` stands."""
    if was == before:
        return is_now
    if before == after:
        return after
    if all(each.__class__ is dict for each in (before, was, after, is_now)):
        made: JSONObject = {}
        for name in after.keys() | is_now.keys():
            parts = [each.get(name, _ABSENT) for each in (before, was, after, is_now)]
            value = parts[3]
            if parts[0] is not _ABSENT or parts[1] is not _ABSENT:  # else the mutation added it
                value = _merged(*parts)
            if value is not _ABSENT:
                made[name] = value
        ordered = [*(name for name in after if name in made), *(name for name in made if name not in after)]
        return {name: made[name] for name in ordered}
    if all(each.__class__ is list for each in (before, was, after, is_now)) and len(before) == len(after):
        return [_merged(*each) for each in zip(before, was, after, is_now, strict=True)]
    return after
