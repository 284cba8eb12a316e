"""Says in plain words what is right, where a value cannot be decoded as its Go type.

The API server's texts name Go's types (`of type v1.HTTPGetAction`), and of an unknown field only the field. Whoever
wrote the manifest needs the form that YAML must have there, or the place where the field belongs: most unknown fields
are known ones that are indented too far or too little.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from webhook.apiserver.gotypes import GoType, fields_of
from webhook.apiserver.problems import FieldProblem
from webhook.lazypatterns import lazily
from webhook.nearest import nearest
from webhook.paths import Path, lookup, render
from webhook.versions import Version

_FARTHEST: Final = 4
"""How many levels up and down, together, a field is looked for: `image` of a Deployment's spec belongs in
spec.template.spec.containers."""

_ALIKE: Final = 0.85
"""From this similarity on, an unknown name is taken for a misspelt one, and not for one in the wrong place."""

_MOST: Final = 20
"""For how many unknown fields of an object a place is looked for: 0.4 ms each."""

_NOT_WRITTEN: Final = frozenset(("status", "managedFields"))
"""Fields that the API server writes: nothing that a manifest says belongs in them."""


def advised(
    problems: Sequence[FieldProblem], value: Any, struct: str, target: Version, above: Path = ()
) -> tuple[FieldProblem, ...]:
    """The problems of a value that was decoded as a struct, with advice and words where there are any.

    above: the path of the value, with which the problems' paths begin.
    """
    made: list[FieldProblem] = []
    for number, each in enumerate(problems):
        path = each.path[len(above) :]
        belongs = of = None
        if not each.known:
            of = _type_at(path, struct, target)
        elif not each.versions and number < _MOST and nearest(str(path[-1]), each.known, _ALIKE) is None:
            belongs = _place_of(path, value, struct, target)
        advice = render((*above, *belongs)).replace("['*']", "[*]") if belongs else ""
        words = _in_words(lookup(value, path), of) if of is not None else ""
        made.append(replace(each, advice=advice, words=words) if advice or words else each)
    return tuple(made)


# Fields in the wrong place


def _place_of(path: Path, value: Any, struct: str, target: Version) -> Path | None:
    """The only place that is nearest to an unknown field, and has a field of its name; None if there is none.

    Of several, those that the object has the parent of. A list that the object does not have stands as "*".
    """
    name = path[-1]
    levels = _levels(path[:-1], struct, target)
    for far in range(1, _FARTHEST + 1):
        found: list[Path] = []
        for up, (at, of) in enumerate(reversed(levels)):
            if far >= up:
                found += [each for each in _below(at, of, far - up, str(name), target) if each != path[: len(each)]]
        found = list(dict.fromkeys(found))
        there = [each for each in found if lookup(value, _first_items(each[:-1])) is not None]
        if len(found) == 1 or len(there) == 1:
            return (there or found)[0]
        if found:
            return None
    return None


def _levels(path: Path, struct: str, target: Version) -> list[tuple[Path, str]]:
    """The structs on the way to a place, each with its path, from the outermost."""
    levels: list[tuple[Path, str]] = [((), struct)]
    for end in range(1, len(path) + 1):
        of = _type_at(path[:end], struct, target)
        if of is not None and of.struct and of.form == "struct":
            levels.append((path[:end], of.struct))
    return levels


def _below(at: Path, struct: str, depth: int, name: str, target: Version) -> Iterator[Path]:
    """The fields of a name, so many structs below one."""
    fields = fields_of(struct, target)
    if depth == 0:
        if any(field.name == name for field in fields):
            yield (*at, name)
        return
    for field in fields:
        of = field.type.of if field.type.form == "list" else field.type
        if of is not None and of.form == "struct" and field.name not in _NOT_WRITTEN:
            inner = (*at, field.name) if of is field.type else (*at, field.name, "*")
            yield from _below(inner, of.struct, depth - 1, name, target)


def _first_items(path: Path) -> Path:
    return tuple(0 if step == "*" else step for step in path)


# Values of a wrong type


def _type_at(path: Path, struct: str, target: Version) -> GoType | None:
    """The type of the value at a path; None if a step of it is unknown, or leads into a form without fields."""
    of = GoType("struct", "", struct=struct)
    for step in path:
        if of.form == "struct":
            field = next((each for each in fields_of(of.struct, target) if each.name == step), None)
            if field is None:
                return None
            of = field.type
        elif of.form in ("list", "map"):
            of = of.items
        else:
            return None
    return of


_FORMS: Final = {
    "struct": "a mapping",
    "map": "a mapping",
    "list": "a list",
    "string": "text",
    "bool": "true or false",
    "int32": "a whole number",
    "int64": "a whole number",
    "float64": "a number",
    "time": "a time such as '2030-01-31T12:00:00Z'",
    "microtime": "a time such as '2030-01-31T12:00:00.000000Z'",
    "quantity": "a quantity such as 2, 500m, 64Mi or 1.5Gi",
    "intstr": "a whole number or text",
    "bytes": "text in base64",
}

_WHOLE: Final = lazily(r"-?\d{1,18}$")
_GLUED: Final = lazily(r"[A-Za-z][\w./-]*:\S")

_AMOUNT: Final = lazily(r"(\d{1,15})(?:[.,](\d{1,9}))? ?([A-Za-z]{0,5})$")

_SUFFIXES: Final = {
    **{f"{letter}b": letter.upper() if letter != "k" else "k" for letter in "kmgtpe"},
    **{f"{letter}{ending}": f"{letter.upper()}i" for letter in "kmgtpe" for ending in ("i", "ib")},
    **{"b": "", "byte": "", "bytes": "", "core": "", "cores": "", "cpu": "", "cpus": "", "m": "m", "": ""},
    **{letter: letter.upper() for letter in "gtpe"},
}
"""What is written behind a number, in small letters -> the suffix of a quantity."""


def _quantity(text: str) -> str:
    """The quantity that a text probably means, such as 512M for `512MB`; "" if there is none."""
    found = _AMOUNT.match(text.strip())
    if found is None:
        return ""
    whole, fraction, suffix = found.groups()
    known = _SUFFIXES.get(suffix.lower())
    if known is None:
        return ""
    return f"{whole}.{fraction}{known}" if fraction else f"{whole}{known}"


def _in_words(value: Any, of: GoType) -> str:
    """The expected form of a value, and its own; "" for forms without words here."""
    expected = _FORMS.get(of.form, "")
    if not expected:
        return ""
    advice = ""
    if isinstance(value, str):
        found = "text"
        whole = of.form in ("int32", "int64") and _WHOLE.match(value)
        if whole or (of.form == "bool" and value in ("true", "false")):
            advice = ": write it without quotes"
        elif of.form in ("struct", "map") and _GLUED.match(value):
            advice = ": a key and its value need a space after the colon"
        elif of.form == "list":
            advice = ": begin each item with a dash"
        elif of.form == "quantity" and (meant := _quantity(value)):
            return f"did you mean {meant}?"
        elif of.form in ("quantity", "time", "microtime", "bytes"):
            return f"expected {expected}"
    elif isinstance(value, bool):
        found = "true or false"
    elif isinstance(value, int | float):
        found = "a number"
        if of.form in ("int32", "int64"):
            found = "a number with a fraction" if isinstance(value, float) and value % 1 else "one out of range"
    elif isinstance(value, list):
        found = "a list"
    elif isinstance(value, dict):
        found = "a mapping"
    else:
        return ""
    if of.form == "string" and isinstance(value, bool | int | float):
        advice = ": quote it"
    if of.form == "list" and isinstance(value, dict) and of.items.form == "struct":
        advice = ": begin each item with a dash"
    return f"{expected} is expected, and this is {found}{advice}"
