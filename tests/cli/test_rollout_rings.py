"""`gatewright rollout --ring`: a step is taken in one ring first, as a binding that any API server takes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.audit.clusters import policy
from tests.cli.rollouts import DAYS, EVIDENCE, audited, commit, config, logged, namespace, now
from tests.cli.running import gatewright
from tests.project import scratch
from tests.recordings import making

RINGS = ("--ring", "env=dev", "--ring", "env=staging", "--ring", "env=prod")
BINDING = """\
# Who decides on it: the platform team.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: tiny, labels: {team: platform}}
spec:
  policyName: tiny
  validationActions: [Audit]
"""
OF_DEV = """\
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: tiny-dev
  labels:
    team: platform
  annotations:
    gatewright.dev/needs-cluster: 'true'
spec:
  policyName: tiny
  validationActions: [Warn, Audit]
  matchResources:
    namespaceSelector:
      matchLabels:
        env: dev
    excludeResourceRules:
    - apiGroups: ['*']
      apiVersions: ['*']
      operations: ['*']
      resources: ['*/*']
      scope: Cluster
"""


NAMESPACES = (
    *(namespace("d1", env="dev"), namespace("d2", env="dev"), namespace("s1", env="staging")),
    *(namespace("p1", env="prod"), namespace("x1")),
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A repository with one binding of a policy on ConfigMaps and Namespaces, a month old, that nobody breaks."""
    folder = tmp_path / "repository"
    (folder / "policies").mkdir(parents=True)
    text = policy("tiny", "object.metadata.name.size() < 4", on="configmaps,namespaces").partition("\n---\n")[0]
    (folder / "policies" / "policy.yaml").write_text(text + "\n")
    (folder / "policies" / "binding.yaml").write_text(BINDING)
    scratch.git(folder, "init", "--quiet")
    commit(folder, now() - timedelta(days=30))
    audited(folder, *NAMESPACES, config("web", "d1"))
    logged(folder)
    return folder


def rollout(folder: Path, *options: str, rings: tuple[str, ...] = RINGS) -> dict[str, dict[str, Any]]:
    """What is said by ring, of a tree that has no ring twice; a binding that has none stands for itself."""
    done = gatewright("rollout", *EVIDENCE, *rings, "-o", "json", *options, cwd=folder)
    assert (done.returncode, [line for line in done.stderr.splitlines() if line.startswith("error")]) == (0, [])
    found = json.loads(done.stdout)["bindings"]
    made = {each["ring"] or each["binding"]: each for each in found}
    assert len(made) == len(found)
    return made


