"""validate.podSecurity gives the verdicts of the library's policies, and exceptions leave out controls of it.

What `exclude` does is in documented/podsecurity.yaml.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.amounts import amount
from tests.convert.converted import only, outcomes
from tests.convert.kyverno.given import expected
from tests.policies.conftest import LIBRARY
from tests.policies.generated_pods import PREFIX, Pods
from tests.policy.trees import request
from webhook.admission import engine
from webhook.cluster.manifestsview import ManifestsView
from webhook.convert import writing
from webhook.convert.foreigntests import running
from webhook.convert.kyverno import podsecurity
from webhook.convert.kyverno.podcontrols import ALLOWED, ALWAYS, CONTROLS, LISTS
from webhook.convert.kyverno.podviews import READS
from webhook.convert.model import Outcome
from webhook.documents.yamlwriting import dumped
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet
from webhook.policy.request import Request
from webhook.versions import NEWEST

SEED, COUNT = 20261130, amount(2000, 100)
VERSIONS = ("latest", "v1.25", "v1.28", "v1.31", "v1.35")


def rule(level: str, version: str, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": "psa"},
        "spec": {
            "validationFailureAction": "Enforce",
            "rules": [
                {
                    "name": "r",
                    "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                    "validate": {"podSecurity": {"level": level, "version": version, **more}},
                }
            ],
        },
    }


KYVERNOS = {"latest": "v1.34"}


def _versionless(message: str) -> str:
    return re.sub(r"(baseline|restricted):(latest|v1\.\d+)", r"\1", message)


def _by_library(asked: Request, ours: PolicySet, level: str, version: str) -> set[str]:
    """What the library's policies say in a Namespace with the labels of a level and version."""
    labels = {PREFIX + "enforce": level, PREFIX + "enforce-version": version}
    labels |= {PREFIX + "audit": level, PREFIX + "audit-version": version}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}
    return {
        _versionless(each.message)
        for each in engine.validate(asked, ours, ManifestsView([*ours.objects, namespace])).findings
        if each.policy in ("pod-security-baseline", "pod-security-restricted") and each.action == "Audit"
    }


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_the_verdicts_are_those_of_the_library(level: str, tmp_path: Path) -> None:
    """Messages too: what is said is the control and what violates it."""
    pods, random = Pods(SEED), Random(SEED)
    ours = load(LIBRARY)
    theirs = {}
    for version in VERSIONS:
        outcome = only(tmp_path, dumped(rule(level, version)))
        assert outcome.status == "whole"
        (tmp_path / version).mkdir()
        writing.stage([outcome], tmp_path / version)
        theirs[version] = load(str(tmp_path / version))
    seen = set()
    for version in itertools.islice(itertools.cycle(VERSIONS), COUNT):
        made, resource = (pods.pod(), "v1/pods") if random.random() < 0.7 else pods.workload()
        if made["kind"] == "PodTemplate" or not (made["kind"] == "Pod" or "template" in str(made["spec"])):
            continue  # Kyverno derives no rule for the one, and Kubernetes refuses the other
        asked = request(made, "CREATE", resource=resource, kind=made["kind"], namespace="shop")
        expected = _by_library(asked, ours, level, KYVERNOS.get(version, version))
        # Kyverno asks every version for what the standard asks since v1.34.
        expected |= {each for each in _by_library(asked, ours, level, "v1.34") if "probes and lifecycle" in each}
        decision = engine.validate(asked, theirs[version], ManifestsView([]))
        assert not any(each.error for each in decision.findings), decision.findings
        found = {_versionless(each.message) for each in decision.findings}
        assert found == expected, (version, made)
        seen.add(bool(found))
    assert seen == {True, False}


def test_restricted_contains_baseline(tmp_path: Path) -> None:
    """Also controls that restricted has of its own."""
    outcome = only(tmp_path, dumped(rule("restricted", "latest")))
    (policy,) = outcome.policies
    said = [each["messageExpression"] for each in policy["spec"]["validations"]]
    counts = {each: sum(f"'Pod Security {each}:" in one for one in said) for each in ("baseline", "restricted")}
    assert counts == {
        "baseline": len(podsecurity.library("baseline").controls),
        "restricted": len(podsecurity.library("restricted").controls),
    }


def test_each_control_of_the_library_has_a_name() -> None:
    """One that had none could not be excluded. The tables name nothing that the library does not have."""
    levels = [podsecurity.library(level) for level in ("baseline", "restricted")]
    there = {variable for each in levels for variable in each.controls}
    assert there == set(podsecurity.CONTROL_OF)
    assert set(READS) | set(ALWAYS) | set(ALLOWED) <= there


