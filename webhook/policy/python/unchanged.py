"""Finds out whether a policy changed what it was given, and undoes the change.

Views (webhook.policy.readonly) refuse what a policy writes, at the line that writes. They cannot refuse what goes past
their methods: `dict.__getitem__(request.object, …)`, `dict.values(…)`, or a pydantic model of the policy's own, whose
fields hold plain dicts and lists of the object. So the values are compared with their JSON text after the evaluation.
"""

from __future__ import annotations

import marshal
from typing import Any, Final

import orjson

from webhook.policy.json_values import copy_json, differs, require_json
from webhook.policy.readonly import ReadOnlyError, plain
from webhook.policy.request import JSONObject, Request

# With these options orjson refuses most values that are not JSON's own types; require_json refuses the others.
_STRICT: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


def text_of(value: JSONObject) -> bytes | None:
    """The JSON text of an object; None if it contains values that are not JSON."""
    try:
        return orjson.dumps(value, option=_STRICT)
    except TypeError:
        return None


def plain_copy(value: Any, text: bytes | None) -> Any:
    """A deep copy of plain dicts and lists. `text`: the value's text_of. Raises NotJSON.

    Of a large object the way of orjson takes a tenth of the time of a check and a copy in Python. It is taken where
    nothing is lost on it: NaN becomes null, tuples lists, a UUID its text, which all differ from what they were; and
    marshal refuses what is only equal, such as members of an Enum.
    """
    if text is not None:
        copy = orjson.loads(text)
        try:
            marshal.dumps(value)
            if copy == value:
                return copy
        except (ValueError, RecursionError):
            pass
    require_json(value)
    return plain(value)


_OBJECT: Final = "request.object"


class Kept:
    """The contents of what one evaluation is given: the objects and options of the request, the user, the params."""

    __slots__ = ("_kept",)

    def __init__(self, request: Request, params: Any) -> None:
        named = (
            (_OBJECT, request.object),
            ("request.old_object", request.old_object),
            ("request.options", request.options),
            ("request.user.extra", request.user.extra),
            ("params", params),
        )
        self._kept = [(name, value, text_of(value) or copy_json(value)) for name, value in named if type(value) is dict]

    @property
    def object(self) -> bytes | None:
        """The text_of of the request's object; None if there is none."""
        for name, _, kept in self._kept:
            if name == _OBJECT:
                return kept if type(kept) is bytes else None
        return None

    def restore(self) -> ReadOnlyError | None:
        """Restore what was changed, in the same dicts and lists, which others hold too.

        Returns the error of the policy that changed it, or None.
        """
        changed = []
        for name, value, kept in self._kept:
            if type(kept) is bytes:
                if text_of(value) == kept:
                    continue
                original = orjson.loads(kept)
            elif _differs(value, kept):
                original = kept
            else:
                continue
            _restore(value, original, {id(value)})
            changed.append(name)
        if not changed:
            return None
        return ReadOnlyError(
            f"the policy changed {' and '.join(changed)}; the change was undone: other policies see the same values; "
            "to change them, make a copy: copy.deepcopy(…)"
        )


def _differs(value: JSONObject, kept: Any) -> bool:
    try:
        return differs(value, kept)
    except Exception:  # the policy inserted the object into itself, or an object whose == raises
        return True


def _restore(value: Any, original: Any, restored: set[int]) -> None:
    """Give a dict or list the contents of `original`. `restored`: the identities of all that have been restored."""
    if type(original) is dict:
        contents = {key: _restored(value.get(key), item, restored) for key, item in original.items()}
        value.clear()
        value.update(contents)
    else:
        value[:] = [
            _restored(value[index] if index < len(value) else None, item, restored)
            for index, item in enumerate(original)
        ]


def _restored(value: Any, original: Any, restored: set[int]) -> Any:
    """What belongs in the place of `value`: the same dict or list, but none that has another place already."""
    if type(original) not in (dict, list) or type(value) is not type(original) or id(value) in restored:
        return original
    restored.add(id(value))
    _restore(value, original, restored)
    return value
