"""Mutating policies of a Kyverno test are applied one after another, also where one of them refuses the object."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.convert import whole

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"
MATCH = "match: {any: [{resources: {kinds: [ConfigMap]}}]}"
ADDS = f"{{name: adds, {MATCH}, mutate: {{patchStrategicMerge: {{data: {{x: one}}}}}}}}"
BREAKS = f"{{name: breaks, {MATCH}, mutate: {{patchesJson6902: '[{{op: replace, path: /data/none, value: z}}]'}}}}"
RESULT = "kind: ConfigMap, resources: [c], result: pass, patchedResources: patched.yaml"


def policy(name: str, *rules: str) -> str:
    made = f"apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: {name}}}\nspec:\n  rules:\n"
    return made + "".join(f"  - {each}\n" for each in rules)


def ran(folder: Path, policies: str, results: str, patched: str) -> list[tuple[bool, bool, str]]:
    (folder / "in").mkdir()
    test = "apiVersion: cli.kyverno.io/v1alpha1\nkind: Test\nmetadata: {name: t}\npolicies: [policies.yaml]\n"
    texts = {
        "kyverno-test.yaml": f"{test}resources: [object.yaml]\nresults:\n- {{{results}}}\n",
        "policies.yaml": policies,
        "object.yaml": OBJECT,
        "patched.yaml": patched,
    }
    for name, text in texts.items():
        (folder / "in" / name).write_text(text)
    found = whole.convert([str(folder / "in")], folder / "tree")
    return [(test.passed, test.run, test.reason) for each in found.outcomes for test in each.tests]


PATCHED = OBJECT.replace("{a: b}", "{a: b, x: one}")


@pytest.mark.parametrize(
    ("policies", "results", "reason"),
    [
        (
            f"{policy('p', BREAKS)}---\n{policy('q', ADDS)}",
            "policy: q, rule: adds",
            "a policy that the test applies earlier refuses the object",
        ),
        (policy("p", ADDS, BREAKS), "policy: p, rule: adds", "a later rule of the policy refuses the object"),
    ],
)
def test_what_is_refused_on_the_way_is_not_run(tmp_path: Path, policies: str, results: str, reason: str) -> None:
    assert ran(tmp_path, policies, f"{results}, {RESULT}", PATCHED) == [(False, False, reason)]


def test_a_rule_may_say_what_it_makes_or_what_all_rules_of_its_policy_make(tmp_path: Path) -> None:
    more = ADDS.replace("adds", "more").replace("x: one", "v: two")
    whole_patch = OBJECT.replace("{a: b}", "{a: b, x: one, v: two}")
    for number, patched in enumerate((PATCHED, whole_patch)):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert ran(folder, policy("p", ADDS, more), f"policy: p, rule: adds, {RESULT}", patched) == [(True, True, "")]


def test_a_policy_before_changes_what_the_next_one_gets(tmp_path: Path) -> None:
    needs = f"{{name: needs, {MATCH}, mutate: {{patchStrategicMerge: {{data: {{(x): one, z: z}}}}}}}}"
    patched = OBJECT.replace("{a: b}", "{a: b, x: one, z: z}")
    policies = f"{policy('p', ADDS)}---\n{policy('q', needs)}"
    assert ran(tmp_path, policies, f"policy: q, rule: needs, {RESULT}", patched) == [(True, True, "")]