def test_the_library_allows_the_capabilities_that_conversion_takes_for_allowed() -> None:
    for level, variable in (("baseline", "capabilities"), ("restricted", "added")):
        expression = podsecurity.library(level).variables[variable]
        assert set(re.findall(r"'([A-Z_]+)'", expression)) == set(ALLOWED[variable])


def test_the_library_says_of_its_variables_what_conversion_takes_them_for() -> None:
    """The head that is replaced, and what a Pod's spec is read by."""
    for level in ("baseline", "restricted"):
        variables = podsecurity.library(level).variables
        assert {"version", "template", "spec", "pod", "containers", "contexts"} <= variables.keys()
        assert all(f"variables.spec.?{name}" in variables["containers"] for name in LISTS)
        assert variables["pod"] == "variables.spec.?securityContext.orValue({})"
        asked = [name for name, each in variables.items() if "params" in each or "namespaceObject" in each]
        assert set(asked) == {"labels", "version", "denied"}


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_each_control_can_be_left_out_as_a_whole(level: str, tmp_path: Path) -> None:
    """Then everything is allowed that the generated Pods do."""
    own = {podsecurity.CONTROL_OF[variable] for each in podsecurity.LEVELS[level] for variable in
           podsecurity.library(each).controls}  # fmt: skip
    exclude: list[dict[str, Any]] = [{"controlName": name} for name in own if CONTROLS[name].for_pods]
    exclude += [{"controlName": name, "images": ["*"]} for name in own if CONTROLS[name].for_containers]
    outcome = only(tmp_path, dumped(rule(level, "latest", exclude=exclude)))
    assert outcome.status == "whole"
    writing.stage([outcome], tmp_path)
    policies = load(str(tmp_path / outcome.folder))
    pods = Pods(SEED)
    for _ in range(amount(300, 40)):
        decision = engine.validate(request(pods.pod(), namespace="shop"), policies, ManifestsView([]))
        assert decision.allowed, decision.message


HARDENED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
SECCOMP = {"seccompProfile": {"type": "RuntimeDefault"}}


def exception(controls: list[dict[str, Any]], resources: dict[str, Any], rules: tuple[str, ...] = ("r",)) -> Any:
    return {
        "apiVersion": "kyverno.io/v2",
        "kind": "PolicyException",
        "metadata": {"name": "e", "namespace": "exceptions"},
        "spec": {
            "exceptions": [{"policyName": "psa", "ruleNames": list(rules)}],
            "match": {"any": [{"resources": resources}]},
            "podSecurity": controls,
        },
    }


def container(image: str, *, name: str = "a", **context: Any) -> dict[str, Any]:
    return {"name": name, "image": image, "securityContext": {**HARDENED, **context}}


def pod(*containers: dict[str, Any], namespace: str = "delta", **spec: Any) -> dict[str, Any]:
    listed = list(containers) or [container("b")]
    made: dict[str, Any] = {"securityContext": SECCOMP, "containers": listed, **spec}
    return {"metadata": {"namespace": namespace}, "pod": made}