def states(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {ring: each["state"] for ring, each in found.items()}


def test_the_first_ring_gets_a_binding_of_its_own(here: Path) -> None:
    found = rollout(here, "--patch", "steps.patch")
    assert {ring: (each["state"], each["why"]) for ring, each in found.items()} == {
        "env=dev": ("ready", "nobody was hit in 3 days in 2 namespaces"),
        "env=staging": ("later", "env=dev comes first"),
        "env=prod": ("later", "env=dev comes first"),
        "the rest": ("later", "env=dev comes first"),
    }
    assert (found["env=dev"]["binding"], found["env=dev"]["adds"]) == ("tiny", "tiny-dev")
    assert (found["env=dev"]["actions"], found["env=dev"]["proposed"]) == (["Audit"], ["Warn", "Audit"])
    scratch.git(here, "apply", "steps.patch")
    assert (here / "policies" / "binding.yaml").read_text() == BINDING + OF_DEV


def test_the_binding_of_a_ring_decides_there_and_nowhere_else(here: Path) -> None:
    (here / "policies" / "binding.yaml").write_text(BINDING + OF_DEV.replace("[Warn, Audit]", "[Deny]"))
    objects = [*NAMESPACES, *(config("too-long", of) for of in ("d1", "p1", "x1")), namespace("long-one", env="dev")]
    (here / "all.yaml").write_text(yaml.safe_dump_all(objects))
    done = gatewright("check", "all.yaml", "--policies", "policies", "-o", "json", cwd=here)
    found = {(each["object"]["namespace"] or each["object"]["name"], each["binding"], each["level"])
             for each in json.loads(done.stdout)["findings"]}  # fmt: skip
    assert found == {
        *(("d1", "tiny", "audit"), ("d1", "tiny-dev", "deny"), ("p1", "tiny", "audit"), ("x1", "tiny", "audit")),
        ("long-one", "tiny", "audit"),  # a Namespace is in no ring, whatever its labels are
    }


def test_ring_by_ring_to_deny(here: Path) -> None:
    """Each wave is committed, and is old enough when the next one is asked for."""
    waves = []
    for wave in range(6):
        found = rollout(here, "--patch", "steps.patch")
        waves.append({ring: each["proposed"][0] for ring, each in found.items() if each["state"] == "ready"})
        if waves[-1]:
            scratch.git(here, "apply", "steps.patch")
            (here / "steps.patch").unlink()
            commit(here, now() - timedelta(days=28 - 4 * wave))
            audited(here, *NAMESPACES, config("web", "d1"))
    assert waves == [
        {"env=dev": "Warn"},
        {"env=dev": "Deny", "env=staging": "Warn"},
        {"env=staging": "Deny", "env=prod": "Warn"},
        {"env=prod": "Deny", "the rest": "Warn"},
        {"the rest": "Deny"},
        {},
    ]
    assert {each["why"] for ring, each in found.items() if ring != "tiny"} == {
        "tiny denies there too: this binding may be removed"
    }
    assert found["tiny"]["why"] == "denies"


def test_rings_of_sets_of_labels(here: Path) -> None:
    """Where namespaces have no label for it, a ring names some of them, and the last one all the others."""
    first, second = "env in (dev,staging)", "kubernetes.io/metadata.name notin (x1),env!=dev"
    rings = ("--ring", first, "--ring", second)
    found = rollout(here, "--patch", "steps.patch", rings=rings)
    second = "env!=dev,kubernetes.io/metadata.name!=x1"
    assert {ring: (each["state"], each["why"]) for ring, each in found.items()} == {
        first: ("ready", "nobody was hit in 3 days in 3 namespaces"),
        second: ("later", f"{first} comes first"),
        "the rest": ("later", f"{first} comes first"),
    }
    scratch.git(here, "apply", "steps.patch")
    _, binding = yaml.safe_load_all((here / "policies" / "binding.yaml").read_text())
    assert binding["metadata"]["name"] == found[first]["adds"] == "tiny-dev-staging"
    wanted = [{"key": "env", "operator": "In", "values": ["dev", "staging"]}]
    assert binding["spec"]["matchResources"]["namespaceSelector"] == {"matchExpressions": wanted}
    (here / "all.yaml").write_text(
        yaml.safe_dump_all([*NAMESPACES, *(config("too-long", of) for of in ("d1", "s1", "p1", "x1"))])
    )
    done = gatewright("check", "all.yaml", "--policies", "policies", "-o", "json", cwd=here)
    assert {each["object"]["namespace"] for each in json.loads(done.stdout)["findings"] if each["level"] == "warn"} == {
        *("d1", "s1")
    }
    commit(here, now() - timedelta(days=20))
    audited(here, *NAMESPACES, config("web", "d1"))
    found = rollout(here, "--patch", "next.patch", rings=rings)
    assert states(found) == {first: "ready", second: "ready", "the rest": "later"}
    assert found[second]["adds"] == "tiny-not-dev-not-x1"


def test_a_ring_that_took_the_step_of_late_holds_the_next_one_up(here: Path) -> None:
    (here / "policies" / "dev.yaml").write_text(OF_DEV.removeprefix("---\n"))
    commit(here, now() - timedelta(days=1, hours=1))
    found = rollout(here)
    file = "policies/dev.yaml"
    assert states(found) == {"env=dev": "unknown", "env=staging": "later", "env=prod": "later", "the rest": "later"}
    assert found["env=dev"]["why"] == f"{file} was changed 1 day ago"
    assert found["env=staging"]["why"] == (
        f"env=dev comes first, and has not had this step for long: {file} was changed 1 day ago"
    )
    assert found["env=prod"]["why"] == found["env=staging"]["why"]  # of all before it


def test_whom_it_hits_is_said_by_ring(here: Path) -> None:
    audited(here, *NAMESPACES, config("named", "p1", team="cart"), config("other", "x1"), namespace("of-nobody"))
    logged(here, (1, "tiny", "s1"), (DAYS + 1, "tiny", "d1"))
    found = rollout(here)
    assert {ring: (each["state"], each["why"]) for ring, each in found.items()} == {
        "env=dev": ("ready", "nobody was hit in 3 days in 2 namespaces"),
        "env=staging": ("hit", "1 object of s1 (1)"),
        "env=prod": ("hit", "1 object of cart (1)"),
        "the rest": ("hit", "2 objects of nobody known (1), x1 (1); 1 of them cluster-scoped"),
    }
    assert [each["name"] for each in found["env=staging"]["hits"]] == ["web"]
    text = gatewright("rollout", *EVIDENCE, *RINGS, cwd=here).stdout
    assert text.splitlines()[:2] == [
        "STATE  NOW    NEXT         RING         BINDING          POLICY  WHY",
        "ready  Audit  Warn, Audit  env=dev      tiny + tiny-dev  tiny    nobody was hit in 3 days in 2 namespaces",
    ]
    assert text.endswith("1 binding, 4 steps: 1 ready, 3 hit\n")


def test_where_the_labels_are_not_known_nothing_is_guessed(here: Path) -> None:
    logged(here, (1, "tiny", "gone"))
    found = rollout(here)
    said = "1 object in namespaces whose labels are not known: gone"
    assert (found["env=dev"]["state"], found["env=dev"]["why"]) == ("unknown", said)
    assert [each["namespace"] for each in found["env=dev"]["hits"]] == ["gone"]
    (here / "policies" / "namespaces.yaml").write_text(json.dumps(namespace("gone", env="prod")))
    assert states(rollout(here)) == {
        "env=dev": "ready", "env=staging": "later", "env=prod": "hit", "the rest": "later"
    }  # fmt: skip


def recorded(folder: Path, *redact: str) -> None:
    """Reviews of today, of a Namespace `fresh`, and of one that looked up the Namespace `gone`."""
    selecting = (
        BINDING.rstrip() + "\n  matchResources: {namespaceSelector: {matchExpressions: [{key: a, operator: Exists}]}}"
    )
    earlier = making.tree(
        folder / "earlier",
        policy=(folder / "policies" / "policy.yaml").read_text().replace("< 4", "< 400"),
        binding=selecting,
        namespace=json.dumps(namespace("gone", env="staging")),
    )
    fresh = making.review(namespace("fresh", env="prod"), "namespaces", "Namespace", namespace="fresh")
    looking = making.review(config("web", "gone"), namespace="gone")
    making.record(folder / "recordings", earlier, [("/validate", fresh), ("/validate", looking)], redact)


def test_a_recorded_review_knows_the_labels_of_its_namespace(here: Path) -> None:
    logged(here, (1, "tiny", "gone"), (1, "tiny", "fresh"))
    assert rollout(here)["env=dev"]["why"].endswith("labels are not known: fresh, gone")
    recorded(here)
    found = rollout(here, "--recording", "recordings")
    hits = {ring: [hit["namespace"] for hit in each["hits"]] for ring, each in found.items()}
    assert hits == {"env=dev": [], "env=staging": ["gone"], "env=prod": ["fresh"], "the rest": ["fresh"]}
    assert found["the rest"]["why"].endswith("; 1 of them cluster-scoped")  # the Namespace itself
    assert found["env=dev"]["state"] == "ready"


def test_redacted_labels_say_nothing(here: Path) -> None:
    logged(here, (1, "tiny", "gone"))
    recorded(here, "metadata.labels")
    found = rollout(here, "--recording", "recordings")
    assert found["env=dev"]["why"].endswith("labels are not known: gone")


def test_a_ring_without_a_namespace_is_no_evidence(here: Path) -> None:
    found = rollout(here, rings=("--ring", "env=devel", "--ring", "env=prod"))
    assert found["env=devel"]["why"] == "no namespace that is known has env=devel"
    assert states(found) == {"env=devel": "unknown", "env=prod": "later", "the rest": "later"}


def test_the_settings_of_the_repository_name_the_rings(here: Path) -> None:
    (here / ".gatewright.toml").write_text('rings = ["env=dev", "env=prod"]\n')
    assert list(rollout(here, rings=())) == ["env=dev", "env=prod", "the rest"]
    assert list(rollout(here)) == ["env=dev", "env=staging", "env=prod", "the rest"]
    (here / ".gatewright.toml").write_text('rings = ["env dev"]\n')
    done = gatewright("rollout", *EVIDENCE, cwd=here)
    assert done.returncode == 2
    assert ".gatewright.toml:1: rings: expected labels of namespaces, such as env=prod" in done.stderr


@pytest.mark.parametrize(
    ("rings", "said"),
    [
        (["env in dev"], "such as env=prod, env=prod,tier=canary or env in (dev,test), got 'env in dev'"),
        (["env=a b"], "got 'env=a b'"),
        (["env=dev,env=prod"], "'env=dev,env=prod' names env twice"),
        (["env=dev", "env=dev"], "'env=dev' is given twice"),
    ],
)
def test_what_is_no_ring_is_refused(rings: list[str], said: str, here: Path) -> None:
    done = gatewright("rollout", *EVIDENCE, *(word for ring in rings for word in ("--ring", ring)), cwd=here)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--ring: {said}" in done.stderr or said in done.stderr


def test_a_binding_that_cannot_be_added_is_said(here: Path) -> None:
    file = here / "policies" / "binding.yaml"
    file.rename(here / "policies" / "binding.json")
    (here / "policies" / "binding.json").write_text(json.dumps(yaml.safe_load(BINDING)))
    commit(here, now() - timedelta(days=20))
    done = gatewright("rollout", *EVIDENCE, *RINGS, "--patch", "steps.patch", cwd=here)
    assert done.returncode == 2
    assert "binding.json:1: a file of JSON has one document; move the binding to a file of YAML" in done.stderr
    assert not (here / "steps.patch").exists()
