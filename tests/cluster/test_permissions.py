from webhook.cluster.lookups import NAMESPACES, Lookups, Target
from webhook.cluster.permissions import manifests, rules
from webhook.schema import Kinds

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "spec": {
        "group": "rules.example.com",
        "scope": "Cluster",
        "names": {"kind": "Sheep", "plural": "sheep"},
        "versions": [{"name": "v1", "served": True}],
    },
}
KINDS = Kinds.builtin().with_crds([CRD])
READ = ["list", "watch"]


def rule(group: str, *resources: str, names: tuple[str, ...] = ()) -> dict[str, list[str]]:
    named = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": [group], "resources": list(resources), "verbs": READ, **named}


def test_nothing_looked_up_is_no_right() -> None:
    assert rules(Lookups()) == {}
    assert manifests(Lookups()) == []


def test_names_are_gathered_and_resources_of_a_group_share_a_rule() -> None:
    targets = (
        Target("v1", "ConfigMap", "n", "b"),
        Target("v1", "ConfigMap", "n", "a"),
        Target("v1", "Secret", "n", "s"),
        Target("v1", "Service"),
        Target("v1", "Namespace"),
        Target("apps/v1", "Deployment"),
    )
    assert rules(Lookups.of(targets)) == {
        "": [rule("", "namespaces", "services"), rule("apps", "deployments")],
        "n": [rule("", "configmaps", names=("a", "b")), rule("", "secrets", names=("s",))],
    }


def test_what_is_cluster_scoped_takes_a_cluster_role_whatever_a_binding_says() -> None:
    found = rules(Lookups.of([Target("v1", "Node", "n", "x")]))
    assert found == {"": [rule("", "nodes", names=("x",))]}


def test_kinds_come_from_definitions_and_are_guessed_without() -> None:
    lookups = Lookups.of([Target("rules.example.com/v1", "Sheep", "n", "dolly")])
    assert rules(lookups, KINDS) == {"": [rule("rules.example.com", "sheep", names=("dolly",))]}
    assert rules(lookups) == {"n": [rule("rules.example.com", "sheeps", names=("dolly",))]}


def test_asking_about_access_is_one_rule() -> None:
    review = {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}
    assert rules(Lookups(access=True)) == {"": [review]}


def test_roles_are_bound_to_the_service_account() -> None:
    lookups = Lookups.of([NAMESPACES, Target("v1", "ConfigMap", "n", "a")])
    found = manifests(lookups, name="gate", account=("system", "me"), labels={"a": "b"})
    assert [(each["kind"], each["metadata"].get("namespace")) for each in found] == [
        ("ClusterRole", None),
        ("ClusterRoleBinding", None),
        ("Role", "n"),
        ("RoleBinding", "n"),
    ]
    for role, bound in (found[:2], found[2:]):
        assert bound["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": role["kind"],
            "name": role["metadata"]["name"],
        }
        assert bound["subjects"] == [{"kind": "ServiceAccount", "name": "me", "namespace": "system"}]
    assert {each["metadata"]["labels"]["a"] for each in found} == {"b"}
