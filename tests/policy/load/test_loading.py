"""A policy tree, from files to a PolicySet, or to every error at once with its place."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from tests.policy.trees import (
    ALL,
    BINDING,
    POLICY,
    binding,
    config_map,
    loaded,
    loaded_files,
    mutating_binding,
    namespace,
    places,
    policy,
    problems,
    verdict,
    wrong,
)
from webhook.policy.load.loading import PolicyTreeError, load
from webhook.policy.python import onlyreads


class TestATree:
    def test_is_read_from_folders_yaml_json_and_lists(self, tmp_path: Path) -> None:
        (tmp_path / "deep" / "deeper").mkdir(parents=True)
        (tmp_path / "deep" / "deeper" / "policy.yaml").write_text(dedent(POLICY))
        (tmp_path / "bindings.json").write_text(
            '{"apiVersion": "v1", "kind": "List", "items": ['
            '{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",'
            '"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}]}'
        )
        [loaded_policy] = load(tmp_path).policies
        assert (loaded_policy.name, loaded_policy.kind, loaded_policy.language) == (
            "p",
            "ValidatingAdmissionPolicy",
            "cel",
        )
        assert (Path(loaded_policy.file).name, loaded_policy.line) == ("policy.yaml", 1)
        assert [bound.name for bound in loaded_policy.bindings] == ["b"]

    def test_can_be_one_file(self, tmp_path: Path) -> None:
        (tmp_path / "all.yaml").write_text(f"{dedent(POLICY)}---\n{dedent(BINDING)}")
        assert not verdict(load(str(tmp_path / "all.yaml"))).allowed

    def test_leaves_out_hidden_and_underscored_entries(self, tmp_path: Path) -> None:
        policies = loaded_files(
            tmp_path, policy_yaml=POLICY, binding_yaml=BINDING, _broken_py="1 / 0", _broken_yaml="{", **{".x_yaml": "{"}
        )
        assert len(policies.policies) == 1

    def test_leaves_out_kustomizations(self, tmp_path: Path) -> None:
        kustomization = "resources: [policy.yaml, binding.yaml]\n"
        policies = loaded_files(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING, kustomization_yaml=kustomization)
        assert policies.objects == ()

    def test_keeps_its_other_objects(self) -> None:
        policies = loaded(policy(), binding(), config_map("c"), namespace("team"))
        assert [found["metadata"]["name"] for found in policies.objects] == ["c", "team"]

    def test_policy_tests_are_none_of_them(self) -> None:
        case = {"apiVersion": "gatewright.dev/v1", "kind": "PolicyTest", "metadata": {"name": "t"}, "policy": "p"}
        assert loaded(policy(), binding(), case).objects == ()

    def test_lists_policies_and_bindings_by_name(self) -> None:
        policies = loaded(
            binding("b", name="z"), policy("b"), binding("a", name="w"), policy("a"), binding("b", name="x")
        )
        assert [each.name for each in policies.policies] == ["a", "b"]
        assert [each.name for each in policies.bindings] == ["w", "x", "z"]

    def test_has_a_revision_of_its_content(self, tmp_path: Path) -> None:
        first = loaded_files(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING).revision
        assert first == load(tmp_path).revision
        assert first != loaded_files(tmp_path, binding_yaml=BINDING.replace("Deny", "Audit")).revision

    def test_its_expressions_can_be_listed(self) -> None:
        policies = loaded(
            policy(validations=[{"expression": "variables.a == 1"}], variables=[{"name": "a", "expression": "1"}]),
            binding(),
        )
        assert [(path, program.source) for _, path, program in policies.expressions()] == [
            (("spec", "variables", 0, "expression"), "1"),
            (("spec", "validations", 0, "expression"), "variables.a == 1"),
        ]

    def test_a_description_comes_from_the_annotation(self) -> None:
        described = policy()
        described["metadata"]["annotations"] = {"kubernetes.io/description": "Nothing passes."}
        assert loaded(described, binding()).policies[0].description == "Nothing passes."

    def test_what_a_cluster_adds_to_an_object_does_no_harm(self) -> None:
        stored = policy()
        stored["metadata"] |= {
            "uid": "1",
            "resourceVersion": "2",
            "generation": 3,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "managedFields": [{"manager": "kubectl"}],
        }
        stored["status"] = {"observedGeneration": 3, "typeChecking": {}}
        assert problems(stored, binding()) == []

    def test_by_failure_policy(self) -> None:
        policies = loaded(
            policy("a"),
            policy("b", failurePolicy="Ignore"),
            binding("a", name="b1"),
            binding("b", name="b2"),
            config_map("c"),
        )
        ignoring = policies.only("Ignore")
        assert [each.name for each in ignoring.policies] == ["b"]
        assert [each.name for each in policies.only("Fail").policies] == ["a"]
        assert ignoring.objects == policies.objects
        assert ignoring.revision == policies.revision
        assert ignoring is policies.only("Ignore")


class TestNotes:
    def test_a_policy_without_a_binding_never_runs_and_is_noted(self) -> None:
        policies = loaded(policy(), policy("q"), binding("q"))
        assert [note.message for note in policies.notes] == [
            "ValidatingAdmissionPolicy 'p' has no binding, so it never runs"
        ]

    def test_a_policy_that_waits_to_be_enabled_is_not_noted(self, tmp_path: Path) -> None:
        for name in ("p", "q"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "policy.yaml").write_text(yaml.safe_dump(policy(name)))
        (tmp_path / "p" / "_binding.warn.yaml").write_text(yaml.safe_dump(binding("p")))
        (note,) = load(tmp_path).notes
        assert note.file == str(tmp_path / "q" / "policy.yaml")

    def test_a_param_ref_that_is_ignored(self) -> None:
        policies = loaded(policy(), binding(paramRef={"name": "x", "parameterNotFoundAction": "Deny"}))
        assert [note.message for note in policies.notes] == [
            "ValidatingAdmissionPolicyBinding 'b': spec.paramRef is ignored: policy 'p' has no paramKind"
        ]
        assert not verdict(policies).allowed

    def test_a_python_file_that_declares_nothing(self, tmp_path: Path) -> None:
        policies = loaded_files(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING, lib_py="x = 1")
        assert [note.message for note in policies.notes] == ["declares no policies"]


class TestPlaces:
    def test_of_a_field(self, tmp_path: Path) -> None:
        [found] = wrong(tmp_path, policy_yaml=POLICY.replace("validations:", "validatons:"), binding_yaml=BINDING)[:1]
        assert places([found], tmp_path) == [("policy.yaml", 5, 1)]
        assert found.message.endswith("spec.validations: required: validations or auditAnnotations, at least one")

    def test_every_error_of_every_file_in_one_run(self, tmp_path: Path) -> None:
        found = wrong(
            tmp_path,
            a_yaml=POLICY.replace("validations:", "failurePolicy: 5\n      validations:")
            .replace('"false"', "object.nope +")
            .replace("metadata:", "metadata:\n      nmae: q"),
            b_yaml=f"{BINDING.replace('[Deny]', '[]')}---\n    a: [\n",
            c_py="def f(:",
            d_py="1 / 0",
        )
        assert [(place, problem.message) for place, problem in zip(places(found, tmp_path), found, strict=True)] == [
            (("a.yaml", 4, 3), "ValidatingAdmissionPolicy 'p': metadata.nmae: unknown field; did you mean name?"),
            (
                ("a.yaml", 10, 3),
                "ValidatingAdmissionPolicy 'p': spec.failurePolicy: expected 'Fail' or 'Ignore', found the number 5",
            ),
            (("a.yaml", 12, 30), found[2].message),
            (
                ("b.yaml", 7, 3),
                "ValidatingAdmissionPolicyBinding 'b': spec.validationActions: "
                "required: Deny, Warn or Audit, at least one",
            ),
            (("b.yaml", 10, 1), found[4].message),
            (("c.py", 1, 7), "not Python: invalid syntax"),
            (("d.py", 1, None), "cannot be imported: ZeroDivisionError: division by zero"),
        ]
        assert "spec.validations[0].expression: Syntax error" in found[2].message

    @pytest.mark.parametrize(
        ("written", "line", "column"),
        [
            ("expression: true && nope", 10, 25),
            ("expression: 'true && nope'", 10, 26),
            ('expression: "true && nope"', 10, 26),
            ('"expression": "true && nope"', 10, 28),
            ("expression: |\n          true &&\n            nope", 12, 9),
            ("expression: |-\n\n          true &&\n          nope", 13, 7),
            ("expression: >-\n          true &&\n          nope", 12, 7),
            ("expression: >\n          true &&\n\n          nope\n          || true", 13, 7),
            ('expression: "true\\x20&& nope"', 10, 29),
            ("expression: >-2\n           true && nope", 11, 16),
            ("expression: |1\n          true &&\n          nope", 12, 7),
            ("expression: true\n          &&\n          nope", 12, 7),
            ("expression: 'true\n\n          && nope'", 12, 10),
            ('expression: "true \\\n          && nope"', 11, 10),
            ("expression: &it !!str true && nope", 10, 35),
            ("message: &it true && nope\n        expression: *it", 10, 26),
            ("? expression\n        : |\n          true && nope", 12, 15),
        ],
    )
    def test_inside_an_expression(self, tmp_path: Path, written: str, line: int, column: int) -> None:
        [found] = wrong(tmp_path, policy_yaml=POLICY.replace('expression: "false"', written), binding_yaml=BINDING)
        assert places([found], tmp_path) == [("policy.yaml", line, column)]
        assert "undeclared reference to 'nope'" in found.message

    def test_inside_an_expression_in_the_second_document(self, tmp_path: Path) -> None:
        text = f"{dedent(BINDING)}---\n" + dedent(POLICY).replace('"false"', "|\n      nope")
        [found] = wrong(tmp_path, all_yaml=text)
        assert (found.line, found.column) == (19, 7)

    def test_inside_an_expression_in_json(self, tmp_path: Path) -> None:
        text = (
            '{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",\n'
            ' "metadata": {"name": "p"}, "spec": {"matchConstraints": {"resourceRules": [\n'
            '  {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]},\n'
            '  "validations": [\n'
            '    {"expression": "1 + \'a\' == 2"}]}}'
        )
        [found] = wrong(tmp_path, policy_json=text)
        assert (found.line, found.column) == (5, 23)


class TestRenderedTemplates:
    """`# Source:` names a template, but lines and columns are those of the file that was read."""

    def test_a_problem_is_placed_in_the_file_that_was_read(self, tmp_path: Path) -> None:
        mistaken = dedent(POLICY).replace('"false"', "nope"), dedent(BINDING).replace("[Deny]", "[Deny, Warn]")
        rendered = "---\n# Source: chart/templates/p.yaml\n{}---\n# Source: chart/templates/b.yaml\n{}".format(
            *mistaken
        )
        found = wrong(tmp_path, rendered_yaml=rendered)
        assert places(found, tmp_path) == [("rendered.yaml", 12, 17), ("rendered.yaml", 21, 3)]
        assert [problem.message.rpartition(" (in ")[2] for problem in found] == [
            "chart/templates/p.yaml)",
            "chart/templates/b.yaml)",
        ]

    def test_so_is_a_policy_a_binding_and_a_note(self, tmp_path: Path) -> None:
        text = (
            f"# Source: chart/templates/b.yaml\n{dedent(BINDING)}  paramRef: {{name: x, parameterNotFoundAction: Deny}}"
        )
        policies = loaded_files(tmp_path, all_yaml=f"{dedent(POLICY)}---\n{text}")
        [each] = policies.bindings
        assert (each.file, each.line) == (str(tmp_path / "all.yaml"), 13)
        [note] = policies.notes
        assert (note.file, note.line) == (str(tmp_path / "all.yaml"), 20)
        assert note.message.endswith("'p' has no paramKind (in chart/templates/b.yaml)")

    def test_so_is_the_first_of_two_with_one_name(self, tmp_path: Path) -> None:
        source = "# Source: chart/templates/p.yaml\n"
        [found] = wrong(tmp_path, all_yaml=f"{source}{dedent(POLICY)}---\n{source}{dedent(POLICY)}")
        assert f"is already defined in {tmp_path / 'all.yaml'}:2" in found.message


class TestNames:
    def test_of_two_policies_with_one_the_second_is_an_error(self, tmp_path: Path) -> None:
        [found] = wrong(tmp_path, a_yaml=POLICY, b_yaml=f"{POLICY}---\n{BINDING}")
        assert places([found], tmp_path) == [("b.yaml", 4, 3)]
        assert found.message.endswith(
            f"metadata.name: ValidatingAdmissionPolicy 'p' is already defined in {tmp_path / 'a.yaml'}:1"
        )

    def test_of_bindings_and_other_objects_too(self) -> None:
        found = problems(
            policy(), binding(), binding(), config_map("c"), config_map("c"), config_map("c", namespace="x")
        )
        assert [message.partition(": metadata.name: ")[2][:30] for message in found] == [
            "ValidatingAdmissionPolicyBindi",
            "ConfigMap 'c' is already defin",
        ]

    @pytest.mark.parametrize(
        ("first", "second", "stands"),
        [
            (policy(failurePolicy="x"), policy(), "ValidatingAdmissionPolicy 'p'"),
            (policy(validations=[{"expression": "nope"}]), policy(), "ValidatingAdmissionPolicy 'p'"),
            (binding("p", "Deny", "Warn"), binding(), "ValidatingAdmissionPolicyBinding 'b'"),
            (
                {**policy(), "kind": "MutatingAdmissionPolicy"},
                {**policy(), "kind": "MutatingAdmissionPolicy"},
                "MutatingAdmissionPolicy 'p'",
            ),
        ],
    )
    def test_of_the_second_is_told_where_the_first_has_an_error_of_its_own(
        self, first: dict[str, Any], second: dict[str, Any], stands: str
    ) -> None:
        found = problems(first, second)
        defined = f"metadata.name: {stands} is already defined in tree.yaml:1"
        assert len([message for message in found if defined in message]) == 1

    def test_of_a_python_policy_is_told_where_the_cel_policy_has_an_error_of_its_own(self, tmp_path: Path) -> None:
        text = "from gatewright import validate\n\n@validate(resources=['v1/pods'])\ndef p(request): ...\n"
        found = wrong(tmp_path, policy_yaml=POLICY.replace('"false"', "nope"), p_py=text, binding_yaml=BINDING)
        assert places(found, tmp_path) == [("p.py", 3, None), ("policy.yaml", 10, 17)]

    def test_of_two_in_one_line(self, tmp_path: Path) -> None:
        both = json.dumps({"apiVersion": "v1", "kind": "List", "items": [policy(), policy()]})
        [found] = wrong(tmp_path, all_json=both)
        assert f"'p' is already defined in {tmp_path / 'all.json'}:1" in found.message

    def test_are_not_the_same_where_there_are_none(self) -> None:
        found = problems(policy(""), policy(""), binding("p", name=""), binding("p", name=""))
        assert not [message for message in found if "already" in message]

    def test_python_and_cel_policies_share_them(self, tmp_path: Path) -> None:
        text = "from gatewright import validate\n\n@validate(resources=['v1/pods'])\ndef p(request): ...\n"
        [found] = wrong(tmp_path, policy_yaml=POLICY, policy_py=text, binding_yaml=BINDING)
        assert places([found], tmp_path) == [("policy.py", 3, None)]

    def test_validating_and_mutating_policies_do_not(self, tmp_path: Path) -> None:
        text = "from gatewright import mutate\n\n@mutate(resources=['v1/pods'])\ndef p(request): ...\n"
        assert len(loaded_files(tmp_path, policy_yaml=POLICY, p_py=text, binding_yaml=BINDING).policies) == 2


class TestBindings:
    def test_of_a_policy_with_errors_are_not_to_blame(self) -> None:
        [found] = problems(policy(validations=[{"expression": "nope"}]), binding())
        assert "undeclared" in found

    def test_of_a_policy_whose_file_cannot_be_read_are_not_to_blame(self, tmp_path: Path) -> None:
        found = wrong(tmp_path, p_yaml=f"{POLICY}   x: [\n", binding_yaml=BINDING)
        assert [Path(problem.file).name for problem in found] == ["p.yaml"]

    def test_of_the_wrong_kind_say_so(self) -> None:
        found = problems(policy(), mutating_binding("p"))
        assert found == [
            "MutatingAdmissionPolicyBinding 'b': spec.policyName: 'p' is a ValidatingAdmissionPolicy, "
            "which a ValidatingAdmissionPolicyBinding binds"
        ]

    @pytest.mark.parametrize(
        "refused",
        [
            binding("gone", "Deny", "Warn"),
            binding("gone", validationActions=5),
            mutating_binding("gone", matchResources={"nope": 1}),
        ],
    )
    def test_to_no_policy_are_told_where_they_have_other_errors(self, refused: dict[str, Any]) -> None:
        found = problems(policy(), binding(name="good"), refused)
        assert len(found) == 2
        assert len([message for message in found if "spec.policyName: there is no " in message]) == 1

    def test_both_of_one_name_are_looked_at(self) -> None:
        found = problems(policy(), binding(), binding("gone"))
        assert [message.partition(": ")[2].partition(":")[0] for message in found] == [
            "metadata.name",
            "spec.policyName",
        ]

    def test_whose_policy_name_is_of_a_wrong_type_name_no_unknown_policy(self) -> None:
        found = problems(policy(), binding(policyName=5))
        assert [message.partition(": ")[2] for message in found] == [
            "spec.policyName: expected text, found the number 5; quote it"
        ]

    def test_whose_param_ref_is_of_a_wrong_type_lack_none(self, tmp_path: Path) -> None:
        code = """
            from pydantic import BaseModel
            from gatewright import validate

            class Bounds(BaseModel):
                max: int

            @validate(resources=["v1/pods"], param_kind="v1/ConfigMap")
            def p(request, params: Bounds): ...
            """
        [found] = wrong(tmp_path, p_py=code, binding_yaml=f"{dedent(BINDING)}  paramRef: limits\n")
        assert found.message.endswith("spec.paramRef: expected a mapping, found 'limits'")

    def test_of_a_policy_that_is_no_object_are_not_to_blame(self) -> None:
        labelled = policy()
        labelled["metadata"]["labels"] = {"tier": 1}
        [found] = problems(labelled, binding())
        assert "not a Kubernetes object" in found

    def test_without_any_policy(self) -> None:
        assert problems(binding()) == [
            "it has no policies",
            "ValidatingAdmissionPolicyBinding 'b': spec.policyName: there is no ValidatingAdmissionPolicy 'p'; "
            "expected one of: (none is defined)",
        ]


class TestFields:
    @pytest.mark.parametrize(
        ("spec", "expected"),
        [
            ({"failurepolicy": "Fail"}, "spec.failurepolicy: unknown field; did you mean failurePolicy?"),
            ({"x": 1}, "spec.x: unknown field; expected one of auditAnnotations, failurePolicy, matchConditions,"),
            ({"validations": {}}, "spec.validations: expected a list, found a mapping"),
            ({"validations": "true"}, "spec.validations: expected a list, found 'true'"),
            (
                {"validations": [{"expression": True}]},
                "spec.validations[0].expression: expected text, found true; quote it",
            ),
            (
                {"validations": [{"expression": 5}]},
                "spec.validations[0].expression: expected text, found the number 5; quote",
            ),
            ({"validations": ["true"]}, "spec.validations[0]: expected a mapping, found 'true'"),
            ({"validations": [None]}, "spec.validations[0]: expected a mapping, found null"),
            (
                {"validations": [{"expression": "true"}, {"expression": "true", "mesage": "x"}]},
                "spec.validations[1].mesage: unknown field; did you mean message?",
            ),
            ({"matchConstraints": []}, "spec.matchConstraints: expected a mapping, found a list"),
            (
                {"matchConstraints": {"resourceRules": [{**ALL, "operations": [5]}]}},
                "spec.matchConstraints.resourceRules[0].operations[0]: expected 'CREATE', 'UPDATE', 'DELETE', 'CONN",
            ),
            (
                {"matchConstraints": {"resourceRules": [ALL], "objectSelector": {"matchLabels": {"a": 1}}}},
                "spec.matchConstraints.objectSelector.matchLabels.a: expected text, found the number 1; quote it",
            ),
            (
                {"matchConstraints": {"resourceRules": [ALL], "objectSelector": {"matchLabel": {"a": "b"}}}},
                "spec.matchConstraints.objectSelector.matchLabel: unknown field; did you mean matchLabels?",
            ),
        ],
    )
    def test_unknown_ones_and_wrong_types(self, spec: dict[str, Any], expected: str) -> None:
        [found] = problems(policy(**spec), binding())
        assert expected in found

    def test_of_the_object_itself(self) -> None:
        assert problems({**policy(), "sepc": {}}, binding()) == [
            "ValidatingAdmissionPolicy 'p': sepc: unknown field; did you mean spec?"
        ]

    def test_long_values_are_cut(self) -> None:
        [found] = problems(policy(failurePolicy="x" * 10_000), binding())
        assert len(found) < 200

    def test_several_errors_of_one_object_come_together(self) -> None:
        found = problems(policy(failurePolicy="x", validations=[{"expression": "nope", "reason": "y"}], z=1), binding())
        assert len(found) == 4

    def test_none_is_half_loaded(self) -> None:
        with pytest.raises(PolicyTreeError):
            loaded(policy("good"), binding("good"), policy("bad", failurePolicy="x"))


def test_what_is_no_object_is_an_error(tmp_path: Path) -> None:
    [found] = wrong(tmp_path, policy_yaml=POLICY, binding_yaml=BINDING, values_yaml="replicas: 3\n")
    assert "not a Kubernetes object" in found.message


def test_a_tree_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyTreeError, match="no such file or folder; expected a policy tree"):
        load(tmp_path / "nope")


def test_a_tree_without_a_policy_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyTreeError, match="it has no policies"):
        load(tmp_path)
    with pytest.raises(PolicyTreeError, match="it has no policies"):
        loaded_files(tmp_path, c_yaml="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")


class TestAResourceThatNobodyServes:
    @pytest.mark.parametrize(
        ("groups", "resource", "hint"),
        [
            ([""], "pod", "'pod' in v1; did you mean v1/pods?"),
            ([""], "Pod", "'Pod' in v1; did you mean v1/pods?"),
            ([""], "deployments", "'deployments' in v1; did you mean apps/v1/deployments?"),
            (["apps"], "deploy", "'deploy' in apps; did you mean apps/v1/deployments?"),
            (["core"], "pods/exec", "'pods' in core; did you mean v1/pods?"),
            ([""], "zebras", "'zebras' in v1"),
        ],
    )
    def test_is_warned_of_at_its_place(self, tmp_path: Path, groups: list[str], resource: str, hint: str) -> None:
        rules = [ALL, {"apiGroups": groups, "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}]
        (tmp_path / "p.json").write_text(json.dumps(policy(rules=rules)))
        [warning] = load(tmp_path).warnings
        at = "spec.matchConstraints.resourceRules[1].resources[0]"
        assert warning.message == f"ValidatingAdmissionPolicy 'p': {at}: there is no resource {hint}"
        assert warning.excerpt is not None
        assert warning.excerpt.text[(warning.column or 0) - 1 :].startswith(json.dumps(resource))

    @pytest.mark.parametrize(
        ("groups", "resource"),
        [(["", "apps"], "deployments"), (["example.com"], "thing"), (["*"], "pod"), ([""], "*"), ([""], "pods/exec")],
    )
    def test_is_not_what_some_cluster_may_serve(self, groups: list[str], resource: str) -> None:
        rule = {"apiGroups": groups, "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
        assert loaded(policy(rules=[rule])).warnings == ()

    def test_is_none_where_the_tree_defines_it(self) -> None:
        crd = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"kind": "Thing", "plural": "things"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object"}},
                    }
                ],
            },
        }
        rule = {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["thing"]}
        [warning] = loaded(policy(rules=[rule]), crd).warnings
        assert warning.message.endswith("'thing' in example.com; did you mean example.com/v1/things?")
        rule["resources"] = ["things"]
        assert loaded(policy(rules=[rule]), crd).warnings == ()

    def test_of_a_python_policy_is_warned_of_at_its_line(self, tmp_path: Path) -> None:
        (tmp_path / "p.py").write_text(
            "from gatewright import validate\n\n\n@validate(resources=['v1/pod'])\ndef no_pods(request):\n    pass\n"
        )
        [warning] = load(tmp_path).warnings
        assert (warning.line, warning.message) == (
            4,
            "ValidatingAdmissionPolicy 'no-pods': there is no resource 'pod' in v1; did you mean v1/pods?",
        )

    def test_in_no_form_of_a_resource_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "p.py").write_text(
            "from gatewright import validate\n\n\n@validate(resources=['v1/Pod'])\ndef no_pods(request):\n    pass\n"
        )
        with pytest.raises(PolicyTreeError) as caught:
            load(tmp_path)
        [problem] = caught.value.problems
        assert (problem.line, problem.message) == (4, "@validate: 'v1/Pod' names no resource; did you mean v1/pods?")


class TestAnotherEngine:
    @pytest.mark.parametrize(
        ("api_version", "kind", "engine"),
        [
            ("kyverno.io/v1", "ClusterPolicy", "Kyverno"),
            ("policies.kyverno.io/v1alpha1", "ValidatingPolicy", "Kyverno"),
            ("templates.gatekeeper.sh/v1", "ConstraintTemplate", "Gatekeeper"),
            ("constraints.gatekeeper.sh/v1beta1", "K8sRequiredLabels", "Gatekeeper"),
            ("policies.kubewarden.io/v1", "ClusterAdmissionPolicy", "Kubewarden"),
        ],
    )
    def test_s_policy_is_named(self, tmp_path: Path, api_version: str, kind: str, engine: str) -> None:
        (tmp_path / "p.yaml").write_text(dedent(POLICY))
        (tmp_path / "other.yaml").write_text(f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: other}}\n")
        [warning] = load(tmp_path).warnings
        assert str(warning) == (
            f"{tmp_path}/other.yaml:2:1: {kind} 'other' is a policy of {engine} ({api_version}), "
            "which Gatewright does not evaluate"
            + ("" if engine == "Kubewarden" else f"; `gatewright convert {tmp_path}/other.yaml --out DIR` converts it")
        )
        assert warning.excerpt is not None
        assert warning.excerpt.text == f"kind: {kind}"

    def test_s_policies_alone_are_no_policy_tree(self, tmp_path: Path) -> None:
        (tmp_path / "other.yaml").write_text("apiVersion: kyverno.io/v1\nkind: Policy\nmetadata: {name: other}\n")
        with pytest.raises(PolicyTreeError) as caught:
            load(tmp_path)
        found = [problem.message for problem in caught.value.problems]
        assert found == [
            "it has no policies",
            "Policy 'other' is a policy of Kyverno (kyverno.io/v1), which Gatewright does not evaluate"
            f"; `gatewright convert {tmp_path}/other.yaml --out DIR` converts it",
        ]

    @pytest.mark.parametrize("api_version", ["cilium.io/v2", "notkyverno.io/v1", "example.com/v1"])
    def test_is_not_whatever_has_a_group(self, api_version: str) -> None:
        thing = {"apiVersion": api_version, "kind": "Policy", "metadata": {"name": "x"}}
        assert loaded(policy(), thing).warnings == ()


class TestCode:
    def test_is_generated_when_it_is_first_needed(self) -> None:
        policies = loaded(
            policy("used", validations=[{"expression": "object.kind == 'Pod'", "messageExpression": "'no'"}]),
            binding("used"),
            policy("unbound"),
        )
        assert not any(program.is_prepared for _, _, program in policies.expressions())
        assert verdict(policies).allowed
        prepared = {(of.name, path[-1]): program.is_prepared for of, path, program in policies.expressions()}
        assert prepared == {
            ("used", "expression"): True,
            ("used", "messageExpression"): False,
            ("unbound", "expression"): False,
        }

    def test_of_bound_policies_can_be_generated_before(self) -> None:
        policies = loaded(
            policy("used", variables=[{"name": "v", "expression": "1"}]), binding("used"), policy("unbound")
        )
        policies.prepare()
        assert {of.name for of, _, program in policies.expressions() if program.is_prepared} == {"used"}
        assert all(program.is_prepared for of, _, program in policies.expressions() if of.name == "used")

    def test_of_conditions_of_bindings_too(self, tmp_path: Path) -> None:
        python = "from gatewright import validate\n\n@validate(resources=['v1/pods'])\ndef p(request):\n    return []\n"
        bound = dedent(BINDING).replace(
            "name: b",
            "name: b\n  annotations:\n    gatewright.dev/match-conditions: '[{name: c, expression: \"true\"}]'",
        )
        policies = loaded_files(tmp_path, policy_py=python, binding_yaml=bound)
        [found] = policies.bindings
        assert found.conditions is not None
        [condition] = found.conditions.conditions
        assert not condition.program.is_prepared
        policies.prepare()
        assert condition.program.is_prepared

    def test_of_many_brackets_waits_if_they_are_not_deep(self) -> None:
        wide = " && ".join(f"(object.metadata.name != '{number}')" for number in range(30))
        policies = loaded(policy(validations=[{"expression": wide}]), binding())
        assert not any(program.is_prepared for _, _, program in policies.expressions())

    def test_of_large_and_deep_expressions_is_generated_at_once(self) -> None:
        deep = "".join("[" * 30) + "1" + "".join("]" * 30)
        large = " && ".join(["object.metadata.name == 'web'"] * 300)
        policies = loaded(policy(validations=[{"expression": f"size({deep}) == 1"}, {"expression": large}]), binding())
        assert all(program.is_prepared for _, _, program in policies.expressions())


READING = "from gatewright import validate\n\n@validate(resources=['v1/pods'])\ndef {}(request):\n    return []\n"


class TestWhetherPythonOnlyReads:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
        """The files of which it is found out."""
        texts: list[bytes] = []

        def counted(text: bytes) -> frozenset[int]:
            texts.append(text)
            return found(text)

        found = onlyreads.only_reading
        monkeypatch.setattr(onlyreads, "only_reading", counted)
        return texts

    def test_is_found_when_it_is_first_needed(self, tmp_path: Path, asked: list[bytes]) -> None:
        policies = loaded_files(tmp_path, policy_py=READING.format("p"), binding_yaml=dedent(BINDING))
        assert asked == []
        assert [verdict(policies).allowed for _ in range(2)] == [True, True]
        assert asked == [READING.format("p").encode()]

    def test_is_found_before_of_bound_policies_alone(self, tmp_path: Path, asked: list[bytes]) -> None:
        policies = loaded_files(
            tmp_path, policy_py=READING.format("p"), other_py=READING.format("unbound"), binding_yaml=dedent(BINDING)
        )
        policies.prepare()
        assert asked == [READING.format("p").encode()]
