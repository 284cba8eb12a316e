"""What the API server refuses of built-in kinds: `check`, `explain` and `test` say the same of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.definitions import definition
from webhook.cli.commands import app

POLICY = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: pinned}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"]}
  validations:
  - {expression: "false", message: never}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: pinned}
spec: {policyName: pinned, validationActions: [Deny]}
"""
MUTATION = """\
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: unnamed}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  mutations:
  - patchType: JSONPatch
    jsonPatch: {expression: "[JSONPatch{op: 'remove', path: '/spec/template/spec/containers/0/image'}]"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: unnamed}
spec: {policyName: unnamed}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
"""
STATEFUL_SET = DEPLOYMENT.replace("kind: Deployment", "kind: StatefulSet")
UNSELECTED = DEPLOYMENT.replace("  selector: {matchLabels: {app: web}}\n", "  selector: {matchLabels: {app: wbe}}\n")
MISMATCH = 'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`'


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(POLICY)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output


def findings(tree: Path, manifest: str, *options: str) -> list[tuple[str, int, str]]:
    """The kind, line and message of what check finds, which is refused with exit code 1."""
    (tree / "in.yaml").write_text(manifest)
    code, output = run("check", "in.yaml", "-o", "json", *options)
    report = json.loads(output)
    assert (report["errors"], code) == ([], 1)
    found: list[dict[str, Any]] = report["findings"]
    return [(each["kind"], each["line"], each["message"]) for each in found]


REFUSED = [("schema", 7, MISMATCH)]


def test_of_a_workload_that_is_refused_nothing_else_is_said_and_it_has_no_pod(tree: Path) -> None:
    assert findings(tree, UNSELECTED) == REFUSED
    judged = findings(tree, UNSELECTED, "--as-written")
    assert judged
    assert {kind for kind, _, _ in judged} == {"ValidatingAdmissionPolicy"}


def test_an_object_that_is_there_as_it_is_was_created_once(tree: Path) -> None:
    assert findings(tree, UNSELECTED, "--operation", "update") == REFUSED
    assert findings(tree, DEPLOYMENT, "--operation", "update")[0][0] == "ValidatingAdmissionPolicy"


def test_an_update_must_not_change_some_fields_and_some_of_what_was_wrong_before_is_tolerated(tree: Path) -> None:
    (tree / "old.yaml").write_text(DEPLOYMENT)
    changed = DEPLOYMENT.replace("app: web", "app: other")
    (found,) = findings(tree, changed, "--old", "old.yaml")
    assert found == ("schema", 5, 'spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable')
    (tree / "old.yaml").write_text(UNSELECTED)
    assert findings(tree, UNSELECTED, "--old", "old.yaml") == REFUSED
    unnamed = STATEFUL_SET.replace("image: web:1", "image: ''")
    (tree / "old.yaml").write_text(unnamed)
    assert findings(tree, unnamed, "--old", "old.yaml")[0][0] == "ValidatingAdmissionPolicy"


def test_what_is_sent_to_a_subresource_is_of_an_object_that_was_created(tree: Path) -> None:
    assert findings(tree, UNSELECTED, "--subresource", "scale") == REFUSED
    assert findings(tree, DEPLOYMENT, "--subresource", "scale")[0][0] == "ValidatingAdmissionPolicy"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web}]}\n"
    refused = [("schema", 4, "spec.containers[0].image: Required value")]
    assert findings(tree, pod, "--subresource", "eviction") == refused
    (tree / "old.yaml").write_text(pod)
    assert findings(tree, pod, "--subresource", "status", "--old", "old.yaml")[0][0] == "ValidatingAdmissionPolicy"


def test_what_a_mutation_makes_is_refused_too_whether_created_or_updated(tree: Path) -> None:
    (tree / "policies" / "m.yaml").write_text(MUTATION.removeprefix("---\n"))
    refused = [("schema", 11, "spec.template.spec.containers[0].image: Required value")]
    assert findings(tree, DEPLOYMENT) == refused
    assert findings(tree, DEPLOYMENT, "--operation", "update") == refused
    code, output = run("explain", "unnamed", "in.yaml")
    assert code == 1
    assert "is refused by the API server" in output
    assert "-        image: web:1" in output  # what the policy did


def test_explain_says_it_in_place_of_what_no_policy_is_asked(tree: Path) -> None:
    (tree / "in.yaml").write_text(UNSELECTED)
    code, output = run("explain", "pinned", "in.yaml")
    assert code == 1
    assert "✗ Deployment default/web is refused by the API server, whatever policies say  in.yaml:1" in output
    assert MISMATCH in " ".join(output.split())
    assert "in.yaml:7:16: spec.template.metadata.labels" in output
    assert "never" not in output
    code, output = run("explain", "pinned", "in.yaml", "-o", "json")
    (explained,) = json.loads(output)["policies"][0]["objects"]
    assert (code, explained["denied"], explained["matched"], explained["findings"]) == (1, True, False, [])
    assert [(each["line"], each["message"]) for each in explained["refused"]] == [(7, MISMATCH)]


