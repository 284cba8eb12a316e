"""What is known of the fields that a policy selects: their siblings in the schema, and which are always there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.policy.trees import binding, policy
from webhook.mutants.fields import Fields
from webhook.policy.cel.validating import CELValidator
from webhook.policy.load.loading import load
from webhook.schema import Kinds, Schemas

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
DEPLOYMENTS = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
SCALES = {**DEPLOYMENTS, "resources": ["deployments", "deployments/scale"]}
TEMPLATES = {**PODS, "resources": ["podtemplates"]}
ANY = {**PODS, "resources": ["*"]}
EXEC = {**PODS, "resources": ["pods/exec"]}


def fields(tmp_path: Path, expression: str, *rules: dict[str, Any]) -> tuple[Fields, str]:
    written = policy("p", rules=list(rules))
    written["spec"]["validations"] = [{"expression": expression}]
    written["spec"]["paramKind"] = {"apiVersion": "v1", "kind": "ConfigMap"}
    (tmp_path / "p.yaml").write_text(yaml.safe_dump_all([written, binding("p", name="p")]))
    (loaded,) = load(tmp_path).policies
    assert isinstance(loaded.evaluator, CELValidator)
    return Fields(loaded, loaded.evaluator.variables, Kinds.builtin(), Schemas.builtin()), expression


PLACE = ("spec", "validations", 0, "expression")


@pytest.mark.parametrize(
    ("expression", "name", "sibling"),
    [
        ("object.spec.minReadySeconds > 1", "minReadySeconds", "progressDeadlineSeconds"),
        ("has(object.spec.paused)", "paused", None),
        ("object.?metadata.?name.orValue('') == 'a'", "name", "namespace"),
        ("object.spec.template.spec.containers.all(c, c.image == 'a')", "image", "imagePullPolicy"),
        ("object.spec.template.spec.containers.all(c, has(c.stdin))", "stdin", "stdinOnce"),
        ("int(params.data.min) < int(params.data.max)", "min", "max"),
        ("params.data.?only.orValue('') == ''", "only", None),
    ],
)
def test_siblings(tmp_path: Path, expression: str, name: str, sibling: str | None) -> None:
    known, source = fields(tmp_path, expression, DEPLOYMENTS)
    assert known.sibling(PLACE, source.index(f"{name}")) == sibling


@pytest.mark.parametrize(
    ("rules", "expression", "name", "always"),
    [
        ([DEPLOYMENTS], "has(object.spec.template)", "spec", True),
        ([DEPLOYMENTS], "object.?spec.?template.hasValue()", "spec", True),
        ([DEPLOYMENTS], "has(object.spec.replicas)", "replicas", False),
        ([DEPLOYMENTS, PODS], "has(object.spec)", "spec", True),
        ([SCALES], "has(object.spec)", "spec", True),
        ([DEPLOYMENTS, TEMPLATES], "object.?spec.hasValue()", "spec", False),
        ([ANY], "has(object.spec)", "spec", False),
        ([EXEC], "has(object.spec)", "spec", False),
        ([PODS], "object.spec.volumes.all(v, has(v.name))", "name", True),
        ([PODS], "object.spec.volumes.all(v, has(v.hostPath))", "hostPath", False),
        ([{**PODS, "apiGroups": ["example.com"]}], "has(object.spec)", "spec", False),
    ],
)
def test_what_is_always_there(
    tmp_path: Path, rules: list[dict[str, Any]], expression: str, name: str, always: bool
) -> None:
    known, source = fields(tmp_path, expression, *rules)
    assert known.always(PLACE, source.index(name)) is always
