"""Which files of a policy tree go to the cluster, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.policy import trees
from webhook.policy.load.loading import load
from webhook.registration import shipping
from webhook.registration.shipping import Shipment, ShippingError, shipment

PARAM_KIND: Any = {"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}


def config_map(name: str, namespace: str = "gatewright-system", **data: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def bound(name: str, param: str = "") -> dict[str, Any]:
    binding = trees.binding(name, name=name)
    if param:
        ref = {"name": param, "namespace": "gatewright-system", "parameterNotFoundAction": "Deny"}
        binding["spec"]["paramRef"] = ref
    return binding


def write(folder: Path, **files: Any) -> Path:
    """Files by name, `a__b` for a/b.yaml; each with objects, or with text."""
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump_all(content))
    return folder


def shipped(folder: Path) -> Shipment:
    return shipment(folder, load(folder))


def test_policies_bindings_and_params_are_shipped_and_tests_are_not(tmp_path: Path) -> None:
    test = {"apiVersion": "gatewright.dev/v1", "kind": "PolicyTest", "metadata": {"name": "t"}}
    tree = write(
        tmp_path,
        a__policy=[trees.policy("a", **PARAM_KIND)],
        a__binding=[bound("a", "a"), bound("b")],
        a___binding_warn=[],
        a__params=[config_map("a", x="1")],
        a__tests=[{**test, "policy": "a", "cases": []}],
        crds=[config_map("unrelated")],
    )
    (tree / "b").mkdir()
    (tree / "b" / "policy.py").write_text(
        'from gatewright import validate\n\n\n@validate(resources=["v1/pods"])\ndef b(request):\n    return None\n'
    )
    found = shipped(tree)
    assert found.files == (
        ("a.binding.yaml", "a/binding.yaml"),
        ("a.policy.yaml", "a/policy.yaml"),
        ("b.policy.py", "b/policy.py"),
    )
    assert found.params == ("a/params.yaml",)
    assert found.warning == ()
    assert found.size == sum((tree / name).stat().st_size for _, name in found.files)
    (note,) = found.notes
    assert (note.file, note.message) == (
        str(tree / "crds.yaml"),
        "is not shipped: no binding names the ConfigMap in it",
    )


def test_what_nothing_binds_stays_with_its_params(tmp_path: Path) -> None:
    tree = write(
        tmp_path,
        a__policy=[trees.policy("a"), bound("a")],
        b__policy=[trees.policy("b", **PARAM_KIND)],
        b__params=[config_map("b", x="1")],
        c__policy=[trees.policy("c", **PARAM_KIND)],
        exceptions=[trees.exception(policies=[{"name": "c"}])],
    )
    found = shipped(tree)
    # The server would not load an exception without its policy.
    assert [name for _, name in found.files] == ["a/policy.yaml", "c/policy.yaml", "exceptions.yaml"]
    assert (found.params, found.notes) == ((), ())


def test_bindings_that_only_warn_are_listed_beside(tmp_path: Path) -> None:
    tree = write(tmp_path, policy=[trees.policy("a")], binding=[bound("a")])
    (tree / "_binding.warn.yaml").write_text(yaml.safe_dump(bound("a")))
    found = shipped(tree)
    assert found.warning == (("binding.yaml", "_binding.warn.yaml"), ("policy.yaml", "policy.yaml"))
    text = shipping.text(found, "guard", "gatewright manifests . --all")
    first, second = yaml.safe_load(text)["configMapGenerator"]
    assert first == {"name": "guard-policies", "files": ["binding.yaml", "policy.yaml"]}
    assert second["files"] == ["binding.yaml=_binding.warn.yaml", "policy.yaml"]
    assert second["options"]["annotations"] == {"config.kubernetes.io/local-config": "true"}
    assert shipping.is_generated(text)


def test_a_param_that_is_not_in_the_tree_is_missed(tmp_path: Path) -> None:
    tree = write(tmp_path, a=[trees.policy("a", **PARAM_KIND), bound("a", "elsewhere")])
    (note,) = shipped(tree).notes
    assert (
        "has params that the tree does not have: ConfigMap gatewright-system/elsewhere must be in the" in note.message
    )


def test_params_need_a_file_of_their_own(tmp_path: Path) -> None:
    """kubectl would apply the policy along with them, and the API server enforce it a second time."""
    tree = write(tmp_path, a=[trees.policy("a", **PARAM_KIND), bound("a", "a"), config_map("a")])
    with pytest.raises(ShippingError, match="has policies and params of theirs; give the params a file"):
        shipped(tree)


def test_two_files_need_two_keys(tmp_path: Path) -> None:
    tree = write(tmp_path, **{"a__b": [trees.policy("a")], "a.b": [bound("a")]})
    with pytest.raises(ShippingError, match=r"has the key a\.b\.yaml in the ConfigMap, as a\.b\.yaml has"):
        shipped(tree)


def test_a_name_that_no_key_can_have_is_refused(tmp_path: Path) -> None:
    tree = write(tmp_path, **{"my policy": [trees.policy("a"), bound("a")]})
    with pytest.raises(ShippingError, match=r"cannot be the key my policy\.yaml of a ConfigMap"):
        shipped(tree)


def test_a_file_is_no_tree_to_ship(tmp_path: Path) -> None:
    tree = write(tmp_path, a=[trees.policy("a"), bound("a")])
    with pytest.raises(ShippingError, match="only a folder can be shipped"):
        shipped(tree / "a.yaml")


@pytest.mark.parametrize(
    ("size", "warned", "refused"), [(100 << 10, False, False), (300 << 10, True, False), (1 << 20, True, True)]
)
def test_the_size_of_a_tree_is_told_before_the_api_server_refuses_it(
    tmp_path: Path, size: int, warned: bool, refused: bool
) -> None:
    tree = write(tmp_path, a=[trees.policy("a"), bound("a")])
    with (tree / "a.yaml").open("a") as file:
        file.write("# " + "x" * size + "\n")
    if refused:
        with pytest.raises(
            ShippingError, match=r"the policies have 1,\d{3},\d{3} bytes in 1 files, and a ConfigMap holds"
        ):
            shipped(tree)
        return
    told = [problem.message for problem in shipping.warnings(shipped(tree), tree)]
    assert bool(told) == warned
    assert all("`kubectl apply` needs --server-side" in message for message in told)


def test_what_kubectl_escapes_counts(tmp_path: Path) -> None:
    tree = write(tmp_path, a=[trees.policy("a"), bound("a")])
    with (tree / "a.yaml").open("a") as file:
        file.write("# " + "<" * (60 << 10) + "\n")
    assert shipped(tree).applied > 6 * (60 << 10)


def test_a_policy_that_the_api_server_runs_itself_is_not_shipped(tmp_path: Path) -> None:
    tree = write(tmp_path, a=[trees.policy("a"), bound("a")], b=[trees.policy("b"), bound("b")])
    found = shipment(tree, load(tree).without(["a"]))
    assert found.files == (("b.yaml", "b.yaml"),)


def test_exceptions_are_shipped(tmp_path: Path) -> None:
    exception = {
        "apiVersion": "gatewright.dev/v1",
        "kind": "PolicyException",
        "metadata": {"name": "e"},
        "spec": {
            "policies": [{"name": "a"}],
            "reason": "why",
            "approvedBy": "ann",
            "expires": "2999-01-01",
            "objects": {"names": ["x"]},
        },
    }
    tree = write(tmp_path, a=[trees.policy("a"), bound("a")], e=[exception])
    assert ("e.yaml", "e.yaml") in shipped(tree).files
