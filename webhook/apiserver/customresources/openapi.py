"""OpenAPI validation of values, as kube-openapi's pkg/validation/validate does it, texts included.

Of the schemas of an anyOf or oneOf, the server shows the errors of the one with most checks passed. So each check
counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from webhook.apiserver import fielderrors
from webhook.apiserver.customresources.correlation import Correlated, same
from webhook.apiserver.customresources.formats import check_of, effective
from webhook.apiserver.customresources.structural import INT64, Schema
from webhook.apiserver.fielderrors import FieldError, named
from webhook.apiserver.goshown import json_text, shown
from webhook.apiserver.gotext import quote
from webhook.cel.library.re2 import compiled
from webhook.cel.tree.errors import EvaluationError
from webhook.paths import Path
from webhook.versions import NEWEST, Version

MAX_ERRORS: Final = 1_000
"""The most refusals of one object."""

TYPE_META: Final = frozenset({"apiVersion", "kind"})


def validate(value: Any, schema: Schema, version: Version = NEWEST) -> list[FieldError]:
    """The refusals of a value."""
    return list(_Validator(version).validate(value, schema, ()).errors.values())


def validate_update(correlated: Correlated, version: Version = NEWEST) -> list[FieldError]:
    """The refusals of the new value. What was wrong before, and is unchanged, is none."""
    return list(_Validator(version).ratchet(correlated, correlated.schema, ()).errors.values())


class _Result:
    """The result of a validation: errors by their message, and how many checks passed.

    mute: the result that it will be merged into takes no more errors, so that only their existence matters.
    """

    __slots__ = ("errors", "matches", "mute")

    def __init__(self, mute: bool = False) -> None:
        self.errors: dict[str, FieldError] = {}
        self.matches = 0
        self.mute = mute

    def muted(self) -> bool:
        """Whether an error needs no text. If so, it is added."""
        if self.mute and not self.errors:
            self.errors[""] = _UNTOLD
        return self.mute

    def add(self, message: str, error: FieldError) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.setdefault(message, error)

    def merge(self, other: _Result) -> None:
        if other.errors:
            for message, error in other.errors.items():
                self.add(message, error)
        self.matches += other.matches


_UNTOLD: Final = FieldError((), fielderrors.INVALID, "")

Below = Callable[[Any, Schema, Path, str | int], _Result]
"""Validates a field or element. The last argument: its key or index."""


class _Validator:
    def __init__(self, version: Version) -> None:
        self._version = version
        self._formats: dict[int, str] = {}
        self._mute = False  # the results of what is validated now: see _Result

    def validate(self, value: Any, schema: Schema, path: Path) -> _Result:
        return self._validated(value, schema, path, self._plainly)

    def _plainly(self, value: Any, schema: Schema, path: Path, _: str | int) -> _Result:
        return self._validated(value, schema, path, self._plainly)

    def ratchet(self, correlated: Correlated, schema: Schema, path: Path) -> _Result:
        def below(value: Any, schema: Schema, path: Path, step: str | int) -> _Result:
            child = correlated.key(step) if isinstance(step, str) else correlated.index(step)
            if child is None or (len(path) == 1 and step in TYPE_META):
                return self._plainly(value, schema, path, step)
            return self.ratchet(child, schema, path)

        result = self._validated(correlated.value, schema, path, below)
        if result.errors and correlated.unchanged():
            result.errors = {}
        return result

    def _validated(self, value: Any, schema: Schema, path: Path, below: Below) -> _Result:
        result = _Result(self._mute)
        kinds = ("integer", "string") if schema.int_or_string else (schema.type,) if schema.type else ()
        form = self._format(schema, kinds) if schema.format else ""
        if value is None:
            if kinds and not schema.nullable:
                _wrong_type(result, path, ",".join(kinds), "null")
            else:
                result.matches += 1
            _enum(result, schema, value, path)
            return result
        if kinds or form:
            self._type(result, kinds, form, value, path)
            result.matches += 1
        if _quantified(schema):
            self._quantifiers(result, schema, value, path)
        result.matches += 2  # of the quantifiers
        kind = type(value)
        if kind is str:
            _text(result, schema, value, path)
            result.matches += 1
            if form:
                self._formatted(result, form, value, path)
        elif kind is int or kind is float:
            _number(result, schema, kinds, form, value, path)
            result.matches += 2
        elif kind is list:
            self._list(result, schema, value, path, below)
            result.matches += 2
        _enum(result, schema, value, path)
        result.matches += 1
        if kind is dict:
            self._object(result, schema, value, path, below)
            result.matches += 1
        result.matches += 1
        return result

    def _format(self, schema: Schema, kinds: tuple[str, ...]) -> str:
        found = self._formats.get(id(schema))
        if found is None:
            found = self._formats[id(schema)] = effective(schema.format, kinds, self._version)
        return found

    def _type(self, result: _Result, kinds: tuple[str, ...], form: str, value: Any, path: Path) -> None:
        found, own_format = _TYPES[type(value)]
        fits = found in kinds or (
            (found == "number" and "integer" in kinds and _whole(value)) or (found == "integer" and "number" in kinds)
        )
        sized = type(value) is str or type(value) is list
        if form and not sized and not fits and own_format != form:
            _wrong_type(result, path, form, own_format)
        elif form and sized and "number" not in kinds and "integer" not in kinds:
            result.matches += 1
        elif not fits:
            _wrong_type(result, path, ",".join(kinds), found)
        else:
            result.matches += 1

    def _formatted(self, result: _Result, form: str, value: str, path: Path) -> None:
        check = check_of(form, self._version)
        if check is None:
            return
        if not check(value):
            _wrong_type(result, path, form, value)
        result.matches += 1

    def _quantifiers(self, result: _Result, schema: Schema, value: Any, path: Path) -> None:
        if schema.any_of:
            best: _Result | None = None
            for each in schema.any_of:
                found = self.validate(value, each, path)
                if not found.errors:
                    best = found
                    break
                if best is None or found.matches > best.matches:
                    best = found
            if best is not None and best.errors:
                _composite(result, path, "must validate at least one schema (anyOf)")
            if best is not None:
                result.merge(best)
        if schema.one_of:
            self._one_of(result, schema, value, path)
        if schema.all_of:
            valid = 0
            for each in schema.all_of:
                found = self.validate(value, each, path)
                valid += not found.errors
                result.merge(found)
            if valid != len(schema.all_of):
                none = "" if valid else ". None validated"
                _composite(result, path, f"must validate all the schemas (allOf){none}")
        if schema.not_ is not None and not self.validate(value, schema.not_, path).errors:
            _composite(result, path, "must not validate the schema (not)")

    def _one_of(self, result: _Result, schema: Schema, value: Any, path: Path) -> None:
        best: _Result | None = None
        first: _Result | None = None
        valid = 0
        for each in schema.one_of:
            found = self.validate(value, each, path)
            if not found.errors:
                valid += 1
                best = None
                first = first or found
            elif not valid and (best is None or found.matches > best.matches):
                best = found
        if valid == 1 and first is not None:
            result.merge(first)
            return
        found_words = "Found none valid" if not valid else f"Found {valid} valid alternatives"
        _composite(result, path, f"must validate one and only one schema (oneOf). {found_words}")
        if best is not None:
            result.merge(best)

    def _list(self, result: _Result, schema: Schema, value: list[Any], path: Path, below: Below) -> None:
        if schema.items is not None:
            items, mute = schema.items, self._mute
            for place, item in enumerate(value):
                result.merge(below(item, items, (*path, place), place))
                if len(result.errors) >= MAX_ERRORS:
                    self._mute = True
            self._mute = mute
        size = len(value)
        if schema.min_items is not None and size < schema.min_items:
            message = f"{_name(path)} in body should have at least {schema.min_items} items"
            result.add(message, _invalid(path, size, message))
        if schema.max_items is not None and size > schema.max_items:
            message = f"{_name(path)} in body should have at most {schema.max_items} items"
            result.add(message, fielderrors.too_many(path, size, schema.max_items))
        if schema.unique_items and any(
            same(item, other) for place, item in enumerate(value) for other in value[:place]
        ):
            message = f"{_name(path)} in body shouldn't contain duplicates"
            result.add(message, _invalid(path, "", message))

    def _object(self, result: _Result, schema: Schema, value: dict[str, Any], path: Path, below: Below) -> None:
        size = len(value)
        if schema.min_properties is not None and size < schema.min_properties:
            message = f"{_name(path)} in body should have at least {schema.min_properties} properties"
            result.add(message, _invalid(path, size, message))
        if schema.max_properties is not None and size > schema.max_properties:
            message = f"{_name(path)} in body should have at most {schema.max_properties} properties"
            result.add(message, fielderrors.too_many(path, size, schema.max_properties))
        properties, values = schema.properties, schema.values
        if schema.additional is False:
            for key in value:
                if key not in properties:
                    message = f"{_name(path)}.{key} in body is a forbidden property"
                    error = _invalid((*path, key), key, message)
                    result.add(message, replace(error, field=named(path)))
        elif values is not None:
            for key, item in value.items():
                if key not in properties:
                    result.merge(below(item, values, (*path, key), key))
        for key, field in properties.items():
            if key in value:
                result.merge(below(value[key], field, (*path, key), key))
        for key in schema.required:
            if key not in value:
                here = (*path, key)
                message = f"{_name(path)}.{key} in body is required"
                result.add(message, fielderrors.required(here))


_TYPES: Final[dict[type, tuple[str, str]]] = {
    bool: ("boolean", ""),
    str: ("string", ""),
    int: ("integer", "int64"),
    float: ("number", "float64"),
    list: ("array", ""),
    dict: ("object", ""),
}


def _quantified(schema: Schema) -> bool:
    return bool(schema.any_of or schema.one_of or schema.all_of or schema.not_)


def _name(path: Path) -> str:
    """The name of a field in kube-openapi's texts, where keys and fields alike follow a dot."""
    parts: list[str] = []
    for step in path:
        parts.append(f"[{step}]" if isinstance(step, int) else f".{step}" if parts else step)
    return "".join(parts)


