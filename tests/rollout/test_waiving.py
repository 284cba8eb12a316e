"""The exceptions that a step would need: as many as `exceptions baseline` writes for the same findings, and with these
in the tree the step is ready."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.rollouts import (
    BINDINGS,
    EVIDENCE,
    POLICY,
    audited,
    commit,
    config,
    logged,
    namespace,
    now,
    repository,
    rollout,
)
from tests.cli.running import gatewright

NONE = {"exceptions": 0, "for": [], "impossible": [], "ofRequests": 0}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return repository(tmp_path)


def baseline(folder: Path, *options: str) -> list[dict[str, Any]]:
    given = ("--approved-by", "platform", "--expires", "30d", "--write", "policies/baseline.yaml")
    done = gatewright("exceptions", "baseline", "audit.json", *given, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all((folder / "policies" / "baseline.yaml").read_text()))


def test_as_many_are_needed_as_a_baseline_has_and_with_them_the_step_is_ready(here: Path) -> None:
    objects = (config("named", team="cart"), config("other-name", "bank"), config("other-two", "bank"))
    audited(here, *objects)
    found = rollout(here)
    of_audited = found["audited"]["exceptionsNeeded"]
    assert of_audited == {
        **NONE,
        "exceptions": 2,
        "for": [
            {"owner": "bank", "namespace": "bank", "exceptions": 1},
            {"owner": "cart", "namespace": "shop", "exceptions": 1},
        ],
    }
    assert (found["unheard"]["exceptionsNeeded"], found["enforced"]["exceptionsNeeded"]) == (None, None)
    text = gatewright("rollout", *EVIDENCE, cwd=here).stdout
    assert text.count("    exceptions needed: 2: 1 in bank of bank, 1 in shop of cart\n") == 2
    assert "no exception" not in text
    assert len(baseline(here)) == of_audited["exceptions"]
    commit(here, now() - timedelta(days=20))
    audited(here, *objects)
    again = rollout(here)["audited"]
    assert (again["state"], again["exceptionsNeeded"]) == ("ready", None)


def test_what_cannot_have_one_is_named_with_the_reason(here: Path) -> None:
    failing = POLICY.replace("object.metadata.name.size() < 4", "object.data.size() < 4")
    (here / "policies" / "policy.yaml").write_text(failing)
    commit(here, now() - timedelta(days=20))
    audited(here, config("web\u202e"), config("long-name", "bank"))
    needed = rollout(here)["audited"]["exceptionsNeeded"]
    why = "the policy could not be evaluated; correct it, or add what it lacks"
    assert needed == {
        **NONE,
        "impossible": [
            {"kind": "ConfigMap", "namespace": "bank", "name": "long-name", "why": why},
            {"kind": "ConfigMap", "namespace": "shop", "name": "web\u202e", "why": why},
        ],
    }
    text = gatewright("rollout", *EVIDENCE, cwd=here).stdout
    assert f"    no exception for ConfigMap bank/long-name: {why}\n" in text
    assert f"    no exception for ConfigMap shop/web\\u202e: {why}\n" in text
    assert "exceptions needed" not in text


def test_an_object_of_requests_has_one_only_if_the_audit_found_it(here: Path) -> None:
    logged(here, (1, "warned"))
    found = rollout(here)["warned"]
    assert (found["state"], found["exceptionsNeeded"]) == ("hit", {**NONE, "ofRequests": 1})
    text = gatewright("rollout", *EVIDENCE, cwd=here).stdout
    assert "    no exception from an audit for 1 object of requests: write one by hand" in text
    log = gzip.decompress((here / "audit.log.gz").read_bytes()).decode()
    log = log.replace('"apiGroup": "apps", ', "").replace('"deployments"', '"configmaps"').replace('"web"', '"named"')
    (here / "audit.log.gz").write_bytes(gzip.compress(log.encode()))
    audited(here, config("named"))
    found = rollout(here)["warned"]
    assert [each["requests"] for each in found["hits"]] == [0, 1]
    assert found["exceptionsNeeded"] == {
        **NONE,
        "exceptions": 1,
        "for": [{"owner": "shop", "namespace": "shop", "exceptions": 1}],
    }


def test_by_ring_they_are_those_of_the_ring(here: Path) -> None:
    (here / "policies" / "the bindings.yaml").write_text(BINDINGS.partition("\n---\n")[0] + "\n")
    commit(here, now() - timedelta(days=20))
    audited(here, namespace("shop", env="dev"), namespace("bank"), config("named"), config("other-name", "bank"))
    done = gatewright("rollout", *EVIDENCE, "-o", "json", "--ring", "env=dev", cwd=here)
    needed = {each["ring"]: each["exceptionsNeeded"]["for"] for each in json.loads(done.stdout)["bindings"]}
    assert needed == {
        "env=dev": [{"owner": "shop", "namespace": "shop", "exceptions": 1}],
        "the rest": [{"owner": "bank", "namespace": "bank", "exceptions": 1}],
    }


def test_a_long_list_is_cut_and_counted(here: Path) -> None:
    spaces = [f"team-{number:02}" for number in range(12)]
    audited(here, *(config("long-name", each) for each in spaces))
    text = gatewright("rollout", *EVIDENCE, cwd=here).stdout
    assert "    exceptions needed: 12: 1 in team-00 of team-00, " in text
    assert "1 in team-09 of team-09 and 2 more\n" in text
    assert "team-11" not in text.partition("exceptions needed")[2].partition("\n")[0]
    failing = POLICY.replace("object.metadata.name.size() < 4", "object.data.size() < 4")
    (here / "policies" / "policy.yaml").write_text(failing)
    commit(here, now() - timedelta(days=20))
    audited(here, *(config("long-name", each) for each in spaces))
    text = gatewright("rollout", *EVIDENCE, cwd=here).stdout
    assert text.count("no exception for ConfigMap ") == 2 * 10
    assert text.count("    no exception for 2 more\n") == 2
