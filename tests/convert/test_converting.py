"""The names of what policies become, where several have one name."""

from __future__ import annotations

from pathlib import Path

from tests.convert.converted import outcomes
from webhook.convert import whole
from webhook.policy.load.loading import load

RULES = """
spec:
  validationFailureAction: Enforce
  rules:
"""
RULE = """\
  - name: {name}
    match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}
    validate: {{message: "{name} of {of}", pattern: {{metadata: {{labels: {{{of}: "?*"}}}}}}}}
"""


def kyverno(kind: str, name: str, *rules: str, namespace: str = "", of: str = "a") -> str:
    within = f", namespace: {namespace}" if namespace else ""
    head = f"apiVersion: kyverno.io/v1\nkind: {kind}\nmetadata: {{name: {name}{within}}}"
    return head + RULES + "".join(RULE.format(name=each, of=of) for each in rules) + "---\n"


def names(tmp_path: Path, text: str) -> list[tuple[str, list[str]]]:
    return [(each.folder, [made["metadata"]["name"] for made in each.policies]) for each in outcomes(tmp_path, text)]


def test_policies_of_one_name_in_several_namespaces(tmp_path: Path) -> None:
    text = kyverno("Policy", "labels", "r", namespace="shop", of="a") + kyverno(
        "Policy", "labels", "r", namespace="bank", of="b"
    )
    first, second = outcomes(tmp_path, text)
    assert (first.status, first.folder) == ("whole", "labels")
    assert (second.status, second.folder) == ("differences", "labels-bank")
    (said,) = second.differences
    assert said.message == "it becomes labels-bank, as there is another policy of its name"
    assert said.line == second.document.position(("metadata", "name")).line
    (tmp_path / "in.yaml").write_text(text)
    whole.convert([str(tmp_path / "in.yaml")], tmp_path / "out")
    assert {each.name for each in load(tmp_path / "out").policies} == {"labels", "labels-bank"}
    assert "bank" in (tmp_path / "out" / "labels-bank" / "policy.yaml").read_text()


def test_policies_of_one_name_and_several_kinds(tmp_path: Path) -> None:
    text = kyverno("ClusterPolicy", "labels", "r") + kyverno("Policy", "labels", "r", namespace="labels")
    assert names(tmp_path, text + kyverno("Policy", "labels", "r")) == [
        ("labels", ["labels"]), ("labels-labels", ["labels-labels"]), ("labels-policy", ["labels-policy"]),
    ]  # fmt: skip
    long = "a" * 80
    text = kyverno("ClusterPolicy", long, "r") + kyverno("Policy", long, "r", namespace="b" * 63)
    assert names(tmp_path, text) == [("a" * 63, ["a" * 63]), (f"{'a' * 31}-{'b' * 31}", [f"{'a' * 31}-{'b' * 31}"])]


def test_a_policy_with_the_name_of_the_rule_of_another(tmp_path: Path) -> None:
    text = kyverno("ClusterPolicy", "a", "b", "c") + kyverno("ClusterPolicy", "a-b", "r")
    assert names(tmp_path, text) == [("a", ["a-b", "a-c"]), ("a-b-2", ["a-b-2"])]
    *_, second = outcomes(tmp_path, text)
    assert [each.message for each in second.differences] == ["it becomes a-b-2, as there is another policy of its name"]
    assert [made["spec"]["policyName"] for made in second.bindings] == ["a-b-2"]
    text = kyverno("ClusterPolicy", "a-b", "r") + kyverno("ClusterPolicy", "a", "b", "c")
    assert names(tmp_path, text) == [("a-b", ["a-b"]), ("a-2", ["a-2-b", "a-2-c"])]


def test_the_same_policy_twice_is_refused(tmp_path: Path) -> None:
    for one in (kyverno("ClusterPolicy", "p", "r"), kyverno("Policy", "p", "r", namespace="shop")):
        first, second = outcomes(tmp_path, one + one)
        assert (first.status, second.status) == ("whole", "not")
        kind = first.kind
        assert [each.message for each in second.refused] == [
            f"the {kind} p is defined twice, first at {tmp_path}/source.yaml:1: remove one of the two"
        ]


def test_what_no_longer_converts_is_named_where_an_earlier_conversion_wrote_it(tmp_path: Path) -> None:
    source, tree = tmp_path / "in.yaml", tmp_path / "out"
    text = kyverno("ClusterPolicy", "p", "r") + kyverno("ClusterPolicy", "q", "r")
    source.write_text(text)
    whole.convert([str(source)], tree)
    written = (tree / "p" / "policy.yaml").read_text()
    source.write_text(text.replace("pattern:", "patterns:", 1))
    broken, _ = whole.convert([str(source)], tree, force=True).outcomes
    assert broken.status == "not"
    assert [(each.file, each.message.partition(",")[0]) for each in broken.refused[-1:]] == [
        (str(tree / "p" / "policy.yaml"), "an earlier conversion wrote it")
    ]
    assert (tree / "p" / "policy.yaml").read_text() == written
    (tree / "p" / "policy.yaml").write_text("# of a person\n")
    for file in ("binding.yaml", "tests.yaml"):
        (tree / "p" / file).unlink(missing_ok=True)
    broken, _ = whole.convert([str(source)], tree, force=True).outcomes
    assert "earlier" not in str(broken.refused)
