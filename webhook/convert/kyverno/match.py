"""Kyverno's match and exclude -> resource rules, and a condition in CEL for all that these cannot say.

Source: the documentation of Kyverno, "Match/Exclude".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct, field

from webhook.convert import celtext, rules
from webhook.convert.kyverno.operations import DEFAULT
from webhook.convert.model import JSONObject, Unsupported, listing, mapping, texts
from webhook.convert.rules import Kind
from webhook.paths import Path

_RESOURCES: Final = (
    "kinds", "name", "names", "namespaces", "annotations", "selector", "namespaceSelector", "operations",
)  # fmt: skip
_USERS: Final = ("subjects", "roles", "clusterRoles")
_OPERATIONS: Final = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_NOT_OF_CONTROLLERS: Final = frozenset({"name", "names", "selector", "annotations"})
"""Fields of match and exclude with which Kyverno derives no rules for the controllers of Pods."""
_LEFT_OUT: Final[JSONObject] = {}
"""Stands for a block that is converted apart: the others keep their numbers, and so their lines."""
_CONNECTED: Final = ("exec", "attach", "portforward", "proxy")
NAME: Final = "(request.name != '' ? request.name : object.?metadata.?generateName.orValue(''))"
NAMESPACE: Final = "request.?namespace.orValue('')"
NAMESPACE_LABELS: Final = "(namespaceObject == null ? {} : namespaceObject.?metadata.?labels.orValue({}))"


class Matched(Struct):
    """What a rule matches. condition: of each request that the kinds let through. native: the namespaceSelector of the
    policy, if that is all there is to it. of_pods: whether Kyverno would derive rules for what makes Pods. controllers:
    the kinds that make them, if the rule is about these too."""

    kinds: list[Kind] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    condition: str = "true"
    native: JSONObject | None = None
    of_pods: bool = False
    controllers: list[str] = field(default_factory=list)
    differences: list[tuple[Path, str]] = field(default_factory=list)


def matched(
    given: Any, excluded: Any, at: Path, default: tuple[str, ...] = DEFAULT, controllers: Sequence[str] = ()
) -> Matched:
    """What match lets through, and exclude takes out. Raises Unsupported, with the place.

    at: of the rule. default: the operations where none is stated. controllers: the kinds that autogen makes rules for,
    if the rule is about Pods alone.
    """
    match = mapping(given, "match", (*at, "match"))
    blocks, every = _blocks(match, (*at, "match"))
    if not blocks:
        raise Unsupported("a rule that matches nothing", (*at, "match"))
    out, all_out = _blocks(mapping(excluded, "exclude", (*at, "exclude")), (*at, "exclude"))
    found = Matched()
    for place, block in blocks:
        resources = _resources(block, place)
        written = texts(resources.get("kinds"), "kinds", place)
        own = [_kind(each, place) for each in written]
        if not own and not every:
            raise Unsupported("a block of any that names no kinds", place)
        for each in written:
            if _matches_nothing(each):
                text = (
                    f"is about {each}, by which Kyverno (1.19) matches nothing: write GROUP/VERSION/KIND, or KIND alone"
                )
                found.differences.append((place, text))
        found.kinds += [each for each in own if each not in found.kinds]
        asked = _operations(resources, place) or default
        found.operations += [each for each in asked if each not in found.operations]
    if not found.kinds:
        raise Unsupported("a rule that names no kinds", (*at, "match"))
    _derive(found, blocks, out, controllers, at)
    if any(each.sub in _CONNECTED for each in found.kinds) and found.operations == list(default):
        found.operations.append("CONNECT")  # nothing else is done with these
    uneven = len(blocks) > 1 or any(each.sub == "" and each.kind == "*" for each in found.kinds)
    both = "(object != null ? object : oldObject)" if "DELETE" in found.operations else "object"
    join = celtext.conjunction if every else celtext.disjunction
    if len(blocks) == 1 and _only_namespace_selector(blocks[0][1]):
        found.native = _resources(blocks[0][1], blocks[0][0])["namespaceSelector"]
    else:
        found.condition = join(
            _condition(block, place, both, found, kinds=uneven and (every or not _simple(blocks)))
            for place, block in blocks
        )
    if out:
        terms = []
        for place, block in out:
            try:
                terms.append(_condition(block, place, both, found, kinds=True))
            except Unsupported as error:
                if all_out or "roles" not in str(error):
                    raise
                found.differences.append((place, f"is not excluded: {error}"))
        gone = celtext.conjunction(terms) if all_out else celtext.disjunction(terms)
        found.condition = celtext.conjunction([found.condition, celtext.negation(celtext.enclose(gone))])
    return found


def _derive(
    found: Matched,
    blocks: list[tuple[Path, JSONObject]],
    out: list[tuple[Path, JSONObject]],
    controllers: Sequence[str],
    at: Path,
) -> None:
    """Whether Kyverno derives rules for the controllers of Pods: by the texts of kinds, as its command decides."""
    if any(_NOT_OF_CONTROLLERS & set(_described(block)) for _, block in (*blocks, *out)):
        return
    named, excluded = ([_named_kinds(block) for _, block in some] for some in (blocks, out))
    if ["Pod"] not in named or any("Pod" in each and len(each) > 1 for each in (*named, *excluded)):
        return
    if any(excluded) and not any(map(_of_pods, excluded)):
        return
    if not all((each.kind, each.sub) == ("Pod", "") for each in found.kinds):
        return  # only of a match whose parts cannot be told apart: `apart`
    found.of_pods, found.controllers = True, list(controllers)
    if "CronJob" in controllers and any(each and not _of_pods(each) for each in excluded):
        text = (
            "excludes Pods, and other kinds in another block: CronJobs are judged, of which Kyverno (1.19) excludes all"
        )
        found.differences.append(((*at, "exclude"), text))


def apart(given: Any, excluded: Any) -> tuple[JSONObject, JSONObject] | None:
    """A match whose blocks of any name Pods in some and other kinds in the rest: one for the Pods, for whose
    controllers Kyverno derives rules, and one for the rest. None for any other match."""
    if not isinstance(given, dict) or not isinstance(given.get("any"), list) or not isinstance(excluded, dict | None):
        return None
    blocks = [each for each in given["any"] if isinstance(each, dict)]
    out = [each for name in ("any", "all") for each in (excluded or {}).get(name) or [] if isinstance(each, dict)]
    if len(blocks) != len(given["any"]) or any(_NOT_OF_CONTROLLERS & set(_described(each)) for each in (*blocks, *out)):
        return None
    pods = [each for each in blocks if _of_pods(_named_kinds(each))]
    rest = [each for each in blocks if each not in pods]
    if not pods or not rest or any("Pod" in _named_kinds(each) for each in rest):
        return None
    return (
        {"any": [each if each in pods else _LEFT_OUT for each in blocks]},
        {"any": [each if each in rest else _LEFT_OUT for each in blocks]},
    )


def _named_kinds(block: JSONObject) -> list[str]:
    kinds = (block.get("resources") or {}).get("kinds") or []
    return [str(each) for each in kinds]


def _of_pods(kinds: list[str]) -> bool:
    return bool(kinds) and all(each.rpartition("/")[2] == "Pod" for each in kinds)


def _matches_nothing(kind: str) -> bool:
    """Whether a form of a kind is another for Kyverno: any group with a version, a group or part of a version alone."""
    first, *rest = kind.split("/")
    if len(rest) == 1:
        return rest[0][:1].isupper() and first != "*" and not first[:1].isupper() and not rules.is_version(first)
    return len(rest) == 2 and first == "*" and not rest[0][:1].isupper() and rest != ["*", "*"]


def condition_of(given: Any, at: Path) -> str:
    """Whether a block of any/all matches a request, kinds included: for exceptions."""
    blocks, every = _blocks(mapping(given, "match", at), at)
    if not blocks:
        raise Unsupported("a match without any or all", at)
    found = Matched()
    terms = [
        _condition(block, place, "(object != null ? object : oldObject)", found, kinds=True) for place, block in blocks
    ]
    return celtext.conjunction(terms) if every else celtext.disjunction(terms)


def _blocks(match: JSONObject, at: Path) -> tuple[list[tuple[Path, JSONObject]], bool]:
    """The blocks of any or all, or the one of the old form; and whether all must match."""
    if unknown := sorted(match.keys() - {"any", "all", "resources", *_USERS}):
        raise Unsupported(f"{unknown[0]!r} in {at[-1]}", at)
    for name in ("any", "all"):
        if match.get(name):
            if len(match) > 1 and any(match.get(other) for other in match if other != name):
                raise Unsupported(f"{name} beside {', '.join(sorted(match.keys() - {name}))}", at)
            listed = listing(match[name], name, at)
            return [
                ((*at, name, index), mapping(each, "a block", (*at, name, index)))
                for index, each in enumerate(listed)
                if each is not _LEFT_OUT
            ], name == "all"
    return ([(at, match)] if any(match.values()) else []), True


def _resources(block: JSONObject, at: Path) -> JSONObject:
    resources = mapping(block.get("resources"), "resources", (*at, "resources"))
    if unknown := sorted(resources.keys() - set(_RESOURCES)):
        raise Unsupported(f"{unknown[0]!r} in resources", (*at, "resources"))
    if resources.get("name") and resources.get("names"):
        raise Unsupported("name beside names, which Kyverno refuses: write names", (*at, "resources", "name"))
    return resources


def _described(block: JSONObject) -> Iterator[str]:
    yield from (name for name in _USERS if block.get(name))
    yield from (name for name, value in (block.get("resources") or {}).items() if value)


def _simple(blocks: list[tuple[Path, JSONObject]]) -> bool:
    """Whether the blocks name nothing but kinds, so that the resource rules say all."""
    return all(set(_described(block)) <= {"kinds"} for _, block in blocks) and not any(
        each == "*" for _, block in blocks for each in (block.get("resources") or {}).get("kinds") or []
    )


def _only_namespace_selector(block: JSONObject) -> bool:
    return set(_described(block)) <= {"kinds", "operations", "namespaceSelector"} and bool(
        (block.get("resources") or {}).get("namespaceSelector")
    )


def _kind(text: str, at: Path) -> Kind:
    try:
        return rules.kind_of(text)
    except Unsupported as error:
        error.path = at
        raise


def _operations(resources: JSONObject, at: Path) -> list[str]:
    operations = texts(resources.get("operations"), "operations", at)
    if wrong := [each for each in operations if each not in _OPERATIONS]:
        raise Unsupported(f"the operation {wrong[0][:40]!r}", at)
    return operations


def _condition(block: JSONObject, at: Path, both: str, found: Matched, *, kinds: bool) -> str:
    """Whether a block matches. kinds: its kinds and operations too, which resource rules say otherwise."""
    resources = _resources(block, at)
    terms = []
    if kinds:
        named = [_kind(each, at) for each in texts(resources.get("kinds"), "kinds", at)]
        # What is said of Pods is said of their controllers, where the rule is about these too.
        known = not named or (found.controllers and any((each.kind, each.sub) == ("Pod", "") for each in named))
        terms.append("true" if known else celtext.disjunction(each.condition() for each in named))
        if operations := _operations(resources, at):
            terms.append(f"request.operation in {celtext.literal(operations)}")
    names = texts(resources.get("names"), "names", at) + ([resources["name"]] if resources.get("name") else [])
    if names:
        terms.append(celtext.like_any(NAME, names))
    if namespaces := texts(resources.get("namespaces"), "namespaces", at):
        terms.append(celtext.like_any(NAMESPACE, namespaces))
    try:
        if annotations := mapping(resources.get("annotations"), "annotations", at):
            subject = f"{both}.?metadata.?annotations.orValue({{}})"
            terms.append(rules.selector({"matchLabels": annotations}, subject, wild=True))
        if resources.get("selector"):
            terms.append(rules.selector(resources["selector"], f"{both}.?metadata.?labels.orValue({{}})", wild=True))
        if resources.get("namespaceSelector"):
            labelled = rules.selector(resources["namespaceSelector"], NAMESPACE_LABELS, wild=True)
            terms.append(labelled)
    except Unsupported as error:
        error.path = error.path or at
        raise
    for name in ("roles", "clusterRoles"):
        if block.get(name):
            raise Unsupported(f"{name}: which roles a user has is not in the request", (*at, name))
    if block.get("subjects"):
        terms.append(celtext.disjunction(map(_subject, listing(block["subjects"], "subjects", at))))
    if unknown := sorted(block.keys() - {"resources", *_USERS}):
        raise Unsupported(f"{unknown[0]!r} in a block", at)
    return celtext.conjunction(terms)


def _subject(given: Any) -> str:
    subject = mapping(given, "a subject")
    kind, name = subject.get("kind"), subject.get("name")
    if not isinstance(name, str):
        raise Unsupported("a subject without a name")
    username = "request.userInfo.?username.orValue('')"
    if kind == "User":
        return celtext.like(username, name)
    if kind == "Group":
        return f"request.userInfo.?groups.orValue([]).exists(g, {celtext.like('g', name)})"
    if kind == "ServiceAccount":
        return celtext.like(username, f"system:serviceaccount:{subject.get('namespace') or 'default'}:{name}")
    raise Unsupported(f"a subject of the kind {str(kind)[:40]!r}")