def _invalid(path: Path, value: Any, message: str) -> FieldError:
    return fielderrors.invalid(path, value, message)


def _wrong_type(result: _Result, path: Path, expected: str, found: str) -> None:
    if result.muted():
        return
    message = f"{_name(path)} in body must be of type {expected}: {quote(found)}"
    result.add(message, fielderrors.made(path, fielderrors.INVALID, found, message, wrong_type=True))


def _composite(result: _Result, path: Path, words: str) -> None:
    if result.muted():
        return
    message = f"{quote(_name(path))} {words}"
    result.add(message, replace(_invalid(path, "", message), field="<nil>"))


def _enum(result: _Result, schema: Schema, value: Any, path: Path) -> None:
    if not schema.enum or any(_converted_equal(value, each) for each in schema.enum):
        return
    if result.muted():
        return
    message = f"{_name(path)} in body should be one of {shown(list(schema.enum))}"
    supported = [each if isinstance(each, str) else json_text(each) for each in schema.enum]
    result.add(message, fielderrors.not_supported(path, value, supported))


def _converted_equal(value: Any, expected: Any) -> bool:
    """Whether the value equals another one after Go's conversion to its type."""
    if value is None or expected is None:
        return False
    kind, wanted = type(value), type(expected)
    if kind is not wanted:
        if wanted is float and kind is int:
            value = float(value)
        elif wanted is int and kind is float:
            value = int(value) if math.isfinite(value) else None
        elif wanted is str and kind is int:
            value = chr(value) if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 else "\ufffd"
        else:
            return False
    return same(value, expected)


