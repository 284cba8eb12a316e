"""Values of composited variables that policies share on one request.

Many policies begin with the same variables: the Pod's spec by the kind of the object, all containers of it. Where two
policies declare a variable by the same expression, and by the same expressions of the variables that it uses, its value
on one object is the same: the first policy that evaluates it leaves it to the others. What depends on the params or
uses the authorizer is not shared. Errors are not kept, and neither is what was expensive or large, so that a review
holds little, and each policy is charged what the evaluation cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from webhook.cel import Activation, Program
from webhook.cel.tree.ast import Const, Expr, Ident, Select, variables_in
from webhook.digests import sha256

if TYPE_CHECKING:
    from webhook.policy.reviewing import Review

ROOTS: Final = frozenset({"object", "oldObject", "request", "namespaceObject"})
"""The variables that have one value for all policies on one request."""

_MOST: Final = 1_000  # values of one review
_UNITS: Final = 10_000  # that the evaluation of the policy may have cost, in cost units, and in steps
_BYTES: Final = 1 << 16  # that it may have made


class Kept(NamedTuple):
    """A value, and the most that the evaluation of its variable can have cost, in cost units.

    Steps of work are not charged again: they are bounded for each expression, and a variable is one of its own.
    """

    value: Any
    units: int


Shared = dict[bytes, Kept]
"""The values that the policies of one request share, by the key of the variable."""


def keys(variables: Mapping[str, Program]) -> tuple[tuple[str, bytes], ...]:
    """`variables.NAME` and key of each variable whose value is worth sharing. The key is made of its expression, and of
    the keys of the variables that it uses."""
    found: dict[str, bytes] = {}
    for name, program in variables.items():
        others = variables_in(program.tree) - ROOTS
        if others <= found.keys():  # those that are not among them depend on the params or the authorizer
            source = program.source.encode(errors="surrogatepass")
            key = sha256(b"%d " % len(source) + source)
            for other in sorted(others):
                key.update(other.encode() + found[other])
            found[name] = key.digest()
    return tuple((name, key) for name, key in found.items() if _takes_more_than_sharing(variables[name].tree))


def _takes_more_than_sharing(node: Expr) -> bool:
    """Whether the expression is more than the way to a field, which is found as quickly as a value that is shared."""
    while isinstance(node, Select):
        node = node.operand
    return not isinstance(node, Ident | Const)


def into(
    bindings: dict[str, Any], names: tuple[tuple[str, bytes], ...], shared: Shared
) -> tuple[int, list[tuple[str, bytes]] | None]:
    """Add the values of these variables that are known. Returns what they are charged, and those that are missing."""
    charged = 0
    missing: list[tuple[str, bytes]] | None = None
    for each in names:
        kept = shared.get(each[1])
        if kept is not None:
            bindings[each[0]], units = kept
            charged += units
        elif missing is None:
            missing = [each]
        else:
            missing.append(each)
    return charged, missing


def keep(
    review: Review,
    names: tuple[tuple[str, bytes], ...],
    missing: list[tuple[str, bytes]],
    activation: Activation,
    charged: int,
) -> None:
    """Add the values of `missing` variables that an evaluation computed, if it was cheap. charged: cost units for
    shared values, before it began.

    If all of `names` are known now, the next policy with the same ones gets them at once: libraries have many such.
    """
    units = activation.cost - charged
    shared = review.shared
    if units > _UNITS or activation.worked() > _UNITS or activation.made() > _BYTES or len(shared) >= _MOST:
        return
    complete = True
    for name, key in missing:
        if name in activation:
            shared[key] = Kept(activation[name], units)
        else:
            complete = False
    if complete:
        bindings: dict[str, Any] = {"object": review.request.object, "oldObject": review.request.old_object}
        charged, _ = into(bindings, names, shared)
        review.whole[names] = bindings, charged
