"""The RBAC that a server needs in order to look up what its policies do, and nothing besides.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/. Objects are listed and watched, never got one by one; a
name is a rule's resourceNames, which Kubernetes holds lists by `metadata.name` against. Finding out which resource a
kind is (discovery) is everybody's right in a cluster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from webhook.cluster.lookups import Lookups
from webhook.schema import Kinds

RBAC: Final = "rbac.authorization.k8s.io"

Rule = dict[str, list[str]]
Object = dict[str, Any]


def rules(lookups: Lookups, kinds: Kinds | None = None) -> dict[str, list[Rule]]:
    """The rules by namespace, those of the whole cluster under "". Both in order; kinds that are not known are guessed.

    Each rule is of one group and one set of names.
    """
    known = Kinds.builtin() if kinds is None else kinds
    named: dict[tuple[str, str, str], set[str]] = defaultdict(set)  # (namespace, group, plural) -> names
    for target in lookups.targets:
        found = known.for_kind(target.api_version, target.kind)
        resource = known.guess(target.api_version, target.kind) if found is None else found
        where = target.namespace if resource.namespaced else ""
        named[where, resource.group, resource.plural].add(target.name)
    plurals: dict[tuple[str, str, tuple[str, ...]], set[str]] = defaultdict(set)
    for (namespace, group, plural), names in named.items():
        # All of them ("") goes with some of them where one version of a kind is asked for whole and another by name.
        plurals[namespace, group, () if "" in names else tuple(sorted(names))].add(plural)
    given: dict[str, list[Rule]] = {}
    for (namespace, group, names_), resources in sorted(plurals.items()):
        rule: Rule = {"apiGroups": [group], "resources": sorted(resources), "verbs": ["list", "watch"]}
        if names_:
            rule["resourceNames"] = list(names_)
        given.setdefault(namespace, []).append(rule)
    if lookups.access:
        review: Rule = {
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["subjectaccessreviews"],
            "verbs": ["create"],
        }
        given.setdefault("", []).append(review)
    return dict(sorted(given.items()))


def manifests(
    lookups: Lookups,
    kinds: Kinds | None = None,
    *,
    name: str = "gatewright",
    account: tuple[str, str] = ("gatewright-system", "gatewright"),
    labels: Mapping[str, str] | None = None,
) -> list[Object]:
    """The roles with these rules, each with the binding to the service account (namespace, name).

    A ClusterRole and its binding where anything is looked up in all namespaces, a Role and its binding in each
    namespace that a binding names. No rules at all: no objects.
    """
    objects: list[Object] = []
    namespace, service_account = account
    for where, granted in rules(lookups, kinds).items():
        kind = "Role" if where else "ClusterRole"
        metadata: Object = {"name": name}
        if where:
            metadata["namespace"] = where
        if labels:
            metadata["labels"] = dict(labels)
        objects += [
            {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": granted},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": f"{kind}Binding",
                "metadata": metadata,
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": service_account, "namespace": namespace}],
            },
        ]
    return objects
