"""The operations of a rule of Kyverno that states none.

Kyverno asks validating rules about CREATE, UPDATE, DELETE and CONNECT then, and mutating ones about CREATE and UPDATE.
Patterns do not count on DELETE. What denies does: so its conditions tell whether a deletion can be meant. Source: the
documentation of Kyverno, "Configuring Webhooks".
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from webhook.convert.model import JSONObject

DEFAULT: Final = ("CREATE", "UPDATE")
UNSAID: Final = (
    "deletions are not judged. The rule states no operations, so that Kyverno asks it about these too: state the "
    "operations that are meant"
)
_HAS: Final = ("Equals", "Equal", "AnyIn", "AllIn", "In")
_LACKS: Final = ("NotEquals", "NotEqual", "AnyNotIn", "AllNotIn", "NotIn")
_DEEPEST: Final = 8


class Asked(Struct, frozen=True):
    """operations: what the rule is asked about. unsaid: whether Kyverno asks it about deletions too, and this is not
    converted."""

    operations: tuple[str, ...] = DEFAULT
    unsaid: bool = False


def asked(rule: JSONObject, spec: JSONObject) -> Asked:
    """What a rule without operations is asked about. spec: of its policy."""
    validated = rule.get("validate")
    wanted = _compared([rule.get("preconditions"), validated], 0)
    if not isinstance(validated, dict) or "DELETE" in wanted or not {"deny", "foreach", "cel"} & validated.keys():
        return Asked((*DEFAULT, *wanted))
    deny = validated.get("deny")
    if not (_denies(validated) or "cel" in validated):
        return Asked((*DEFAULT, *wanted))
    if _leave_out(rule.get("preconditions")) or (isinstance(deny, dict) and _leave_out(deny.get("conditions"))):
        return Asked((*DEFAULT, *wanted))
    if "deny" in validated and not _mentions([rule.get("preconditions"), validated["deny"], rule.get("context")]):
        return Asked((*DEFAULT, "DELETE", *wanted))
    in_cel = (rule.get("celPreconditions"), validated.get("cel"), spec.get("webhookConfiguration"))
    return Asked((*DEFAULT, *wanted), unsaid="request.operation" not in str(in_cel))


def _denies(value: Any) -> bool:
    """Whether a validation has conditions that deny, and not patterns alone."""
    if isinstance(value, dict):
        return "deny" in value or _denies(value.get("foreach"))
    return isinstance(value, list) and any(map(_denies, value))


def _compared(value: Any, depth: int) -> list[str]:
    """DELETE and CONNECT where a condition that compares request.operation is met by them."""
    if depth > _DEEPEST:
        return []
    if isinstance(value, list):
        return list(dict.fromkeys(found for each in value for found in _compared(each, depth + 1)))
    if not isinstance(value, dict):
        return []
    if "request.operation" in str(value.get("key")):
        return [each for each in ("DELETE", "CONNECT") if each in str(value["key"]) or _met(value, each)]
    return list(dict.fromkeys(found for each in value.values() for found in _compared(each, depth + 1)))


def _met(condition: JSONObject, operation: str) -> bool:
    stated = condition.get("value")
    items = stated if isinstance(stated, list) else [stated]
    if condition.get("operator") in _HAS:
        return operation in items
    return condition.get("operator") in _LACKS and operation == "DELETE" and operation not in items


def _leave_out(given: Any) -> bool:
    """Whether conditions are met by no deletion."""
    if isinstance(given, dict):
        some = given.get("any")
        if isinstance(some, list) and some and all(_leave_out(each) for each in some):
            return True
        if "key" in given:
            about = "request.operation" in str(given["key"]) and given.get("operator") in (*_HAS, *_LACKS)
            return about and "DELETE" not in str(given["key"]) and not _met(given, "DELETE")
        return _leave_out(given.get("all"))
    return isinstance(given, list) and any(_leave_out(each) for each in given)


def _mentions(value: Any) -> bool:
    """Whether expressions are about the object, or about data that depends on it."""
    if isinstance(value, str):
        return "{{" in value and not _about_the_request(value)
    if isinstance(value, dict):
        return any(map(_mentions, value.values()))
    return isinstance(value, list) and any(map(_mentions, value))


def _about_the_request(text: str) -> bool:
    named = ("request.userInfo", "request.operation", "serviceAccountName", "serviceAccountNamespace", "request.name")
    return "request.object" not in text and any(each in text for each in named)
