"""Read-only views of JSON values, which protect shared objects from Python policies.

`view` creates a view of a plain JSON value. It reads like a dict or list (isinstance, ==, json, orjson, pydantic,
match), and every mutating method raises ReadOnlyError. Dicts and lists in it become views when they are first read, so
a policy only pays for what it reads, even of a large object. A view has its own items: even
`dict.__setitem__(view, …)` does not change the object.

A shallow copy of a view (`copy`, `|`, a slice, `{**view}`, `list(view)`) is a plain dict or list of views.
`copy.deepcopy`, `pickle` and `plain` return plain values at all levels.

There is no protection against `dict.__getitem__(view, key)`, and against extension modules that bypass a dict's methods
(a field of type Any in a pydantic model): these may return a plain dict or list of the object.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, NoReturn

_SHORT = 64  # most items of a list that become views at once: lists are nearly always read completely

_MISSING: Final = object()


class ReadOnlyError(TypeError):
    """A policy changes a read-only value. The text says what it can do instead."""


def _refused(what: str, method: str) -> Any:
    text = (
        f"{method} on a {what} that is read-only: a policy can only change request.object, in a @mutate function; "
        "to change anything else, make a copy: copy.deepcopy(…)"
    )

    def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        raise ReadOnlyError(text)

    refuse.__name__ = refuse.__qualname__ = method
    return refuse


class ReadOnlyDict(dict[str, Any]):
    """A read-only dict. Reading is the same as for dict."""

    __slots__ = ()

    def copy(self) -> dict[str, Any]:
        """A plain dict with the same items."""
        return dict(self)

    def __copy__(self) -> dict[str, Any]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: deepcopy(item, memo) for key, item in dict.items(self)}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return dict, (dict(self),)

    if not TYPE_CHECKING:  # type checkers see dict's own signatures
        update = _refused("dict", "update()")
        setdefault = _refused("dict", "setdefault()")
        pop = _refused("dict", "pop()")
        popitem = _refused("dict", "popitem()")
        clear = _refused("dict", "clear()")
        __setitem__ = _refused("dict", "setting an item")
        __delitem__ = _refused("dict", "deleting an item")
        __ior__ = _refused("dict", "|=")
        __init__ = _refused("dict", "__init__()")
        fromkeys = dict.fromkeys


class ReadOnlyList(list[Any]):
    """A read-only list. Reading is the same as for list."""

    __slots__ = ()

    def __copy__(self) -> list[Any]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [deepcopy(item, memo) for item in list.__iter__(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (list(self),)

    if not TYPE_CHECKING:
        append = _refused("list", "append()")
        extend = _refused("list", "extend()")
        insert = _refused("list", "insert()")
        remove = _refused("list", "remove()")
        pop = _refused("list", "pop()")
        clear = _refused("list", "clear()")
        sort = _refused("list", "sort()")
        reverse = _refused("list", "reverse()")
        __setitem__ = _refused("list", "setting an item")
        __delitem__ = _refused("list", "deleting an item")
        __iadd__ = _refused("list", "+=")
        __imul__ = _refused("list", "*=")
        __init__ = _refused("list", "__init__()")


def view(value: Any) -> Any:
    """A read-only view of a dict or list; any other JSON value unchanged."""
    kind = type(value)
    if kind is dict:
        return _Dict(value)
    if kind is list:
        return _list(value)
    return value


def sealed_dict(items: dict[str, Any]) -> ReadOnlyDict:
    """A read-only dict of items that are already read-only."""
    made = ReadOnlyDict.__new__(ReadOnlyDict)
    dict.update(made, items)
    return made


def sealed_list(items: list[Any]) -> ReadOnlyList:
    """A read-only list of items that are already read-only."""
    made = ReadOnlyList.__new__(ReadOnlyList)
    list.extend(made, items)
    return made


def plain(value: Any) -> Any:
    """A deep, mutable copy of a view or of a plain JSON value."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in dict.items(value)}
    if isinstance(value, list):
        return [plain(item) for item in list.__iter__(value)]
    return value


# The code below determines the cost of reading, and is written for speed. Methods of dict and list are looked up once.
_dict_item = dict.__getitem__
_dict_get = dict.get
_dict_set = dict.__setitem__
_dict_keys = dict.__iter__
_dict_items = dict.items
_list_item = list.__getitem__
_list_set = list.__setitem__
_list_iter = list.__iter__


class _DictOfViews(ReadOnlyDict):
    """A view in which all dicts and lists are views."""

    __slots__ = ()

    if not TYPE_CHECKING:
        __init__ = dict.__init__  # the only way to fill it at C speed


class _Dict(_DictOfViews):
    """A view in which dicts and lists are plain until they are read: the methods that return them create the views."""

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        value = _dict_item(self, key)
        kind = type(value)
        if kind is dict:
            value = _Dict(value)
            _dict_set(self, key, value)
        elif kind is list:
            value = _list(value)
            _dict_set(self, key, value)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        value = _dict_get(self, key, _MISSING)
        if value is _MISSING:
            return default
        kind = type(value)
        if kind is dict:
            value = _Dict(value)
            _dict_set(self, key, value)
        elif kind is list:
            value = _list(value)
            _dict_set(self, key, value)
        return value

    def _complete(self) -> None:
        for key, value in _dict_items(self):
            kind = type(value)
            if kind is dict:
                _dict_set(self, key, _Dict(value))
            elif kind is list:
                _dict_set(self, key, _list(value))
        self.__class__ = _DictOfViews  # type: ignore[assignment]  # from now on dict's own methods suffice

    def items(self) -> Any:
        self._complete()
        return _dict_items(self)

    def values(self) -> Any:
        self._complete()
        return dict.values(self)

    # The same as dict's. Defining it makes dict(view), {**view} and d.update(view) use keys() and __getitem__.
    def __iter__(self) -> Iterator[str]:
        return _dict_keys(self)

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)


class _ListOfViews(ReadOnlyList):
    """A view in which all dicts and lists are views."""

    __slots__ = ()

    if not TYPE_CHECKING:
        __init__ = list.__init__


def _list(items: list[Any]) -> _ListOfViews:
    if len(items) > _SHORT:
        return _List(items)
    # Inner lists become views only when read: recursion could overflow the stack on hostile nesting.
    return _ListOfViews(
        [_Dict(item) if type(item) is dict else _List(item) if type(item) is list else item for item in items]
    )


class _List(_ListOfViews):
    """A view of a long list, in which dicts and lists are plain until they are read."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        if type(index) is slice:
            self._complete()
            return _list_item(self, index)
        value = _list_item(self, index)
        kind = type(value)
        if kind is dict:
            value = _Dict(value)
            _list_set(self, index, value)
        elif kind is list:
            value = _list(value)
            _list_set(self, index, value)
        return value

    def _complete(self) -> None:
        for index, item in enumerate(_list_iter(self)):
            kind = type(item)
            if kind is dict:
                _list_set(self, index, _Dict(item))
            elif kind is list:
                _list_set(self, index, _list(item))
        self.__class__ = _ListOfViews  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Any]:
        self._complete()
        return _list_iter(self)

    def __reversed__(self) -> Iterator[Any]:
        self._complete()
        return list.__reversed__(self)

    def copy(self) -> list[Any]:
        return list(self)

    def __add__(self, other: Any) -> Any:
        return list(self) + other

    def __radd__(self, other: Any) -> Any:
        return other + list(self)

    def __mul__(self, times: Any) -> Any:
        return list(self) * times

    __rmul__ = __mul__
