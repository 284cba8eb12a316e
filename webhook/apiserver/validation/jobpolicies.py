"""When a Job has failed or succeeded, and when its Pods are replaced (pkg/apis/batch/validation)."""

from __future__ import annotations

from typing import Any, Final

from webhook.apiserver.fielderrors import OMITTED, duplicate, each, invalid, not_supported, required, too_long, too_many
from webhook.apiserver.validation.fields import Object, Refusals, at, listed, nonnegative
from webhook.apiserver.validation.names import qualified_name
from webhook.paths import Path

_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS: Final = ("In", "NotIn")
_STATUSES: Final = ("False", "True", "Unknown")
_REPLACEMENTS: Final = ("Failed", "TerminatingOrFailed")
_MOST_RULES: Final = 20
_MOST_PATTERNS: Final = 20
_MOST_VALUES: Final = 255


def policies(spec: Object, path: Path) -> Refusals:
    """The policies of a Job's spec."""
    failure = spec.get("podFailurePolicy")
    if failure is not None:
        yield from _failure(failure, spec, (*path, "podFailurePolicy", "rules"))
    success = spec.get("successPolicy")
    if success is not None:
        yield from _success(success, spec, (*path, "successPolicy"))
    replacement = spec.get("podReplacementPolicy")
    known = _REPLACEMENTS if failure is None else _REPLACEMENTS[:1]
    if replacement is not None and replacement not in known:
        yield not_supported((*path, "podReplacementPolicy"), replacement, known)


def _failure(policy: Object, spec: Object, path: Path) -> Refusals:
    rules = listed(policy, "rules")
    if len(rules) > _MOST_RULES:
        yield too_many(path, len(rules), _MOST_RULES)
    pod = at(spec, "template", "spec") or {}
    names = {each_.get("name") or "" for kind in ("containers", "initContainers") for each_ in listed(pod, kind)}
    for place, rule in enumerate(rules):
        here = (*path, place)
        action = rule.get("action") or ""
        if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            yield invalid((*here, "action"), action, "requires the backoffLimitPerIndex to be set")
        yield from _one_of(action, (*here, "action"), _ACTIONS)
        codes, conditions = rule.get("onExitCodes"), listed(rule, "onPodConditions")
        if codes is not None:
            yield from _exit_codes(codes, (*here, "onExitCodes"), names)
        yield from _conditions(conditions, (*here, "onPodConditions"))
        if codes is not None and conditions:
            yield invalid(here, OMITTED, "specifying both OnExitCodes and OnPodConditions is not supported")
        elif codes is None and not conditions:
            yield invalid(here, OMITTED, "specifying one of OnExitCodes and OnPodConditions is required")


def _one_of(value: str, path: Path, known: tuple[str, ...]) -> Refusals:
    if not value:
        quoted = " ".join(f'"{word}"' for word in known)
        yield required(path, f"valid values: [{quoted}]")
    elif value not in known:
        yield not_supported(path, value, known)


def _conditions(patterns: list[Any], path: Path) -> Refusals:
    if len(patterns) > _MOST_PATTERNS:
        yield too_many(path, len(patterns), _MOST_PATTERNS)
    for place, pattern in enumerate(patterns):
        here, kind = (*path, place), pattern.get("type") or ""
        yield from each((*here, "type"), kind, qualified_name(kind))
        yield from _one_of(pattern.get("status") or "", (*here, "status"), _STATUSES)


def _exit_codes(codes: Object, path: Path, containers: set[str]) -> Refusals:
    operator = codes.get("operator") or ""
    yield from _one_of(operator, (*path, "operator"), _OPERATORS)
    name = codes.get("containerName")
    if name is not None and name not in containers:
        words = "must be one of the container or initContainer names in the pod template"
        yield invalid((*path, "containerName"), name, words)
    values, here = codes.get("values") or [], (*path, "values")
    if not values:
        yield invalid(here, codes.get("values"), "at least one value is required")
    elif len(values) > _MOST_VALUES:
        yield too_many(here, len(values), _MOST_VALUES)
    seen: set[int] = set()
    for place, value in enumerate(values):
        if operator == "In" and value == 0:
            yield invalid((*here, place), value, "must not be 0 for the In operator")
        if value in seen:
            yield duplicate((*here, place), value)
        seen.add(value)
    if values != sorted(values):
        yield invalid(here, values, "must be ordered")


_LONGEST_INDEXES: Final = 64 << 10  # bytes


def _success(policy: Object, spec: Object, path: Path) -> Refusals:
    """Texts about lists of indexes that cannot be read are left to the API server."""
    rules, here = listed(policy, "rules"), (*path, "rules")
    if not rules:
        yield required(here, "at least one rules must be specified when the successPolicy is specified")
    elif len(rules) > _MOST_RULES:
        yield too_many(here, len(rules), _MOST_RULES)
    for place, rule in enumerate(rules):
        there = (*here, place)
        count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
        if count is None and indexes is None:
            yield required(there, "at least one of succeededCount or succeededIndexes must be specified")
        if indexes is not None and len(indexes.encode()) > _LONGEST_INDEXES:
            yield too_long((*there, "succeededIndexes"), _LONGEST_INDEXES)
        if count is None:
            continue
        yield from nonnegative(count, (*there, "succeededCount"))
        completions = spec.get("completions")
        if completions is not None and count > completions:
            words = f"must be less than or equal to {completions} (the number of specified completions)"
            yield invalid((*there, "succeededCount"), count, words)