def test_explain_tells_what_is_unknown_and_judges_the_rest(tree: Path) -> None:
    (tree / "in.yaml").write_text(DEPLOYMENT.replace("image: web:1", "image: web:1\n        imagePulPolicy: Always"))
    code, output = run("explain", "pinned", "in.yaml")
    assert code == 1
    assert 'unknown field "spec.template.spec.containers[0].imagePulPolicy"; did you mean' in " ".join(output.split())
    assert "Of the rest of the object: it is denied." in output
    assert "never" in output
    (tree / "in.yaml").write_text(DEPLOYMENT.replace("replicas", "x").replace("image: web:1", "image: 1"))
    code, output = run("explain", "pinned", "in.yaml")
    assert code == 1
    assert "text is expected, and this is a number: quote it" in " ".join(output.split())
    assert "Of the rest" not in output


def test_a_test_of_a_policy_says_it_beside_the_policys_verdict(tree: Path) -> None:
    old = yaml.safe_load(DEPLOYMENT.replace("name: web}", "name: torn}"))
    (tree / "policies" / "tests.yaml").write_text(
        "apiVersion: gatewright.dev/v1\nkind: PolicyTest\nmetadata: {name: pinned}\npolicy: pinned\ncases:\n"
        "- {name: whole, object: {file: whole.yaml}, expect: deny}\n"
        "- {name: torn, object: {file: torn.yaml}, expect: deny}\n"
        "- {name: namespace, object: {apiVersion: v1, kind: Namespace, metadata: {name: a}}, expect: deny}\n"
        f"- {{name: changed, object: {{file: torn.yaml}}, oldObject: {json.dumps(old)}, expect: deny}}\n"
    )
    (tree / "policies" / "whole.yaml").write_text(DEPLOYMENT)
    (tree / "policies" / "torn.yaml").write_text(UNSELECTED.replace("name: web}", "name: torn}"))
    code, output = run("test")
    assert code == 0, output
    note = "note: the API server refuses the objects of 2 cases before policies are asked: policies/tests.yaml:7: "
    assert f"  {note}{MISMATCH}; --verbose names all\n" in output
    code, output = run("test", "-o", "json")
    immutable = 'spec.selector: Invalid value: {"matchLabels":{"app":"wbe"}}: field is immutable'
    assert [each["refused"] for each in json.loads(output)["cases"]] == [[], [MISMATCH], [], [MISMATCH, immutable]]
    _, output = run("test", "-v")
    assert f"       the API server refuses the object, whatever policies say: {MISMATCH}\n" in output
    assert f"whatever policies say: {MISMATCH} (and 1 more)\n" in output


CRD = (
    definition(
        "Box",
        "boxes",
        """\
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, default: 3}
              lids: {type: array, items: {type: object, properties: {colour: {type: string}}}}
    """,
    )
    + "---\n"
)


def test_unknown_fields_of_custom_objects_have_the_nearest_name_too(tree: Path) -> None:
    box = (
        "apiVersion: example.com/v1\nkind: Box\nmetadata: {name: a, label: {}}\n"
        "spec:\n  sise: 1\n  lids:\n  - color: red\n"
    )
    (tree / "policies" / "crd.yaml").write_text(CRD)
    told = [(line, message) for kind, line, message in findings(tree, box) if kind == "schema"]
    assert told == [
        (3, 'unknown field "metadata.label"; did you mean labels?'),
        (5, 'unknown field "spec.sise"; did you mean size?'),
        (7, 'unknown field "spec.lids[0].color"; did you mean colour?'),
    ]


def test_a_mutated_custom_object_gets_its_defaults_again(tree: Path) -> None:
    (tree / "policies" / "p.yaml").write_text(POLICY.replace('"false"', '"object.spec.size == 3"'))
    (tree / "policies" / "m.yaml").write_text(
        MUTATION.removeprefix("---\n")
        .replace("apiGroups: [apps]", "apiGroups: [example.com]")
        .replace("resources: [deployments]", "resources: [boxes]")
        .replace("/spec/template/spec/containers/0/image", "/spec/size")
    )
    (tree / "in.yaml").write_text(CRD + "apiVersion: example.com/v1\nkind: Box\nmetadata: {name: a}\nspec: {}\n")
    code, output = run("check", "in.yaml", "-o", "json")
    assert ([each for each in json.loads(output)["findings"] if each["object"]["kind"] == "Box"], code) == ([], 1)