def _text(result: _Result, schema: Schema, value: str, path: Path) -> None:
    if schema.max_length is not None and len(value) > schema.max_length:
        message = f"{_name(path)} in body should be at most {schema.max_length} chars long"
        result.add(message, fielderrors.too_long(path, schema.max_length))
    elif schema.min_length is not None and len(value) < schema.min_length:
        message = f"{_name(path)} in body should be at least {schema.min_length} chars long"
        result.add(message, _invalid(path, value, message))
    elif schema.pattern:
        try:
            if compiled(schema.pattern).search(value) is not None:
                return
            words = schema.pattern
        except EvaluationError as error:
            words = f"{schema.pattern}, but pattern is invalid: {error}"
        message = f"{_name(path)} in body should match '{words}'"
        result.add(message, _invalid(path, value, message))


_RANGES: Final = {"int32": range(-(2**31), 2**31), "int64": INT64}
_FLOAT32: Final = 3.4028235677973366e38  # what rounds to the largest float32, and no more
_MAX_WHOLE: Final = float(2**53 - 1)


def _whole(number: float) -> bool:
    """Whether kube-openapi takes a double for an integer, with its tolerance."""
    if not math.isfinite(number) or abs(number) > _MAX_WHOLE:
        return False
    rounded = math.copysign(math.floor(abs(number) + 0.5), number)
    return number == rounded or (rounded != 0 and abs(number - rounded) < 1e-9 * abs(rounded))


