"""Converts the kinds that foreign policies name to resource rules."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from msgspec import Struct

from webhook.convert import celtext
from webhook.convert.model import JSONObject, Unsupported
from webhook.lazypatterns import lazily
from webhook.schema.kinds import Kinds, plural_of

_VERSION = lazily(r"v[0-9]+(?:(?:alpha|beta)[0-9]+)?")
_LONGEST: Final = 200

POD_MAKERS: Final = {
    "DaemonSet": ("apps", "daemonsets"),
    "Deployment": ("apps", "deployments"),
    "Job": ("batch", "jobs"),
    "ReplicaSet": ("apps", "replicasets"),
    "ReplicationController": ("", "replicationcontrollers"),
    "StatefulSet": ("apps", "statefulsets"),
    "CronJob": ("batch", "cronjobs"),
}
"""The kinds for which Kyverno derives rules from those for Pods -> group and resource."""


class Kind(Struct, frozen=True):
    """A kind in a foreign policy. Each part may have wildcards. sub: the subresource."""

    group: str = "*"
    version: str = "*"
    kind: str = "*"
    sub: str = ""

    def condition(self) -> str:
        """Whether a request is about this kind."""
        if self.sub not in ("", "*") and not celtext.is_wild(self.kind):
            # The kind of a request about a subresource is that of what is sent: PodExecOptions, Scale.
            resource = f"request.resource.resource == {celtext.text(plural_of(self.kind))}"
            return celtext.conjunction([resource, celtext.like("request.?subResource.orValue('')", self.sub)])
        terms = [celtext.like("request.kind.kind", self.kind)]
        if self.group != "*":
            terms.append(celtext.like("request.kind.group", self.group))
        if self.version != "*":
            terms.append(celtext.like("request.kind.version", self.version))
        if self.sub == "":
            # Pods are changed by kubectl debug too: this subresource sends a Pod.
            terms.append("request.?subResource.orValue('') in ['', 'ephemeralcontainers']")
        elif self.sub != "*":
            terms.append(celtext.like("request.?subResource.orValue('')", self.sub))
        return celtext.conjunction(terms)


def kind_of(text: str) -> Kind:
    """Parse Kyverno's form of a kind: Kind, Version/Kind, Group/Version/Kind, then /Subresource or .subresource."""
    if not text or len(text) > _LONGEST:
        raise Unsupported(f"the kind {text[:60]!r}")
    parts = text.split("/")
    at = next((index for index, each in enumerate(parts) if each[:1].isupper()), None)
    if at is None:
        at = min(len(parts) - 1, 2) if len(parts) != 2 or parts[0] != "*" else 0
        at = 0 if parts[0] == "*" and len(parts) == 2 else at
    if at > 2 or len(parts) - at > 2:
        raise Unsupported(f"the kind {text!r}: expected GROUP/VERSION/KIND/SUBRESOURCE")
    kind, _, dotted = parts[at].partition(".")
    sub = parts[at + 1] if len(parts) > at + 1 else dotted
    if at == 2:
        return Kind(parts[0], parts[1], kind, sub)
    if at == 1:
        if parts[0] != "*" and not _VERSION.fullmatch(parts[0].replace("*", "")) and "*" not in parts[0]:
            return Kind(parts[0], "*", kind, sub)
        return Kind("*", parts[0], kind, sub)
    return Kind("*", "*", kind, sub)


def is_version(text: str) -> bool:
    """Whether a text has the form of an API version, such as v1 or v2beta1."""
    return _VERSION.fullmatch(text) is not None


def rule(group: str, version: str, resource: str, operations: Sequence[str]) -> JSONObject:
    return {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": list(operations),
        "resources": [resource],
    }


