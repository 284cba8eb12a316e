"""`gatewright.selects`: what a LabelSelector that a policy has read matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from webhook.policy.written.names import is_label_value, is_qualified_name
from webhook.visible import visible

if TYPE_CHECKING:
    from webhook.policy.selectors import Requirement, Selector

_WITH_VALUES: Final = ("In", "NotIn")
_WITHOUT: Final = ("Exists", "DoesNotExist")


def selects(selector: dict[str, Any] | None, labels: dict[str, Any] | None) -> bool:
    """Whether a LabelSelector matches labels, as the API server and its controllers have it.

    selector: matchLabels and matchExpressions, as in spec.selector of a PodDisruptionBudget. None matches nothing, an
    empty selector everything. What a field means where there is none, the field's documentation says: a podSelector
    that is absent is an empty one, for example.

    labels: metadata.labels of an object; None is none.

    Raises ValueError for a selector that the API server refuses, with the field and what was expected of it.
    """
    if selector is None:
        return False
    return _compiled(selector).matches({key: _text(value) for key, value in (labels or {}).items()})


def _compiled(selector: dict[str, Any]) -> Selector:
    from webhook.policy.selectors import Selector  # it imports msgspec: not for who only imports `gatewright`

    found = []
    for key, value in _object(selector.get("matchLabels"), "matchLabels").items():
        found.append(_requirement(key, "In", [_text(value)], f"matchLabels.{visible(key)}"))
    expressions = selector.get("matchExpressions")
    for index, each in enumerate(_list(expressions, "matchExpressions")):
        place = f"matchExpressions[{index}]"
        requirement = _object(each, place)
        values = [_text(value) for value in _list(requirement.get("values"), f"{place}.values")]
        found.append(_requirement(requirement.get("key"), requirement.get("operator"), values, place))
    return Selector(tuple(found))


def _requirement(key: Any, operator: Any, values: list[Any], place: str) -> Requirement:
    if not isinstance(key, str) or not is_qualified_name(key):
        raise ValueError(f"{place}: expected a label key, [PREFIX/]NAME, found {_shown(key)}")
    if operator not in (*_WITH_VALUES, *_WITHOUT):
        raise ValueError(f"{place}.operator: expected In, NotIn, Exists or DoesNotExist, found {_shown(operator)}")
    if bool(values) != (operator in _WITH_VALUES):
        expected = "needs values" if operator in _WITH_VALUES else "must have no values"
        raise ValueError(f"{place}.values: {operator} {expected}")
    for value in values:
        if not isinstance(value, str) or not is_label_value(value):
            raise ValueError(f"{place}: expected a label value, found {_shown(value)}")
    from webhook.policy.selectors import Requirement

    return Requirement(key, operator, frozenset(values))


def _text(value: Any) -> Any:
    """The API server reads null as an empty text."""
    return "" if value is None else value


def _object(value: Any, place: str) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{place}: expected an object, found {_shown(value)}")
    return value or {}


def _list(value: Any, place: str) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise ValueError(f"{place}: expected a list, found {_shown(value)}")
    return value or []


def _shown(value: Any) -> str:
    return visible(repr(value))[:80]