def _out_of_range(number: float, kind: str, form: str) -> bool:
    if kind == "integer":
        if isinstance(number, float) and not number.is_integer():
            return True
        return int(number) not in _RANGES.get(form, INT64)
    if kind == "number" and form == "float":
        return abs(number) >= _FLOAT32
    return False


def _number(result: _Result, schema: Schema, kinds: tuple[str, ...], form: str, value: float, path: Path) -> None:
    kind = kinds[0] if len(kinds) == 1 and kinds[0] in ("integer", "number") else ""
    form = form if kind else ""
    unbounded = schema.multiple_of is None and schema.maximum is None and schema.minimum is None
    if unbounded and not (kind and _out_of_range(value, kind, form)):
        return

    def in_range(number: float, prefix: str) -> bool:
        if not kind or not _out_of_range(number, kind, form):
            return True
        known = f"with format {form}" if form else "(default format)"
        message = f"{prefix} value must be of type {kind} {known} in {_name(path)}"
        result.add(message, replace(_invalid(path, "", message), field="<nil>"))
        return False

    in_range(value, "Checked")
    factor = schema.multiple_of
    if factor is not None:
        native = in_range(factor, "MultipleOf")
        _multiple(result, value if native else float(value), factor, path)
    for limit, exclusive, prefix, words, beyond in (
        (schema.maximum, schema.exclusive_maximum, "Maximum boundary", ("less than or equal to", "less than"), 1),
        (
            schema.minimum,
            schema.exclusive_minimum,
            "Minimum boundary",
            ("greater than or equal to", "greater than"),
            -1,
        ),
    ):
        if limit is None:
            continue
        native = in_range(limit, prefix)
        number: float = value if native else float(value)
        bound: float = int(limit) if isinstance(number, int) and math.isfinite(limit) else limit
        if isinstance(bound, int) and bound not in INT64:
            bound = -(2**63)
        difference = (number > bound) - (number < bound)
        if difference == beyond or (exclusive and number == bound):
            message = f"{_name(path)} in body should be {words[exclusive]} {shown(bound)}"
            result.add(message, _invalid(path, number, message))


def _multiple(result: _Result, value: float, factor: float, path: Path) -> None:
    whole = isinstance(value, int)
    shown_factor: float = int(factor) if whole else factor
    if shown_factor <= 0:
        message = f"factor MultipleOf declared for {_name(path)} must be positive: {shown(shown_factor)}"
        result.add(message, _invalid(path, shown_factor, message))
        return
    quotient = 1 / factor * value if factor < 1 else value / factor
    if not (value % shown_factor == 0 if whole else _whole(quotient)):
        message = f"{_name(path)} in body should be a multiple of {shown(shown_factor)}"
        result.add(message, _invalid(path, value, message))