def resource_rules(
    named: Iterable[Kind], kinds: Kinds, operations: Sequence[str]
) -> tuple[list[JSONObject], list[str]]:
    """The resource rules of kinds, and notes on what was assumed about unknown kinds."""
    made: list[JSONObject] = []
    guessed: list[str] = []
    named = list(named)
    of_groups = {(known.group, known.kind) for known in kinds}
    certain = {each.kind for each in named if (each.group, each.kind) in of_groups}
    groups = {group for group, _ in of_groups}
    for each in named:
        if each.kind == "*" and each.group == "*":
            # Without a subresource it is none of them.
            made.append(rule("*", "*", "*" if not each.sub else f"*/{each.sub}", operations))
            continue
        if (
            each.kind == "*"
            and not celtext.is_wild(each.group)
            and (each.version == "*" or not celtext.is_wild(each.version))
        ):
            made.append(rule(each.group, each.version, f"*/{each.sub}" if each.sub else "*", operations))
            continue
        found = sorted(
            {
                (known.group, known.plural)
                for known in kinds
                if fnmatch.fnmatchcase(known.kind, each.kind)
                and fnmatch.fnmatchcase(known.group, each.group)
                and (each.version == "*" or fnmatch.fnmatchcase(known.version, each.version))
            }
        )
        if not found and (celtext.is_wild(each.kind) or each.kind == "*"):
            made.append(rule(each.group, each.version, f"*/{each.sub}" if each.sub else "*", operations))
            guessed.append(
                f"{each.group}/{each.kind}: no kind is known that matches; all resources of the group are asked"
            )
        elif not found and each.kind in certain and each.group in groups and (each.group, each.kind) not in of_groups:
            continue  # constraints name groups and kinds, and mean the pairs of them that there are
        elif not found:
            plural = plural_of(each.kind)
            if each.kind not in certain:  # in another of the groups that are named
                guessed.append(f"the kind {each.kind} is not known; its resource is taken to be {plural}")
            made.append(rule(each.group, each.version, f"{plural}/{each.sub}" if each.sub else plural, operations))
        if found and celtext.is_wild(each.kind):
            guessed.append(
                f"{each.kind} stands for the kinds that are known here, and not for those of custom resources whose "
                "definitions are not among the sources"
            )
        for group, plural in found:
            resource = f"{plural}/{each.sub}" if each.sub else plural
            made.append(rule(group, each.version if not celtext.is_wild(each.version) else "*", resource, operations))
    return merged([more for each in made for more in (each, *_of_same_kind(each))]), guessed


def _of_same_kind(given: JSONObject) -> list[JSONObject]:
    """The rule for ephemeral containers: the API server sends them as a Pod, and both engines evaluate them as one."""
    (resource,) = given["resources"]
    of_pods = resource == "pods" or (resource == "*" and given["apiGroups"][0] in ("*", ""))
    return [given | {"resources": ["pods/ephemeralcontainers"]}] if of_pods and "UPDATE" in given["operations"] else []


def are_builtin(made: Iterable[JSONObject]) -> bool:
    """Whether resource rules name only built-in kinds."""
    known = _builtin()
    return all(
        (group, name.partition("/")[0]) in known
        for each in made
        for group in each["apiGroups"]
        for name in each["resources"]
    )


@cache
def _builtin() -> frozenset[tuple[str, str]]:
    return frozenset((each.group, each.plural) for each in Kinds.builtin())


def merged(rules: Iterable[JSONObject]) -> list[JSONObject]:
    """The rules, merged where groups, versions and operations are equal, without duplicates."""
    together: dict[tuple[Any, ...], list[str]] = {}
    for each in rules:
        key = (tuple(each["apiGroups"]), tuple(each["apiVersions"]), tuple(each["operations"]))
        resources = together.setdefault(key, [])
        resources += [name for name in each["resources"] if name not in resources]
    return [
        {
            "apiGroups": list(groups),
            "apiVersions": list(versions),
            "operations": list(operations),
            "resources": resources,
        }
        for (groups, versions, operations), resources in together.items()
    ]


def selector(given: Any, labels: str, *, wild: bool = False) -> str:
    """A label selector as a condition on an expression for a map of labels. wild: keys and values have wildcards."""
    if not isinstance(given, dict):
        raise Unsupported("a selector that is not a mapping")
    if unknown := sorted(given.keys() - {"matchLabels", "matchExpressions"}):
        raise Unsupported(f"a selector with {unknown[0]!r}")
    terms = [_labelled(labels, key, value, wild=wild) for key, value in (given.get("matchLabels") or {}).items()]
    for each in given.get("matchExpressions") or []:
        key, operator, values = each.get("key"), each.get("operator"), each.get("values") or []
        if not isinstance(key, str) or not isinstance(values, list):
            raise Unsupported("a selector with a malformed matchExpressions")
        name = celtext.text(key)
        match operator:
            case "Exists":
                terms.append(f"{name} in {labels}")
            case "DoesNotExist":
                terms.append(f"!({name} in {labels})")
            case "In":
                terms.append(
                    celtext.conjunction([f"{name} in {labels}", f"{labels}[{name}] in {celtext.literal(values)}"])
                )
            case "NotIn":
                terms.append(f"!({name} in {labels} && {labels}[{name}] in {celtext.literal(values)})")
            case _:
                raise Unsupported(f"a selector with the operator {str(operator)[:40]!r}")
    return celtext.conjunction(terms)


def _labelled(labels: str, key: str, value: Any, *, wild: bool) -> str:
    if not isinstance(value, str):
        raise Unsupported(f"a selector in which {key} is not a string")
    if wild and celtext.is_wild(key):
        return (
            f"{labels}.exists(k, {celtext.conjunction([celtext.like('k', key), celtext.like(f'{labels}[k]', value)])})"
        )
    found = f"{labels}[{celtext.text(key)}]"
    same = celtext.like(found, value) if wild else f"{found} == {celtext.text(value)}"
    return celtext.conjunction([f"{celtext.text(key)} in {labels}", same])
