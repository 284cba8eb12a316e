"""The plugin LimitRanger: LimitRanges of the namespace set requests and limits of containers, and bound them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from webhook.apiserver.plugins.lookups import Run
from webhook.apiserver.podresources import amounts_of_containers
from webhook.apiserver.quantities import Quantity, parse
from webhook.paths import ROOT, Path

_LIMIT_RANGER: Final = "kubernetes.io/limit-ranger"


def limit_ranger(pod: dict[str, Any], run: Run) -> None:
    """Requests and limits of containers, from LimitRanges of the namespace. An annotation says what was set."""
    for limit_range in run.at_hand.list("v1", "LimitRange", run.namespace):
        limits: dict[str, str] = {}
        requests: dict[str, str] = {}
        for item in _items(limit_range):
            if item.get("type") == "Container":
                requests |= item.get("defaultRequest", {})
                limits |= item.get("default", {})
        said = [
            text
            for field, word in (("containers", "container"), ("initContainers", "init container"))
            for each in pod["spec"].get(field, ())
            for text in _limited(each, word, {"requests": requests, "limits": limits})
        ]
        if said:
            annotations = pod.setdefault("metadata", {}).setdefault("annotations", {})
            annotations[_LIMIT_RANGER] = "LimitRanger plugin set: " + "; ".join(said)


def _limited(container: dict[str, Any], word: str, defaults: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    resources = container.get("resources", {})
    for field, amounts in defaults.items():
        given = resources.get(field, {})
        added = sorted(amounts.keys() - given.keys())
        if added:
            resources = container.setdefault("resources", {})
            resources[field] = {**given, **{name: amounts[name] for name in added}}
            yield f"{', '.join(added)} {field[:-1]} for {word} {container.get('name', '')}"


def within_limits_pod(pod: dict[str, Any], run: Run) -> None:
    """Refuses a Pod whose containers, or which as a whole, are out of bounds. It is that of validation."""
    limit_ranges = run.at_hand.list("v1", "LimitRange", run.namespace)
    if not limit_ranges:
        return
    spec = pod["spec"]
    of_containers = [
        (("spec", field, index), _read(each, "requests"), _read(each, "limits"))
        for field in ("containers", "initContainers")
        for index, each in enumerate(spec.get(field) or ())
    ]
    for limit_range in limit_ranges:
        found: list[tuple[Path, str]] = []
        for item in _items(limit_range):
            if item.get("type") == "Container":
                for path, requests, limits in of_containers:
                    found += ((path, text) for text in _out_of_bounds(item, requests, limits))
            elif item.get("type") == "Pod":
                requests, limits = (
                    {**amounts_of_containers(spec, field), **_cpu_and_memory(_read(spec, field))}
                    for field in ("requests", "limits")
                )
                found += ((("spec",), text) for text in _out_of_bounds(item, requests, limits))
        _refuse(found, run)


def within_limits_claim(claim: dict[str, Any], run: Run) -> None:
    """Refuses a claim that asks for too little or too much. It is that of validation."""
    requests = _read(claim.get("spec") or {}, "requests")
    for limit_range in run.at_hand.list("v1", "LimitRange", run.namespace):
        found: list[tuple[Path, str]] = []
        for item in _items(limit_range):
            if item.get("type") == "PersistentVolumeClaim":
                texts = [*_under(item, requests, {}), *_over_requests(item, requests)]
                found += ((("spec", "resources", "requests"), text) for text in texts)
        _refuse(found, run)


_Amounts = dict[str, Quantity]


def _items(limit_range: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    found: Iterable[dict[str, Any]] = (limit_range.get("spec") or {}).get("limits", ())
    return found


def _read(of: Mapping[str, Any], field: str) -> _Amounts:
    return {name: parse(text) for name, text in ((of.get("resources") or {}).get(field) or {}).items()}


def _cpu_and_memory(amounts: _Amounts) -> _Amounts:
    return {name: amount for name, amount in amounts.items() if name in ("cpu", "memory")}


def _refuse(found: list[tuple[Path, str]], run: Run) -> None:
    """One refusal for each LimitRange, of all that is out of its bounds."""
    texts = list(dict.fromkeys(text for _, text in found))
    if texts:
        paths = {path for path, _ in found}
        path = next(iter(paths)) if len(paths) == 1 else ROOT
        run.forbid(path, texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")


def _out_of_bounds(item: Mapping[str, Any], requests: _Amounts, limits: _Amounts) -> Iterator[str]:
    yield from _under(item, requests, limits)
    yield from _over(item, requests, limits)
    yield from _too_wide(item, requests, limits)


def _under(item: Mapping[str, Any], requests: _Amounts, limits: _Amounts) -> Iterator[str]:
    for name, text in sorted(item.get("min", {}).items()):
        bound = f"minimum {name} usage per {item['type']} is {text}"
        request, limit, least = _compared(requests.get(name), limits.get(name), parse(text))
        if name not in requests:
            yield f"{bound}.  No request is specified"
        elif request < least:
            yield f"{bound}, but request is {requests[name]}"
        elif name in limits and limit < least:
            yield f"{bound}, but limit is {limits[name]}"


def _over(item: Mapping[str, Any], requests: _Amounts, limits: _Amounts) -> Iterator[str]:
    for name, text in sorted(item.get("max", {}).items()):
        bound = f"maximum {name} usage per {item['type']} is {text}"
        request, limit, most = _compared(requests.get(name), limits.get(name), parse(text))
        if name not in limits:
            yield f"{bound}.  No limit is specified"
        elif limit > most:
            yield f"{bound}, but limit is {limits[name]}"
        elif name in requests and request > most:
            yield f"{bound}, but request is {requests[name]}"


def _over_requests(item: Mapping[str, Any], requests: _Amounts) -> Iterator[str]:
    for name, text in sorted(item.get("max", {}).items()):
        bound = f"maximum {name} usage per {item['type']} is {text}"
        request, _, most = _compared(requests.get(name), None, parse(text))
        if name not in requests:
            yield f"{bound}.  No request is specified"
        elif request > most:
            yield f"{bound}, but request is {requests[name]}"


def _too_wide(item: Mapping[str, Any], requests: _Amounts, limits: _Amounts) -> Iterator[str]:
    for name, text in sorted(item.get("maxLimitRequestRatio", {}).items()):
        bound = f"{name} max limit to request ratio per {item['type']} is {text}"
        most = parse(text)
        request, limit, _ = _compared(requests.get(name), limits.get(name), most)
        if not request:
            yield f"{bound}, but no request is specified or request is 0"
        elif not limit:
            yield f"{bound}, but no limit is specified or limit is 0"
        elif limit / request * 1000 > _thousandths(most):
            yield f"{bound}, but provided ratio is {limit / request:f}"


def _compared(request: Quantity | None, limit: Quantity | None, bound: Quantity) -> tuple[int, int, int]:
    """The amounts in thousandths, or, if one of them is too large for that, in whole numbers; none counts as 0."""
    amounts = [_ZERO if each is None else each for each in (request, limit, bound)]
    if any(each.whole(0) > _MOST_THOUSANDTHS for each in amounts):
        wide, high, most = (each.whole(0) for each in amounts)
    else:
        wide, high, most = map(_thousandths, amounts)
    return wide, high, most


def _thousandths(amount: Quantity) -> int:
    return amount.whole(-3)


_ZERO: Final = Quantity(0, 0, "decimal")
_MOST_THOUSANDTHS: Final = (2**63 - 1) // 1000