def test_labels_and_annotations_that_are_no_text_are_refused_in_the_servers_words(tree: Path) -> None:
    text = "text is expected, and this is a number: quote it"
    for field, manifest in (
        ("metadata.labels", DEPLOYMENT.replace("metadata: {name: web}", "metadata: {name: web, labels: {app: 1}}")),
        ("annotations", "apiVersion: example.com/v1\nkind: Ox\nmetadata: {name: web, annotations: {app: 1}}\n"),
    ):
        ((kind, line, message),) = findings(tree, manifest)
        assert (kind, line) == ("schema", 3)
        assert message.startswith(f"json: cannot unmarshal number into Go struct field ObjectMeta.{field} of type")
        assert message.endswith(text)
    (tree / "in.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: [app]}\n")
    code, output = run("check", "in.yaml")
    assert code == 1
    assert "a mapping is expected, and this is a list" in " ".join(output.split())
    assert run("check", "in.yaml", "--as-written")[0] == 2


def test_a_definition_among_the_policies_that_the_server_refuses_is_a_warning(tree: Path) -> None:
    (tree / "policies" / "crd.yaml").write_text(CRD.replace("{type: integer, default: 3}", "{default: 3}"))
    (tree / "in.yaml").write_text(DEPLOYMENT)
    _, output = run("check", "in.yaml", "-o", "json")
    (warning,) = json.loads(output)["warnings"]
    assert (warning["file"], warning["line"]) == ("policies/crd.yaml", 19)
    assert "the API server refuses it, so that objects of its kind are not checked against it: " in warning["message"]
    assert "properties[size].type: Required value" in warning["message"]


DEFINITION = definition("Ox", "oxen", "type: object\n") + "---\n"
GOOD = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: sound}\n"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name: 5", "number into Go struct field ObjectMeta.{}name of type string"),
        ("name: yes", "bool into Go struct field ObjectMeta.{}name of type string"),
        ("namespace: {}", "object into Go struct field ObjectMeta.{}namespace of type string"),
        ("uid: 5", "number into Go struct field ObjectMeta.{}uid of type types.UID"),
        ("generateName: [a]", "array into Go struct field ObjectMeta.{}generateName of type string"),
        ("labels: 5", "number into Go struct field ObjectMeta.{}labels of type map[string]string"),
        ("resourceVersion: 5", "number into Go struct field ObjectMeta.{}resourceVersion of type string"),
    ],
)
@pytest.mark.parametrize(
    ("kind", "above", "field_of"),
    [
        ("apiVersion: v1\nkind: ConfigMap", "", "metadata."),
        ("apiVersion: v1\nkind: Namespace", "", "metadata."),
        ("apiVersion: example.com/v1\nkind: Ox", "", ""),
        ("apiVersion: example.com/v1\nkind: Ox", DEFINITION, ""),
    ],
    ids=["built-in", "Namespace", "custom", "custom, defined"],
)
def test_metadata_that_cannot_be_decoded_is_a_refusal_and_the_rest_is_judged(
    tree: Path, kind: str, above: str, field_of: str, field: str, text: str
) -> None:
    found = findings(tree, f"{above}{kind}\nmetadata:\n  {field}\n{GOOD}")
    line = above.count("\n") + 4
    ((_, place, message),) = (each for each in found if each[0] == "schema")
    assert (place, message.partition(";")[0]) == (line, f"json: cannot unmarshal {text.format(field_of)}")
    assert ("ValidatingAdmissionPolicy", line + 3, "never") in found


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("v1\nkind: ConfigMap", "struct field ConfigMap.metadata of type v1.ObjectMeta"),
        ("example.com/v1\nkind: Ox", "value of type v1.ObjectMeta"),
    ],
)
def test_metadata_that_is_no_mapping_is_a_refusal(tree: Path, kind: str, text: str) -> None:
    found = findings(tree, f"apiVersion: {kind}\nmetadata: 5{GOOD}")
    assert found == [
        ("schema", 3, f"json: cannot unmarshal number into Go {text}; a mapping is expected, and this is a number"),
        ("ValidatingAdmissionPolicy", 5, "never"),
    ]


@pytest.mark.parametrize("metadata", ["5", "{name: 5}", "{name: {}, namespace: []}"])
def test_old_objects_whose_metadata_cannot_be_decoded_are_no_objects(tree: Path, metadata: str) -> None:
    sound = GOOD.removeprefix("\n---\n")
    (tree / "old.yaml").write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {metadata}\n---\n{sound}")
    assert findings(tree, sound, "--old", "old.yaml") == [("ValidatingAdmissionPolicy", 1, "never")]


def test_as_written_metadata_of_a_wrong_type_is_an_error(tree: Path) -> None:
    (tree / "in.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 5}\n")
    code, output = run("check", "in.yaml", "--as-written")
    assert code == 2
    assert "metadata.name must be text; quote it" in output
