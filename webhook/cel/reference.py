"""Generates docs/cel-functions.md from the tables of the libraries: `python -m webhook.cel.reference`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from webhook.cel.functions import LIBRARIES
from webhook.cel.library.declaring import Failure, Library, Macro, Overload
from webhook.cel.tree.declared import Cost
from webhook.versions import OLDEST, Version, shown

_HEAD = """\
# CEL functions

The functions that expressions of policies may call, besides CEL's operators. The tests run every example and every
error on this page. `make docs` writes the page from the tables in `webhook/cel/library/`.

The version of a library is the Kubernetes version that declares it. `--kubernetes-version` says which version the
policies are for; a function that came later is refused when they are loaded. (A kube-apiserver accepts a function in
*new* policies one minor version after that, so that it can be rolled back; in stored policies it evaluates it at once.)

Methods are called on their first value: `string.charAt(int)` is `'hello'.charAt(1)`. `T`, `U`, `K`, `V` and `J` stand
for any type. If a type is not known when the policy is loaded, as below `object`, the function is chosen by the values
at run time, and a wrong value gives the error `no such overload`.

A call costs 1 of the 1,000,000 that an expression may cost in the API server, unless another cost is given here. Sizes
are code points, bytes, elements and entries; fractions are rounded up.
"""


def reference() -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    for _, group in groupby(LIBRARIES, key=lambda library: library.name):
        libraries = list(group)
        parts.append(f"\n## {_title(libraries[0])}\n\n{_since(libraries[0].since)}\n")
        for library in libraries:
            parts += (f"\n{entry}" for entry in _entries(library, libraries[0].since))
    return "".join(parts)


def _title(library: Library) -> str:
    """The heading of a library: `optional_lists` gives Optional lists."""
    return library.title or library.name[:1].upper() + library.name[1:].replace("_", " ")


def _since(since: Version) -> str:
    return "In every version." if since <= OLDEST else f"Since Kubernetes {shown(since)}."


def _later(since: Version, first: Version) -> str:
    return f" Since Kubernetes {shown(since)}." if since != first else ""


def _entries(library: Library, first: Version) -> Iterator[str]:
    for macro in library.macros:
        yield _entry([macro.form], macro, _later(library.since, first), "")
    overloads = (overload for overload in library.overloads if not overload.name.startswith("@"))
    for _, group in groupby(overloads, key=lambda each: (each.name, each.member, each.doc, each.example)):
        same = list(group)
        later = _later(same[0].since or library.since, first)
        yield _entry([_signature(overload) for overload in same], same[0], later, _cost(same[0]))


def _entry(signatures: Iterable[str], entry: Overload | Macro, later: str, cost: str) -> str:
    lines = [f"**{' <br> '.join(f'`{signature}`' for signature in signatures)}** \\\n", f"{entry.doc}{later}\n"]
    if entry.example:
        lines.append(f"- `{entry.example}`\n")
    if entry.error:
        lines.append(_failure(entry.error))
    if cost:
        lines.append(f"- cost: {cost}\n")
    return "".join(lines)


def _cost(overload: Overload) -> str:
    if overload.declared.lazy:
        return "0"
    cost, unfixed = overload.declared.cost, overload.unfixed_cost
    if cost is None:
        return ""
    where = "" if cost is unfixed else f"; where the types leave the overload open, {_formula(unfixed)}"
    return _formula(cost) + where


def _formula(cost: Cost | None) -> str:
    """A cost formula in words: the first line of its docstring, in the form of a part of a sentence."""
    if cost is None:
        return "1"
    first = (cost.__doc__ or "").split("\n")[0].removesuffix(".")
    return first[:1].lower() + first[1:]


def _failure(failure: Failure) -> str:
    expression, text = failure
    return f"- error: `{expression}` gives `{text}`\n"


def _signature(overload: Overload) -> str:
    params = [str(param) for param in overload.params]
    if not overload.member:
        return f"{overload.name}({', '.join(params)}) -> {overload.result}"
    return f"{params[0]}.{overload.name}({', '.join(params[1:])}) -> {overload.result}"


if __name__ == "__main__":
    import sys

    sys.stdout.write(reference())
