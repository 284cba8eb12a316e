"""Params of Python policies: as JSON, and as models of all three forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.policy.trees import binding, config_map, messages, mutating_binding, request, tree, verdict
from webhook.admission.decision import Decision
from webhook.admission.engine import decide
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.load.loading import PolicyTreeError

BY_NAME = {"name": "c", "parameterNotFoundAction": "Deny"}
MODEL = """
    from pydantic import BaseModel

    class Bounds(BaseModel):
        min: int = 1
        max: int
        kinds: list[str] = []

"""


def decided(root: Path, function: str, *cluster: dict[str, Any], kind: str = "v1/ConfigMap", **bound: Any) -> Decision:
    code = f"{MODEL}\n    @validate(resources=['*'], param_kind={kind!r})\n    {function}\n"
    return verdict(tree(root, code, binding("p", **({"paramRef": BY_NAME} | bound))), request(), *cluster)


SHOW = "def p(request, params: Bounds): return str(params)"


FORMS = {
    "pydantic": MODEL,
    "struct": """
    from msgspec import Struct

    class Bounds(Struct, frozen=True, kw_only=True):
        min: int = 1
        max: int
        kinds: list[str] = []

""",
    "dataclass": """
    from dataclasses import dataclass, field

    @dataclass(frozen=True, kw_only=True)
    class Bounds:
        min: int = 1
        max: int
        kinds: list[str] = field(default_factory=list)

""",
}


class TestJSON:
    def test_is_the_object_that_the_binding_names(self, tmp_path: Path) -> None:
        decision = decided(
            tmp_path, "def p(request, params): return params['data']['x']", config_map("c", {"x": "yes"})
        )
        assert messages(decision) == ["yes"]

    def test_is_none_without_a_param_ref(self, tmp_path: Path) -> None:
        decision = decided(tmp_path, "def p(request, params): return str(params)", paramRef=None)
        assert messages(decision) == ["None"]

    def test_is_none_for_a_policy_without_a_param_kind(self, tmp_path: Path) -> None:
        code = "@validate(resources=['*'])\ndef p(request, params): return str(params)\n"
        assert messages(verdict(tree(tmp_path, code))) == ["None"]

    def test_need_not_be_taken(self, tmp_path: Path) -> None:
        assert messages(decided(tmp_path, "def p(request): return 'no'", config_map("c"))) == ["no"]


class TestModel:
    def test_reads_each_value_of_a_config_map_as_yaml(self, tmp_path: Path) -> None:
        values = {"min": "2", "max": "10", "kinds": "- Deployment\n- StatefulSet\n"}
        assert messages(decided(tmp_path, SHOW, config_map("c", values))) == [
            "min=2 max=10 kinds=['Deployment', 'StatefulSet']"
        ]

    def test_reads_the_spec_of_anything_else(self, tmp_path: Path) -> None:
        rule = {
            "apiVersion": "rules.example.com/v1",
            "kind": "Rule",
            "metadata": {"name": "c", "namespace": "default"},
            "spec": {"max": 3},
        }
        decision = decided(tmp_path, SHOW, rule, kind="rules.example.com/v1/Rule")
        assert messages(decision) == ["min=1 max=3 kinds=[]"]

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({"max": "many"}, "data.max: Input should be a valid integer, unable to parse string as an integer"),
            ({}, "data.max: Field required"),
            ({"max": "1", "kinds": "[1]"}, "data.kinds.0: Input should be a valid string"),
            ({"max": "["}, "data.max:1:"),
            ({"max": "1\n---\n2\n"}, "data.max: expected one YAML document, found 2"),
        ],
    )
    def test_an_error_names_object_and_field(self, tmp_path: Path, values: dict[str, str], expected: str) -> None:
        decision = decided(tmp_path, SHOW, config_map("c", values))
        [message] = messages(decision)
        assert message.startswith("params ConfigMap default/c: ")
        assert expected in message
        assert decision.findings[0].error

    def test_an_error_follows_the_actions_and_the_failure_policy(self, tmp_path: Path) -> None:
        assert decided(tmp_path, SHOW, config_map("c"), validationActions=["Warn"]).allowed

    def test_is_read_once_an_object(self, tmp_path: Path) -> None:
        code = f"""{MODEL}
    READ = []

    class Counted(BaseModel):
        def model_post_init(self, context):
            READ.append(1)

    @validate(resources=['*'], param_kind='v1/ConfigMap')
    def p(request, params: Counted):
        return str(len(READ))
