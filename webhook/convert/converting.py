"""Converts foreign policies: finds the dialect of each document, and returns an Outcome for each policy."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final

from msgspec import Struct, field

from webhook.convert import compiled, sources, standard
from webhook.convert.gatekeeper import constraints, mutators, templates
from webhook.convert.kyverno import celkinds, celpolicies, clusterpolicy, exempting
from webhook.convert.kyverno.exempting import Exempted
from webhook.convert.model import Note, Outcome, Unsupported
from webhook.documents.reader import Document
from webhook.schema.kinds import Kinds
from webhook.versions import Version

_KYVERNO: Final = {
    "kyverno.io": ("v1", "v2beta1", "v2", "v1beta1", "v2alpha1"),
    "policies.kyverno.io": ("v1", "v1beta1", "v1alpha1"),
}
_GATEKEEPER: Final = {
    "templates.gatekeeper.sh": ("v1", "v1beta1", "v1alpha1"),
    "constraints.gatekeeper.sh": ("v1beta1", "v1alpha1"),
    "mutations.gatekeeper.sh": ("v1", "v1beta1", "v1alpha1"),
}
GROUPS: Final = _KYVERNO | _GATEKEEPER
"""API groups of foreign policies -> the versions that are read."""

_ENGINES: Final = (".gatekeeper.sh", "kyverno.io")
_NO_POLICIES: Final = frozenset(
    {"cli.kyverno.io", "chainsaw.kyverno.io", "reports.kyverno.io", "status.gatekeeper.sh", "test.gatekeeper.sh"}
)
"""Groups of the engines whose objects are no policies: tests and reports."""
_SETTINGS: Final = {
    ("config.gatekeeper.sh", "Config"): "Config, Gatekeeper's settings: namespaces that it leaves out are not left out",
    ("expansion.gatekeeper.sh", "ExpansionTemplate"): (
        "expansion: objects that make others are not judged by what they make; `gatewright check` judges their Pods"
    ),
}
_WITH_VALUES: Final = ("Values", "UserInfo", "Context")  # of Kyverno's command, read with the test that names them


class Conversion(Struct):
    """The result of a conversion. outcomes: one for each policy. tests: the test files. others: objects that are not
    policies. definitions: CRDs."""

    outcomes: list[Outcome] = field(default_factory=list)
    tests: list[tuple[str, Document]] = field(default_factory=list)
    others: list[Document] = field(default_factory=list)
    refused: list[Note] = field(default_factory=list)


def convert(documents: Iterable[Document], target: Version, *, smaller: bool = True) -> Conversion:
    """Convert every policy among the documents; the same input gives the same result.

    target: the Kubernetes version for which the policies are compiled. smaller: whether expressions are made smaller,
    which changes no verdict.
    """
    found = Conversion()
    everything = list(documents)
    kinds = Kinds.builtin(target).with_crds(each.value for each in everything)
    outcomes = [each for each in (_sorted_out(document, found) for document in everything) if each is not None]
    _named(outcomes)
    taken_out: list[tuple[Outcome, list[Exempted]]] = []
    for each in outcomes:
        if each.kind == "PolicyException" and not each.refused:
            own: list[Exempted] = []
            _made(each, lambda outcome, own=own: own.extend(exempting.exempted(outcome)))  # type: ignore[misc]
            if each.absorbed:
                taken_out.append((each, own))
    exceptions = [one for _, own in taken_out for one in own]
    read = templates.read([each for each in outcomes if each.kind == "ConstraintTemplate" and not each.refused])
    makers: dict[str, Callable[[Outcome], None]] = {
        "ClusterPolicy": lambda each: clusterpolicy.convert(each, kinds, exceptions),
        "Policy": lambda each: clusterpolicy.convert(each, kinds, exceptions),
        **dict.fromkeys(
            celkinds.CONVERTED,
            lambda each: celpolicies.convert(each, exceptions),
        ),
        **dict.fromkeys(mutators.KINDS, lambda each: mutators.convert(each, kinds)),
    }
    names: set[tuple[str, str]] = set()
    for each in outcomes:
        if each.refused or each.kind in ("PolicyException", "ConstraintTemplate"):
            continue
        maker = makers.get(each.kind)
        if each.document.value["apiVersion"].startswith("constraints."):
            maker = lambda outcome: constraints.convert(outcome, read, kinds)  # noqa: E731
        if maker is None:
            each.refuse(("kind",), f"the kind {each.kind}")
            continue
        _made_apart(each, maker, names)
        if maker is not makers.get(each.kind):
            compiled.without_wrong_messages(each, target)
            compiled.without_unused(each, constraints.written_by_author(each, read))
        elif smaller and each.kind not in celkinds.CONVERTED:
            compiled.simplify(each, kinds, target)
        compiled.keep_what_compiles(each, target)
    templates.finish(read, outcomes)
    for each, own in taken_out:
        _without_effect(each, own, outcomes)
    found.outcomes = outcomes
    return found


def _without_effect(exception: Outcome, exempted: Sequence[Exempted], outcomes: Iterable[Outcome]) -> None:
    """Note the names in an exception that do not exist. An exception without effect is not converted."""
    policies = [each for each in outcomes if each.kind != "PolicyException"]
    missing: list[str] = []
    for one in exempted:
        policy = next((each for each in policies if one.about(each)), None)
        absent = exempting.absent_rules(one, policy.document.value) if policy else []
        if policy is None:
            other = next((each for each in policies if each.name == one.policy), None)
            more = f" (there is a {other.kind} of that name)" if other else ""
            missing.append(f"the policy {one.policy}, which it names, is not among the sources{more}")
        elif policy.status == "not":
            missing.append(f"the policy {one.policy}, which it names, is not converted")
        elif absent and len(absent) == len(one.rules):
            missing.append(f"the policy {one.policy} has no rule {', '.join(absent)}, which it names")
        elif absent:
            exception.differs((), f"the policy {one.policy} has no rule {', '.join(absent)}, which it names")
    if len(missing) == len(exempted):
        exception.absorbed = False
        for each in missing:
            exception.refuse((), each)
    else:
        for each in missing:
            exception.differs((), each)


def _made(outcome: Outcome, maker: Callable[[Outcome], None]) -> None:
    """Convert one policy. An unexpected TypeError or the like counts as a value of the wrong type in the policy."""
    try:
        maker(outcome)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError, Unsupported) as error:
        outcome.clear()
        if isinstance(error, Unsupported):
            outcome.refuse(error.path, str(error))
            return
        what = "nested too deep" if isinstance(error, RecursionError) else "a value of the wrong type"
        outcome.refuse(("spec",), f"it is malformed: {what} in spec")


def _sorted_out(document: Document, found: Conversion) -> Outcome | None:
    """A new outcome for a policy. For any other document it returns None, and adds the document to the result."""
    value = document.value
    api_version, kind = value["apiVersion"], value["kind"]
    group, _, version = api_version.rpartition("/")
    if dialect := sources.dialect(document):
        found.tests.append((dialect, document))
        return None
    foreign = group.endswith(_ENGINES) and group not in _NO_POLICIES
    if (group not in GROUPS and not foreign) or (group == "cli.kyverno.io" and kind in _WITH_VALUES):
        found.others.append(document)
        return None
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    outcome = Outcome(kind, name if isinstance(name, str) else "", document, "")
    if sources.templated(document):
        outcome.refuse((), sources.RENDER)
    elif group not in GROUPS:
        outcome.refuse(("apiVersion",), _SETTINGS.get((group, kind)) or f"the kind {kind} of {group}")
    elif version not in GROUPS[group]:
        outcome.refuse(("apiVersion",), f"the version {version} of {group}: expected {', '.join(GROUPS[group])}")
    elif not outcome.name:
        outcome.refuse((), "a policy without a name, so it is incomplete")
    elif kind in celkinds.NOT_CONVERTED:
        outcome.refuse(("kind",), celkinds.NOT_CONVERTED[kind])
    return outcome


def _named(outcomes: list[Outcome]) -> None:
    """Give each policy a folder of its own. The converted policies are named like the folder.

    Foreign policies of different namespaces and kinds may have the same name; converted ones are cluster-scoped and of
    one kind. So the second policy of a name gets its namespace, its kind or a number as a suffix.
    """
    taken: set[str] = set()
    seen: dict[tuple[str, str, str, str], Outcome] = {}
    for each in outcomes:
        if each.kind in ("PolicyException", "ConstraintTemplate"):
            continue
        group = each.document.value["apiVersion"].rpartition("/")[0]
        identity = (group, each.kind, each.namespace, each.name)
        if each.name and identity in seen and not each.refused:
            first = seen[identity].document
            place = f"{first.stream}:{first.line}"
            words = f"the {each.kind} {each.name} is defined twice, first at {place}: remove one of the two"
            each.refuse(("metadata", "name"), words)
        seen.setdefault(identity, each)
        each.folder = _free(standard.name_of(each.name or each.kind), (each.namespace, each.kind), taken)
        taken.add(each.folder)


def _free(wanted: str, suffixes: Sequence[str], taken: Container[str]) -> str:
    """A free name: the wanted one, else the wanted one with one of the suffixes, else with a number."""
    numbers = map(str, itertools.count(2))
    names = (standard.suffixed(wanted, each) for each in itertools.chain(suffixes, numbers))
    return next(each for each in itertools.chain([wanted], names) if each not in taken)


def _made_apart(outcome: Outcome, maker: Callable[[Outcome], None], taken: set[tuple[str, str]]) -> None:
    """Convert one policy, under another name if a converted object would have the name of an earlier one: the rule `b`
    of the policy `a` and the policy `a-b` both become `a-b`."""
    wanted = outcome.folder
    _made(outcome, maker)
    for number in itertools.count(2):
        objects = {(each["kind"], each["metadata"]["name"]) for each in (*outcome.policies, *outcome.bindings)}
        if taken.isdisjoint(objects):
            break
        outcome.differences.clear()
        outcome.refused.clear()
        outcome.clear()
        outcome.folder = standard.suffixed(wanted, str(number))
        _made(outcome, maker)
    taken |= objects
    if outcome.policies and outcome.folder != standard.name_of(outcome.name):
        outcome.differs(("metadata", "name"), f"it becomes {outcome.folder}, as there is another policy of its name")
