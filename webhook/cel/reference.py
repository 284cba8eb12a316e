"""The reference page docs/cel-functions.md, made of the tables of the libraries: `python -m webhook.cel.reference`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from webhook.cel.functions import LIBRARIES
from webhook.cel.library.declaring import Failure, Library, Macro, Overload
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
"""


def reference() -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    for name, group in groupby(LIBRARIES, key=lambda library: library.name):
        libraries = list(group)
        parts.append(f"\n## {_title(name)}\n\n{_since(libraries[0].since)}\n")
        for library in libraries:
            later = "" if library is libraries[0] else _later(library.since, libraries[0].since)
            parts += (f"\n{entry}" for entry in _entries(library, later))
    return "".join(parts)


def _title(name: str) -> str:
    """A library's name as a heading: `optional_lists` is Optional lists, `cidr` is CIDR."""
    return name.upper() if name in {"cidr", "ip", "url"} else name[:1].upper() + name[1:].replace("_", " ")


def _since(since: Version) -> str:
    return "In every version." if since <= OLDEST else f"Since Kubernetes {shown(since)}."


def _later(since: Version, first: Version) -> str:
    return f" Since Kubernetes {shown(since)}." if since != first else ""


def _entries(library: Library, later: str) -> Iterator[str]:
    for macro in library.macros:
        yield _entry([macro.form], macro, later)
    overloads = (overload for overload in library.overloads if not overload.name.startswith("@"))
    for _, group in groupby(overloads, key=lambda each: (each.name, each.member, each.doc, each.example)):
        same = list(group)
        yield _entry([_signature(overload) for overload in same], same[0], later)


def _entry(signatures: Iterable[str], told: Overload | Macro, later: str) -> str:
    lines = [f"**{' <br> '.join(f'`{signature}`' for signature in signatures)}** \\\n", f"{told.doc}{later}\n"]
    if told.example:
        lines.append(f"- `{told.example}`\n")
    if told.error:
        lines.append(_failure(told.error))
    return "".join(lines)


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