ROOT = container("b", runAsNonRoot=False)
ADDED: dict[str, Any] = {"allowPrivilegeEscalation": False, "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}
SYSCTLS = [{"name": "kernel.sem", "value": "1"}]
MIGHTY: dict[str, Any] = {"capabilities": {"add": ["SYS_ADMIN"], "drop": ["ALL"]}}
CASES: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "the Pod's field": (
        exception([{"controlName": "Host Namespaces"}], {"namespaces": ["delta"]}),
        [pod(hostPID=True)],
        [pod(hostPID=True, namespace="prod"), pod(container("b", privileged=True))],
    ),
    "containers of images": (
        exception([{"controlName": "Running as Non-root", "images": ["b"]}], {"namespaces": ["delta"]}),
        [pod(ROOT)],
        [pod({**ROOT, "image": "c"}), pod(ROOT, namespace="prod"), pod(ROOT, hostIPC=True)],
    ),
    "both, by kind and name": (
        exception(
            [{"controlName": "Seccomp"}, {"controlName": "Seccomp", "images": ["*"]}],
            {"kinds": ["Pod"], "names": ["x"]},
        ),
        [pod(securityContext={"seccompProfile": {"type": "Unconfined"}})],
        [
            {**pod(securityContext={}), "metadata": {"name": "other"}},
            {"kind": "Deployment", **pod(securityContext={})},
        ],
    ),
    "values of init containers": (
        exception(
            [
                {
                    "controlName": "Capabilities",
                    "images": ["*/istio/proxyv2*", "*/linkerd/proxy-init*"],
                    "restrictedField": "spec.initContainers[*].securityContext.capabilities.add",
                    "values": ["NET_ADMIN", "NET_RAW"],
                }
            ],
            {"kinds": ["Pod"]},
        ),
        [pod(initContainers=[container("docker.io/istio/proxyv2:1", name="i", **ADDED)])],
        [
            pod(initContainers=[container("docker.io/other", name="i", **ADDED)]),
            pod(container("docker.io/istio/proxyv2:1", **ADDED)),
            pod(initContainers=[container("docker.io/istio/proxyv2:1", name="i", **MIGHTY)]),
        ],
    ),
    "values of the Pod": (
        exception(
            [
                {
                    "controlName": "SELinux",
                    "restrictedField": "spec.securityContext.seLinuxOptions.type",
                    "values": ["spc_t"],
                },
                {"controlName": "Host Namespaces", "restrictedField": "spec.hostIPC", "values": ["true"]},
                {
                    "controlName": "Sysctls",
                    "restrictedField": "spec.securityContext.sysctls[*].name",
                    "values": ["kernel.sem"],
                },
            ],
            {"namespaces": ["delta"]},
        ),
        [
            pod(securityContext={**SECCOMP, "seLinuxOptions": {"type": "spc_t"}}),
            pod(securityContext={**SECCOMP, "sysctls": SYSCTLS}),
            pod(hostIPC=True),
        ],
        [
            pod(securityContext={**SECCOMP, "seLinuxOptions": {"type": "spc_t"}}, namespace="prod"),
            pod(securityContext={**SECCOMP, "seLinuxOptions": {"type": "spc_t", "user": "u"}}),
            pod(securityContext={**SECCOMP, "sysctls": SYSCTLS}, namespace="prod"),
            pod(hostIPC=True, namespace="prod"),
            pod(hostPID=True),
        ],
    ),
}  # fmt: skip


def converted(tmp_path: Path, level: str, given: Any) -> tuple[Outcome, Outcome]:
    made = outcomes(tmp_path, f"{dumped(rule(level, 'latest'))}---\n{dumped(given)}")
    return next(each for each in made if each.kind == "ClusterPolicy"), next(
        each for each in made if each.kind == "PolicyException"
    )


@pytest.mark.parametrize("name", CASES)
def test_an_exception_leaves_out_controls_for_what_it_matches(name: str, tmp_path: Path) -> None:
    given, passing, failing = CASES[name]
    policy, exempting = converted(tmp_path, "restricted", given)
    assert (policy.status, exempting.status) == ("whole", "whole")
    cases = [expected(each, "pass", policy, "Pod") for each in passing]
    cases += [expected(each, "fail", policy, "Pod") for each in failing]
    running.run(cases, NEWEST)
    assert [f"{each.name}: {each.reason}" for each in policy.tests if not each.passed] == []
    assert len(policy.tests) == len(cases)


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ([{"controlName": "Capabilities"}], "the control Capabilities without images"),
        ([{"controlName": "Nothing"}], "the control 'Nothing'; expected one of HostProcess"),
        (
            [
                {
                    "controlName": "Volume Types",
                    "restrictedField": "spec.volumes[*]",
                    "values": ["a"],
                }
            ],
            "none of what podSecurity excludes is excluded here",
        ),
        ([{"controlName": "Sysctls"}] * 201, "more than 200 entries of exclude"),
    ],
)
def test_an_exception_that_excludes_nothing_is_not_converted(
    controls: list[dict[str, Any]], said: str, tmp_path: Path
) -> None:
    policy, exempting = converted(tmp_path, "restricted", exception(controls, {"namespaces": ["delta"]}))
    assert policy.status == "whole"
    assert exempting.status == "not"
    (note,) = exempting.refused
    assert said in note.message
    assert note.message.endswith("; the policy applies without the exception")


def test_an_exception_about_controls_does_not_take_out_other_rules(tmp_path: Path) -> None:
    other = rule("baseline", "latest")
    other["spec"]["rules"][0]["validate"] = {"pattern": {"spec": {"=(hostIPC)": False}}}
    given = exception([{"controlName": "Host Namespaces"}], {"namespaces": ["delta"]})
    made = outcomes(tmp_path, f"{dumped(other)}---\n{dumped(given)}")
    policy = next(each for each in made if each.kind == "ClusterPolicy")
    assert [each.message for each in policy.differences] == [
        "the exception e is about controls of podSecurity, and takes out none of the rule r"
    ]
    cases = [expected(pod(hostIPC=True), "fail", policy, "Pod"), expected(pod(), "pass", policy, "Pod")]
    running.run(cases, NEWEST)
    assert [f"{each.name}: {each.reason}" for each in policy.tests if not each.passed] == []