"""
        policies = tree(tmp_path, code, binding("p", paramRef=BY_NAME))
        view = ManifestsView([config_map("c")])
        assert [messages(decide(request(), policies, view)) for _ in range(3)] == [["1"]] * 3
        changed = ManifestsView([config_map("c", {"x": "1"})])
        assert messages(decide(request(), policies, changed)) == ["2"]

    def test_may_be_annotated_as_text(self, tmp_path: Path) -> None:
        decision = decided(tmp_path, SHOW.replace("Bounds", "'Bounds'"), config_map("c", {"max": "3"}))
        assert messages(decision) == ["min=1 max=3 kinds=[]"]

    def test_may_be_optional(self, tmp_path: Path) -> None:
        decision = decided(tmp_path, "def p(request, params: Bounds | None): return str(params)", paramRef=None)
        assert messages(decision) == ["None"]

    def test_is_needed_otherwise_and_a_binding_without_it_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(PolicyTreeError, match=r"spec\.paramRef: required: policy 'p' needs params"):
            decided(tmp_path, SHOW, paramRef=None)

    def test_without_a_param_kind_is_a_mistake(self, tmp_path: Path) -> None:
        code = f"{MODEL}\n    @validate(resources=['*'])\n    {SHOW}\n"
        with pytest.raises(PolicyTreeError, match="p takes a model as params; set param_kind"):
            tree(tmp_path, code)

    @pytest.mark.parametrize(
        ("spec", "expected"),
        [
            ({"max": "hunter2"}, "spec.max is of a wrong type or value"),
            ({"min": "hunter2"}, "spec.min is of a wrong type or value; spec.max is missing"),
        ],
    )
    def test_of_a_secret_shows_none_of_its_values(self, tmp_path: Path, spec: dict[str, str], expected: str) -> None:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "c", "namespace": "default"},
            "spec": spec,
        }
        decision = decided(tmp_path, SHOW, secret, kind="v1/Secret")
        assert messages(decision) == [f"params Secret default/c: {expected}"]

    @pytest.mark.parametrize("form", FORMS)
    def test_has_three_forms(self, tmp_path: Path, form: str) -> None:
        code = f"""{FORMS[form]}
    @validate(resources=['*'], param_kind='v1/ConfigMap')
    def p(request, params: Bounds | None):
        return f"{{params.min}} {{params.max}} {{params.kinds}}" if params else "none"
"""
        bound = tmp_path / "bound"
        bound.mkdir()
        policies = tree(bound, code, binding("p", paramRef=BY_NAME))
        values = {"min": "2", "max": "10", "kinds": "[Deployment]"}
        assert messages(verdict(policies, request(), config_map("c", values))) == ["2 10 ['Deployment']"]
        [message] = messages(verdict(policies, request(), config_map("c", {"min": "x", "kinds": "[1, {}]"})))
        wrong = message.removeprefix("params ConfigMap default/c: ").split("; data.")
        assert [each.removeprefix("data.").partition(":")[0] for each in wrong] == ["min", "max", "kinds.0", "kinds.1"]

    @pytest.mark.parametrize("form", ["struct", "dataclass"])
    def test_of_a_secret_in_other_forms(self, tmp_path: Path, form: str) -> None:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "c", "namespace": "default"}}
        code = f"{FORMS[form]}\n    @validate(resources=['*'], param_kind='v1/Secret')\n    {SHOW}\n"
        policies = tree(tmp_path, code, binding("p", paramRef=BY_NAME))
        decision = verdict(policies, request(), {**secret, "spec": {"min": "hunter2"}})
        expected = "spec.min is of a wrong type or value; spec.max is missing"
        assert messages(decision) == [f"params Secret default/c: {expected}"]

    def test_that_nothing_fits_is_a_mistake(self, tmp_path: Path) -> None:
        code = """
    from msgspec import Struct

    class A(Struct): x: int
    class B(Struct): y: int
    class Params(Struct): either: A | B

    @validate(resources=["*"], param_kind="v1/ConfigMap")
    def p(request, params: Params): return None
"""
        with pytest.raises(PolicyTreeError, match=r"p: Params cannot be the model of params: .*must be tagged"):
            tree(tmp_path, code)

    def test_of_a_mutation(self, tmp_path: Path) -> None:
        code = f"""{MODEL}
    @mutate(resources=['*'], param_kind='v1/ConfigMap')
    def p(request, params: Bounds):
        request.object["spec"]["max"] = params.max
"""
        policies = tree(tmp_path, code, mutating_binding("p", paramRef=BY_NAME))
        mutation = verdict(policies, request(), config_map("c", {"max": "5"})).mutation
        assert mutation is not None
        assert mutation.object is not None
        assert mutation.object["spec"]["max"] == 5
