"""The least RBAC that a server needs for the lookups of its policies.

The cache only lists and watches. A target with a name becomes a rule with resourceNames, which Kubernetes applies to
lists and watches that select `metadata.name` (https://kubernetes.io/docs/reference/access-authn-authz/rbac/).
Discovery needs no rule: every authenticated user may use it.
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
    """The RBAC rules by namespace; those of a ClusterRole are under "". Namespaces and rules are sorted.

    Each rule has one API group and one set of resourceNames. The plural and scope of an unknown kind are guessed
    (Kinds.guess).
    """
    known = Kinds.builtin() if kinds is None else kinds
    named: dict[tuple[str, str, str], set[str]] = defaultdict(set)  # (namespace, group, plural) -> names
    for target in lookups.targets:
        found = known.for_kind(target.api_version, target.kind)
        resource = known.guess(target.api_version, target.kind) if found is None else found
        within = target.namespace if resource.namespaced else ""
        named[within, resource.group, resource.plural].add(target.name)
    plurals: dict[tuple[str, str, tuple[str, ...]], set[str]] = defaultdict(set)
    for (namespace, group, plural), names in named.items():
        # "" and names occur together if one version of a kind is cached whole and another by name. RBAC knows no
        # versions, so the whole covers the names.
        plurals[namespace, group, () if "" in names else tuple(sorted(names))].add(plural)
    by_namespace: dict[str, list[Rule]] = {}
    for (namespace, group, names_), resources in sorted(plurals.items()):
        rule: Rule = {"apiGroups": [group], "resources": sorted(resources), "verbs": ["list", "watch"]}
        if names_:
            rule["resourceNames"] = list(names_)
        by_namespace.setdefault(namespace, []).append(rule)
    if lookups.access:
        review: Rule = {
            "apiGroups": ["authorization.k8s.io"],
            "resources": ["subjectaccessreviews"],
            "verbs": ["create"],
        }
        by_namespace.setdefault("", []).append(review)
    return dict(sorted(by_namespace.items()))


def manifests(
    lookups: Lookups,
    kinds: Kinds | None = None,
    *,
    name: str = "gatewright",
    account: tuple[str, str] = ("gatewright-system", "gatewright"),
    labels: Mapping[str, str] | None = None,
) -> list[Object]:
    """The roles with these rules, each followed by its binding to the service account. `account`: (namespace, name).

    Lookups in all namespaces, of cluster-scoped kinds and of access need a ClusterRole; lookups in one namespace need a
    Role there. Without lookups the list is empty.
    """
    objects: list[Object] = []
    namespace, service_account = account
    for within, granted in rules(lookups, kinds).items():
        kind = "Role" if within else "ClusterRole"
        metadata: Object = {"name": name}
        if within:
            metadata["namespace"] = within
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
