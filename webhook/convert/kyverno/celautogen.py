"""Rules in CEL about Pods -> the same about what makes Pods, as Kyverno derives them.

Kyverno rewrites the text: `object.spec` and `object.metadata` become those of the template, in `oldObject` too, and in
texts between quotes. Other ways to write them (`object.?spec`, `object['spec']`) stay, and are about the controller.
Asked of Kyverno's command (1.19): tests/convert/kyverno/judging.py. So there is a policy for Pods, one for controllers
with a template, and one for CronJobs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from webhook.convert import rules, standard
from webhook.convert.model import JSONObject, Outcome, Unsupported, listing, mapping, texts
from webhook.convert.standard import Rule

_NAMESPACE: Final = "bject.metadata.namespace"  # of object and oldObject
_CRON_JOB: Final = "CronJob"
RESOURCES: Final = {
    resource: kind for kind, (_, resource) in rules.POD_MAKERS.items() if kind != "ReplicationController"
}
"""Controllers as `autogen.podControllers` of a ValidatingPolicy names them -> their kinds."""


class Part(Struct, frozen=True):
    """One of the policies that a rule about Pods becomes. suffix: of its name. place: where its objects have the Pod,
    "" for Pods. kinds: the controllers that it is about; none for Pods."""

    suffix: str
    place: str
    kinds: tuple[str, ...]

    def root(self, subject: str) -> str:
        """The expression of the Pod in an object."""
        return f"{subject}.{self.place}" if self.place else subject

    def rewritten(self, value: Any, *, keeps_namespace: bool = False) -> Any:
        """The author's CEL, and the texts beside it. keeps_namespace: that
        object.metadata.namespace stays."""
        if isinstance(value, dict):
            return {key: self.rewritten(each, keeps_namespace=keeps_namespace) for key, each in value.items()}
        if isinstance(value, list):
            return [self.rewritten(each, keeps_namespace=keeps_namespace) for each in value]
        if not isinstance(value, str) or not self.place:
            return value
        kept = value.split(_NAMESPACE) if keeps_namespace else [value]
        return _NAMESPACE.join(self._moved(each) for each in kept)

    def _moved(self, text: str) -> str:
        for name in ("spec", "metadata"):
            text = text.replace(f"object.{name}", f"object.{self.place}.{name}")
            text = text.replace(f"oldObject.{name}", f"oldObject.{self.place}.{name}")
        return text

    def resource_rules(self, operations: list[str]) -> list[JSONObject]:
        """The rules for the controllers."""
        made = [
            rules.rule(group, "v1", name, operations) for group, name in map(rules.POD_MAKERS.__getitem__, self.kinds)
        ]
        return rules.merged(made)


_PODS: Final = Part("", "", ())


def parts(controllers: Collection[str]) -> Iterator[Part]:
    """What a rule about Pods is divided into. controllers: the kinds for which Kyverno derives rules."""
    yield _PODS
    if templated := tuple(each for each in controllers if each != _CRON_JOB):
        yield Part("controllers", "spec.template", templated)
    if _CRON_JOB in controllers:
        yield Part("cronjobs", "spec.jobTemplate.spec.template", (_CRON_JOB,))


def forms(text: str) -> set[str]:
    """What a text of the author's CEL is in the policies that are made of it."""
    made = [(each, keeps) for each in parts(rules.POD_MAKERS) for keeps in (True, False)]
    return {each.rewritten(text, keeps_namespace=keeps) for each, keeps in made}


def of_policy(outcome: Outcome, spec: JSONObject, rule: Rule) -> list[Part]:
    """What a ValidatingPolicy is divided into: Kyverno derives rules if it is about v1 Pods alone, whatever their
    names and labels. Raises Unsupported."""
    autogen = mapping(spec.get("autogen"), "autogen", ("spec", "autogen"))
    place = ("spec", "autogen", "podControllers")
    stated = mapping(autogen.get("podControllers"), "podControllers", place).get("controllers")
    if not _of_pods_alone(rule):
        return [_PODS]
    if stated is None:
        return list(parts(RESOURCES.values()))
    names = texts(stated, "controllers", (*place, "controllers"))
    for each in sorted({*names} - RESOURCES.keys() - {"none"}):
        outcome.differs(
            (*place, "controllers"), f"{each[:40]!r} names no controllers of Pods: no rules are derived for it"
        )
    return list(parts([RESOURCES[each] for each in RESOURCES if each in names]))


def _of_pods_alone(rule: Rule) -> bool:
    if len(rule.resource_rules) != 1 or rule.excluded or rule.object_selector:
        return False
    only = mapping(rule.resource_rules[0], "a resource rule")
    wanted: dict[str, list[str]] = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
    return all(listing(only.get(key), key) == each for key, each in wanted.items()) and not only.get("resourceNames")


def derived(rule: Rule, part: Part, author: int) -> Rule:
    """The policy of a part. author: how many of the rule's conditions, from the first, are CEL of the policy itself."""
    if not part.place:
        return rule
    operations = texts(rule.resource_rules[0].get("operations"), "operations")
    if not operations:
        raise Unsupported("a resource rule without operations", ("spec", "matchConstraints", "resourceRules", 0))

    def moved(value: Any) -> Any:
        return part.rewritten(value, keeps_namespace=True)

    return replace(
        rule,
        name=standard.suffixed(rule.name, part.suffix),
        resource_rules=part.resource_rules(operations),
        conditions=[(name, moved(each) if at < author else each) for at, (name, each) in enumerate(rule.conditions)],
        variables=[(name, moved(each)) for name, each in rule.variables],
        validations=moved(rule.validations),
        audit_annotations=moved(rule.audit_annotations),
    )
