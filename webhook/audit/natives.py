"""Reads the policies that the API server of a cluster enforces itself, and loads them like a policy tree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import orjson
from msgspec import Struct

from webhook.audit.reading import NotListed
from webhook.cluster.lookups import Target
from webhook.documents.document import Problem
from webhook.policy.load.loading import PolicyTreeError, load_tree
from webhook.policy.load.treefiles import Tree, TreeFile
from webhook.policy.policyset import PolicySet
from webhook.policy.written.policykinds import MUTATING, VALIDATING

if TYPE_CHECKING:
    from webhook.audit.sources import Source
    from webhook.schema import Kinds
    from webhook.versions import Version

_GROUP: Final = "admissionregistration.k8s.io"
_VERSIONS: Final = ("v1", "v1beta1", "v1alpha1")
_ROUNDS: Final = 20  # of loading, each without the policies that failed before

Object = dict[str, Any]


class Native(Struct, frozen=True):
    """The policies of a cluster. `problems`: those that cannot be judged here. `notes`: what else is worth knowing."""

    policies: PolicySet
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def native(source: Source, kinds: Kinds, version: Version, assumed: str = "") -> Native:
    """The policies with their bindings. Their files are named as the objects: CLUSTER/KIND/NAME.

    assumed: the action (Deny, Warn, Audit) under which policies that no binding names are taken to be bound everywhere;
    "" leaves them out.
    """
    problems: list[Problem] = []
    objects: list[Object] = []
    for kind in (VALIDATING, MUTATING):
        try:
            objects += [*_read(source, kind, kinds), *_read(source, f"{kind}Binding", kinds)]
        except NotListed as error:
            problems.append(Problem(source.name, None, None, f"{kind} cannot be listed: {error}"))
    policies = {(each["kind"], each["metadata"]["name"]) for each in objects if not each["kind"].endswith("Binding")}
    bindings = [each for each in objects if each["kind"].endswith("Binding")]
    dangling = [each for each in bindings if _bound(each) not in policies]
    unbound = sorted(policies - {_bound(each) for each in bindings})
    notes = [f"{source.name}: binding {each['metadata']['name']} names a policy that is not there" for each in dangling]
    if assumed:
        objects += [_binding(kind, name, assumed) for kind, name in unbound]
    elif unbound:
        names = ", ".join(name for _, name in unbound)
        notes.append(f"{source.name}: without a binding, and not judged unless --assume-bound says how: {names}")
    gone = {id(each) for each in dangling}
    files = [_file(source.name, each) for each in objects if id(each) not in gone]
    loaded, failed = _loaded(source.name, files, version)
    return Native(loaded, (*problems, *failed), tuple(notes))


def beside(tree: PolicySet, cluster: PolicySet) -> tuple[PolicySet, list[str]]:
    """The policies of a tree and those of a cluster, and which of the latter those of the tree stand for."""
    ours = {(policy.kind, policy.name) for policy in tree.policies}
    twice = sorted(policy.name for policy in cluster.policies if (policy.kind, policy.name) in ours)
    left = cluster.where(lambda policy: (policy.kind, policy.name) not in ours)
    made = PolicySet(
        [*tree.validating, *left.validating],
        [*tree.mutating, *left.mutating],
        objects=tree.objects,
        revision=tree.revision,
        notes=[*tree.notes, *cluster.notes],
        warnings=[*tree.warnings, *cluster.warnings],
        target=tree.target,
    )
    return made, twice


def _read(source: Source, kind: str, kinds: Kinds) -> list[Object]:
    """The objects of a kind, in the newest version that is served, without what the API server set."""
    for version in _VERSIONS:
        found = source.looked_up(Target(f"{_GROUP}/{version}", kind), kinds)
        if found:
            return [_as_written(each) for each in found]
    return []


def _as_written(value: Object) -> Object:
    metadata = {name: each for name, each in value["metadata"].items() if name in ("name", "annotations", "labels")}
    return {**{name: each for name, each in value.items() if name != "status"}, "metadata": metadata}


def _bound(binding: Object) -> tuple[str, str]:
    """The kind and the name of a binding's policy."""
    return binding["kind"].removesuffix("Binding"), str((binding.get("spec") or {}).get("policyName"))


def _binding(kind: str, name: str, action: str) -> Object:
    spec: Object = {"policyName": name}
    if kind == VALIDATING:
        spec["validationActions"] = [action]
    named = {"name": f"{name}-assumed"}
    return {"apiVersion": f"{_GROUP}/v1", "kind": f"{kind}Binding", "metadata": named, "spec": spec}


def _file(cluster: str, value: Object) -> TreeFile:
    return TreeFile(f"{cluster}/{value['kind']}/{value['metadata']['name']}.json", orjson.dumps(value))


def _loaded(cluster: str, files: Iterable[TreeFile], version: Version) -> tuple[PolicySet, list[Problem]]:
    """What loads of the files, and why the rest does not."""
    left = list(files)
    failed: list[Problem] = []
    for _ in range(_ROUNDS):
        if not any(VALIDATING + "/" in each.name or MUTATING + "/" in each.name for each in left):
            break
        try:
            return load_tree(Tree((cluster,), tuple(left), (), ""), version), failed
        except PolicyTreeError as error:
            failed += error.problems
            bad = {each.file for each in error.problems}
            rest = [each for each in left if each.name not in bad]
            if len(rest) == len(left):
                break
            left = _bound_ones(rest)
    return PolicySet(target=version), failed


def _bound_ones(files: list[TreeFile]) -> list[TreeFile]:
    """The files without the bindings of policies that are not among them."""
    values = [(each, orjson.loads(each.content)) for each in files]
    there = {(value["kind"], value["metadata"]["name"]) for _, value in values}
    return [each for each, value in values if not value["kind"].endswith("Binding") or _bound(value) in there]
