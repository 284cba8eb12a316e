"""Rules that match nothing, and selectors without effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.policy.trees import binding, loaded, loaded_files, policy
from webhook.policy.load.loading import load

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["pods"]}
APPS = {**RULE, "apiGroups": ["apps"], "resources": ["deployments"]}
AT = "ValidatingAdmissionPolicy 'p': spec.matchConstraints."
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
        "scope": "Cluster",
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}
WIDGETS = {**RULE, "apiGroups": ["example.com"], "resources": ["widgets"]}


def said(*rules: dict[str, Any], **match: Any) -> list[str]:
    found = loaded(CRD, policy("p", rules=list(rules), match=match), binding("p")).warnings
    return [each.message.removeprefix(AT) for each in found]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"resources": ["pod"]}, "resources[0]: there is no resource 'pod' in v1; did you mean v1/pods?"),
        ({"resources": ["services", "Pod"]}, "resources[1]: there is no resource 'Pod' in v1; did you mean v1/pods?"),
        ({"apiGroups": ["core"]}, "resources[0]: there is no resource 'pods' in core; did you mean v1/pods?"),
        ({"apiGroups": ["apps"]}, "resources[0]: there is no resource 'pods' in apps; did you mean v1/pods?"),
        (
            {"apiGroups": [""], "resources": ["deployments"]},
            "no resource 'deployments' in v1; did you mean apps/v1",
        ),
        ({**APPS, "apiVersions": ["apps/v1"]}, "apiVersions: 'apps/v1' is no version; expected 'v1', and the group in"),
        ({**APPS, "apiVersions": ["v1beta9"]}, "'deployments' is served as apps/v1, and not in version v1beta9"),
        ({**WIDGETS, "apiVersions": ["v2"]}, "'widgets' is served as example.com/v1, and not in version v2"),
        ({"resources": ["pods/exce"]}, "resources[0]: 'pods' has no subresource 'exce'; did you mean exec?"),
        ({"resources": ["configmaps/scale"]}, "'configmaps' has no subresource 'scale'; there is status"),
        ({"resources": ["*/scael"]}, "no resource has a subresource 'scael'; did you mean scale?"),
        ({**WIDGETS, "resources": ["widgets/exec"]}, "'widgets' has no subresource 'exec'; there is scale, status"),
        ({"scope": "Cluster"}, "scope: nothing has the scope Cluster: pods is namespaced"),
        (
            {"resources": ["nodes", "persistentvolumes"], "scope": "Namespaced"},
            "scope: nothing has the scope Namespaced: nodes, persistentvolumes are cluster-scoped",
        ),
        ({**WIDGETS, "scope": "Namespaced"}, "scope: nothing has the scope Namespaced: widgets is cluster-scoped"),
    ],
)
def test_a_rule_that_matches_nothing_is_said(rule: dict[str, Any], message: str) -> None:
    (found,) = said({**RULE, **rule})
    assert found.startswith("resourceRules[0].") and message in found


@pytest.mark.parametrize(
    "rule",
    [
        RULE,
        APPS,
        WIDGETS,
        {**APPS, "apiVersions": ["v1beta1", "v1"]},  # for older clusters too
        {**APPS, "apiVersions": ["*"]},
        {**RULE, "apiGroups": ["", "apps"]},
        {**RULE, "resources": ["*"]},
        {**RULE, "resources": ["pods/*", "*/scale", "services/proxy", "configmaps/status"]},
        {**RULE, "apiGroups": ["unknown.example"], "resources": ["things/anything"], "apiVersions": ["v9"]},
        {**RULE, "apiGroups": ["unknown.example"], "resources": ["*/anything"]},
        {**RULE, "apiGroups": ["*"], "resources": ["anything"], "scope": "Cluster"},
        {**RULE, "resources": ["pods", "nodes"], "scope": "Cluster"},
        {**RULE, "resources": ["namespaces"], "scope": "Cluster"},
        {**WIDGETS, "resources": ["widgets/scale", "widgets/status"]},
    ],
)
def test_of_others_nothing_is_said(rule: dict[str, Any]) -> None:
    assert said(rule) == []


SELECTOR = {"namespaceSelector": {"matchLabels": {"env": "prod"}}}


def test_a_selector_without_effect_is_said() -> None:
    idle = (
        "namespaceSelector: has no effect on nodes, persistentvolumes: what is in no namespace matches whatever it says"
    )
    assert said({**RULE, "resources": ["persistentvolumes", "pods", "nodes"]}, **SELECTOR) == [idle]
    assert said({**WIDGETS}, **SELECTOR) == [idle.replace("nodes, persistentvolumes", "widgets")]
    for resources in (["pods"], ["namespaces"], ["*"], ["pods", "namespaces/status"]):
        assert said({**RULE, "resources": resources}, **SELECTOR) == []
    assert said({**RULE, "resources": ["nodes"]}) == []


def test_it_is_said_at_its_line(tmp_path: Path) -> None:
    text = """\
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicy
        metadata: {name: p}
        spec:
          matchConstraints:
            resourceRules:
            - apiGroups: [apps]
              apiVersions:
              - apps/v1
              operations: [CREATE]
              resources: [deployments]
          validations: [{expression: "true"}]
        """
    (found,) = (each for each in loaded_files(tmp_path, p_yaml=text).warnings)
    assert (Path(found.file).name, found.line) == ("p.yaml", 8)


def test_of_python_it_is_said_too(tmp_path: Path) -> None:
    code = """\
        from gatewright import validate

        @validate(resources=["v1/pods/foo"], operations=["CREATE"])
        def p(request):
            pass
        """
    (found,) = (each for each in loaded_files(tmp_path, p_py=code).warnings)
    assert "'pods' has no subresource 'foo'" in found.message and found.line


def test_the_shipped_policies_have_none() -> None:
    assert load(Path(__file__).parents[2] / "policies").warnings == ()
