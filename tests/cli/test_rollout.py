"""`gatewright rollout`: a step is proposed on evidence of the whole time, and on no other; git takes the patch."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.audit.clusters import Object
from tests.auditlog.logs import event
from tests.cli.rollouts import (
    BINDINGS,
    DAYS,
    EVIDENCE,
    POLICY,
    audited,
    commit,
    config,
    logged,
    now,
    received,
    repository,
    rollout,
    states,
)
from tests.cli.running import gatewright
from tests.project import scratch
from tests.recordings import making
from webhook.cli.options import FAILED
from webhook.cli.readoptions import NotGiven
from webhook.cli.rollout import inputs
from webhook.policy.load.loading import load
from webhook.policy.policyset import Binding
from webhook.rollout.evidence import Evidence, evidence
from webhook.rollout.patching import NotWritten, edited, patch
from webhook.rollout.steps import Edit, Step, judging, next_edit, steps


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return repository(tmp_path)


def test_a_step_is_ready_where_nobody_was_hit_and_git_takes_it(here: Path) -> None:
    found = rollout(here, "--patch", "steps.patch")
    assert {name: (each["state"], each["proposed"]) for name, each in found.items()} == {
        "audited": ("ready", ["Warn", "Audit"]),
        "warned": ("ready", ["Deny", "Audit"]),
        "unheard": ("ready", ["Warn", "Audit"]),
        "enforced": ("done", None),
    }
    assert found["warned"]["why"] == "nobody was hit in 3 days"
    scratch.git(here, "apply", "--check", "steps.patch")
    scratch.git(here, "apply", "steps.patch")
    changed = BINDINGS.replace("[Audit]", "[Warn, Audit]").replace('"Warn"', '"Deny"')
    assert (here / "policies" / "the bindings.yaml").read_text() == changed.replace(
        "    - Warn\n", "    - Warn\n    - Audit\n"
    )
    assert states(rollout(here))["audited"] == "unknown"  # it is another binding now, and not committed


def test_without_a_line_feed_at_the_end_and_with_those_of_windows(here: Path) -> None:
    file = here / "policies" / "the bindings.yaml"
    file.write_bytes(BINDINGS.replace("\n", "\r\n").rstrip().encode())
    commit(here, now() - timedelta(days=20))
    rollout(here, "--patch", "steps.patch")
    scratch.git(here, "apply", "steps.patch")
    changed = BINDINGS.replace("[Audit]", "[Warn, Audit]").replace('"Warn"', '"Deny"')
    changed = changed.replace("    - Warn\n", "    - Warn\n    - Audit\n")
    assert file.read_bytes() == changed.replace("\n", "\r\n").rstrip().encode()


def test_what_is_hit_stays_and_is_listed_with_its_owners(here: Path) -> None:
    audited(here, config("named", team="cart"), config("other-name", "bank"))
    last, *_ = logged(here, (1, "warned"), (2, "warned"), (DAYS + 1, "audited"))
    found = rollout(here)
    assert states(found) == {"audited": "hit", "warned": "hit", "unheard": "ready", "enforced": "done"}
    assert found["audited"]["why"] == "2 objects of bank (1), cart (1)"
    assert found["warned"]["why"] == "3 objects of bank (1), cart (1), shop (1)"
    (request,) = (each for each in found["warned"]["hits"] if each["requests"])
    assert request == {
        "kind": "deployments.apps", "namespace": "shop", "name": "web", "owner": "shop", "message": "too long",
        "requests": 2, "last": last,
    }  # fmt: skip
    text = gatewright("rollout", *EVIDENCE, cwd=here).stdout
    assert f"    shop: deployments.apps shop/web: 2 requests, the last at {last}: too long\n" in text
    assert "    cart: ConfigMap shop/named: is there: no\n" in text
    assert text.endswith("4 bindings: 1 ready, 2 hit, 1 done\n")


def test_nothing_of_a_log_reaches_the_terminal_as_it_is(here: Path) -> None:
    evil = "\x1b[2J\x9b2J\u202e"
    failure = json.dumps([{"policy": "tiny", "binding": "audited", "message": evil, "validationActions": ["Audit"]}])
    annotations = {"validation.policy.admission.k8s.io/validation_failure": failure}
    names = {"apiGroup": "", "resource": f"things{evil}", "namespace": f"shop{evil}", "name": f"web{evil}"}
    line = event(annotations, objectRef=names, requestReceivedTimestamp=received(1).replace("Z", f"{evil}Z"))
    content = gzip.decompress((here / "audit.log.gz").read_bytes()).decode()
    (here / "audit.log.gz").write_bytes(gzip.compress(f"{content}{json.dumps(line)}\n".encode()))
    done = gatewright("rollout", *EVIDENCE, cwd=here)
    shown = "\\x1b[2J\\x9b2J\\u202e"
    assert f"things{shown} shop{shown}/web{shown}: 1 request, the last at " in done.stdout
    assert f"{shown}Z: {shown}\n" in done.stdout
    assert not set(evil) & set(done.stdout + done.stderr) - set("[2J")


def test_what_a_baseline_covers_is_hit_all_the_same(here: Path) -> None:
    audited(here, config("named"), options=("--baseline", "known.json", "--write-baseline"))
    audited(here, config("named"), options=("--baseline", "known.json"))
    report = json.loads((here / "audit.json").read_text())
    assert report["findings"] == []
    assert {each["binding"] for each in report["known"]} >= {"audited", "warned", "unheard", "enforced"}
    assert states(rollout(here))["audited"] == "hit"


def test_an_audit_by_other_policies_says_nothing(here: Path) -> None:
    report = json.loads((here / "audit.json").read_text())
    report["rules"] = [each for each in report["rules"] if each["id"] != "tiny"]
    (here / "audit.json").write_text(json.dumps(report))
    assert rollout(here)["audited"]["why"] == "the audit did not judge by this policy"


def test_an_exception_covers_requests_in_the_log(here: Path) -> None:
    covered = [{"policy": "tiny", "binding": "audited", "message": "too long", "exception": "baseline"}]
    annotations = {"gatewright.dev/policy_exception": json.dumps(covered)}
    content = gzip.decompress((here / "audit.log.gz").read_bytes()).decode()
    line = json.dumps(event(annotations, requestReceivedTimestamp=received(1)))
    (here / "audit.log.gz").write_bytes(gzip.compress(f"{content}{line}\n".encode()))
    assert states(rollout(here))["audited"] == "ready"


def test_requests_that_passed_unjudged_are_said(here: Path) -> None:
    content = gzip.decompress((here / "audit.log.gz").read_bytes()).decode()
    annotations = {"failed-open.validating.webhook.admission.k8s.io/round_0_index_0": "it.gatewright.dev"}
    line = json.dumps(event(annotations, requestReceivedTimestamp=received(1)))
    (here / "audit.log.gz").write_bytes(gzip.compress(f"{content}{line}\n".encode()))
    said = "nobody was hit in 3 days; 1 request passed unjudged, as a webhook did not answer"
    assert rollout(here)["audited"]["why"] == said


RECORDED = (*EVIDENCE, "--recording", "recordings")


def recorded(folder: Path, *objects: Object, permissive: str = POLICY.replace("< 4", "< 400"), **more: Any) -> None:
    """Reviews of objects that a policy of earlier days let pass."""
    (folder.parent / "earlier").mkdir(exist_ok=True)
    binding = (folder / "policies" / "the bindings.yaml").read_text().replace("Deny", "Audit")
    policies = making.tree(folder.parent / "earlier", policy=permissive, binding=binding)
    calls = [("/validate", making.review(each, **more)) for each in objects]
    assert len(making.record(folder / "recordings", policies, calls)) == len(objects)


def test_recorded_reviews_say_whom_the_policies_of_today_would_have_hit(here: Path) -> None:
    recorded(here, config("long-name"), config("web"), config("long-name"))
    found = rollout(here, evidence=RECORDED)
    assert states(found) == {"audited": "hit", "warned": "hit", "unheard": "ready", "enforced": "done"}
    (hit,) = found["audited"]["hits"]
    assert (hit["kind"], hit["namespace"], hit["name"], hit["requests"]) == ("configmaps", "shop", "long-name", 2)
    assert hit["last"].startswith(f"{datetime.now(UTC):%Y-}")
    assert states(rollout(here))["audited"] == "ready"


def test_a_request_in_the_log_and_in_a_recording_is_one(here: Path) -> None:
    logged(here, (1, "audited"))
    log = gzip.decompress((here / "audit.log.gz").read_bytes()).decode()
    log = (
        log.replace('"apiGroup": "apps", ', "").replace('"deployments"', '"configmaps"').replace('"web"', '"long-name"')
    )
    (here / "audit.log.gz").write_bytes(gzip.compress(log.encode()))
    (hit,) = rollout(here)["audited"]["hits"]
    recorded(here, config("long-name"), config("another"))
    found = rollout(here, evidence=RECORDED)
    assert [each for each in found["audited"]["hits"] if each["name"] == "long-name"] == [hit]
    assert sorted(each["name"] for each in found["audited"]["hits"]) == ["another", "long-name"]
    assert sorted(each["name"] for each in found["warned"]["hits"]) == ["another", "long-name"]


def test_a_recording_that_is_not_whole_is_no_evidence(here: Path) -> None:
    recorded(here, config("web"))
    assert states(rollout(here, evidence=RECORDED))["audited"] == "ready"
    bindings = here / "policies" / "the bindings.yaml"
    selected = "spec:\n  policyName: tiny\n  matchResources: {namespaceSelector: {matchLabels: {env: prod}}}\n"
    bindings.write_text(bindings.read_text().replace("spec:\n  policyName: tiny\n", selected, 1))
    commit(here, now() - timedelta(days=30))
    why = rollout(here, evidence=RECORDED)["audited"]["why"]
    assert why.startswith("1 recorded review could not be decided: a policy looks up ")
    assert why.endswith(", which is not recorded")
    (file,) = (here / "recordings").iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    done = gatewright("rollout", *RECORDED, "-o", "json", cwd=here)
    assert str(file.name) in done.stderr
    assert "not all of the recordings could be read" in json.loads(done.stdout)["bindings"][0]["why"]


def test_hits_that_are_not_kept_count(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged(here, (1, "warned"), (1, "audited"))
    monkeypatch.setattr("webhook.rollout.evidence.MOST", 1)
    found = evidence([], [str(here / "audit.log.gz")], now() - timedelta(days=DAYS))
    assert (list(found.hits), list(found.beyond)) == ([("tiny", "warned")], [("tiny", "audited")])
    policies = load(here / "policies")
    made = {
        each.binding.name: each for each in steps(policies, judging(found, now(), DAYS, lambda file: 0.0, logs=True))
    }
    assert (made["audited"].state, made["audited"].edit) == ("hit", None)
    assert made["audited"].why == "requests of 1 other that are not kept"


def test_an_old_log_and_events_without_a_time_are_no_evidence(here: Path) -> None:
    content = gzip.decompress((here / "audit.log.gz").read_bytes()).decode()
    (here / "audit.log.gz").write_bytes(gzip.compress((content + json.dumps(event()) + "\n").encode()))
    assert rollout(here)["audited"]["state"] == "ready"
    timeless = json.dumps(event(requestReceivedTimestamp="yesterday")) + "\n"
    (here / "audit.log.gz").write_bytes(gzip.compress((content + timeless).encode()))
    assert rollout(here)["audited"]["why"] == "not all of the audit log could be read"
    found = Evidence(audited={"tiny"}, days={f"{(now() - timedelta(days=day)):%Y-%m-%d}" for day in range(1, DAYS + 1)})
    found.last = (now() - timedelta(hours=25)).strftime("%Y-%m-%dT%H:%M:%S.0Z")
    made = steps(load(here / "policies"), judging(found, now(), DAYS, lambda file: 0.0, logs=True))
    assert [each.state for each in made if "ends at" in each.why] == ["unknown", "unknown"]


def test_what_was_hit_before_the_time_is_over(here: Path) -> None:
    logged(here, (DAYS + 1, "audited"))
    assert states(rollout(here))["audited"] == "ready"


def test_no_step_without_evidence_of_the_whole_time(here: Path) -> None:
    only_audit, only_log = EVIDENCE[:2], EVIDENCE[2:]
    assert rollout(here, evidence=only_audit)["audited"]["why"] == "no audit log (--log)"
    assert rollout(here, evidence=only_log)["audited"]["why"] == "no report of an audit (--audit)"
    logged(here, left_out=(2,))
    found = rollout(here, "--patch", "steps.patch")
    day = (now() - timedelta(days=2, minutes=5)).date()
    assert found["audited"]["why"] == f"the audit log has nothing of {day}"
    assert states(found) == {"audited": "unknown", "warned": "unknown", "unheard": "ready", "enforced": "done"}
    assert found["unheard"]["proposed"] == ["Warn", "Audit"]  # so that there will be evidence
    assert "[Warn, Audit]" not in (here / "steps.patch").read_text()
    longer = rollout(here, evidence=(*EVIDENCE[:4], "--days", "10"))["audited"]["why"]
    assert "more of the last 10 days" in longer


def test_evidence_is_about_the_policy_as_it_is(here: Path) -> None:
    (here / "policies" / "policy.yaml").write_text(POLICY.replace("< 4", "< 3"))
    assert rollout(here)["audited"]["why"] == "policies/policy.yaml is not committed"
    commit(here, now() - timedelta(days=1))
    assert rollout(here)["audited"]["why"] == "policies/policy.yaml was changed 1 day ago"
    os.rename(here / ".git", here / "no.git")  # noqa: PTH104  # shorter
    assert "is not in a git repository" in rollout(here)["audited"]["why"]


def test_a_torn_log_is_no_evidence(here: Path) -> None:
    content = gzip.decompress((here / "audit.log.gz").read_bytes())
    (here / "audit.log.gz").write_bytes(content[:-20])
    done = gatewright("rollout", *EVIDENCE, "-o", "json", cwd=here)
    assert "no event of an audit log: torn" in done.stderr
    (audited, *_) = json.loads(done.stdout)["bindings"]
    assert (audited["state"], "not all of the audit log could be read" in audited["why"]) == ("unknown", True)


def wrong(folder: Path, *options: str) -> str:
    done: subprocess.CompletedProcess[str] = gatewright("rollout", *options, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_wrong_options_and_reports(here: Path) -> None:
    assert "--days: expected a number from 1 to 366, got 0" in wrong(here, "--days", "0")
    assert "the policy tree has no policy 'none'" in wrong(here, "--policy", "none")
    report = json.loads((here / "audit.json").read_text())
    for name, changed, said in (
        ("check.json", {"command": "check"}, "expected a report of audit, got one of check"),
        ("half.json", {"errors": [{"message": "no rights"}]}, "could not read everything: no rights"),
        ("log.json", {"summary": {"events": 1}}, "give the logs themselves with --log"),
        ("only.json", {"summary": {"hidden": 1}}, "does not tell of findings that --only hides"),
        ("shard.json", {"summary": {"shards": 4}}, "does not tell of the namespaces of other shards"),
    ):
        (here / name).write_text(json.dumps({**report, **changed}))
        assert said in wrong(here, "--audit", name)
    for content in (b'{"x":' + b"[" * 100_000, b'{"command":"\xff"}'):
        (here / "hostile.json").write_bytes(content)
        assert "expected what `gatewright check -o json` or `gatewright audit -o json` writes: not JSON" in wrong(
            here, "--audit", "hostile.json"
        )
    assert "--recording: nowhere: no such folder or file" in wrong(here, *EVIDENCE, "--recording", "nowhere")
    os.utime(here / "audit.json", (now().timestamp() - 3 * 86400,) * 2)
    assert "today's step needs a new one" in wrong(here, *EVIDENCE)


def test_what_cannot_be_written_is_said_and_nothing_is(here: Path) -> None:
    shared = BINDINGS.replace("\n    - Warn\n", " &now [Warn]\n").replace('["Deny"]', "*now")
    (here / "policies" / "the bindings.yaml").write_text(shared)
    commit(here, now() - timedelta(days=20))
    said = wrong(here, *EVIDENCE, "--patch", "steps.patch")
    assert "the bindings.yaml:28: expected validationActions as a list in the text of the binding itself" in said
    assert not (here / "steps.patch").exists()


def step(file: str, *actions: Any, name: str = "b") -> Step:
    binding = Binding("ValidatingAdmissionPolicyBinding", name, "p", actions, None, None, file, 1)
    return Step(binding, "ready", "", next_edit(actions))


def text(actions: str) -> str:
    kind = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\n"
    return f"{kind}metadata: {{name: b}}\nspec:\n  validationActions:{actions}"


@pytest.mark.parametrize(
    ("actions", "written", "changed"),
    [
        (["Audit"], "\n  - Audit # a\n", "\n  - Warn\n  - Audit # a\n"),
        (["Audit"], "\n    - 'Audit'", "\n    - 'Warn'\n    - 'Audit'"),
        (["Audit"], ' ["Audit"]\n', ' ["Warn", "Audit"]\n'),
        (["Audit", "Warn"], " [Audit, Warn]\n", " [Audit, Deny]\n"),
        (["Warn"], " [Warn]  # w\n", " [Warn, Audit]  # w\n"),
        (["Warn"], "\n  - Warn  # w\n", "\n  - Warn\n  - Audit  # w\n"),
    ],
)
def test_actions_change_in_the_style_in_which_they_are_written(actions: list[str], written: str, changed: str) -> None:
    asked = step("b.yaml", *actions)
    assert asked.edit is not None
    assert edited(text(written), asked, asked.edit) == text(changed)


def test_what_is_not_in_the_text_is_not_changed() -> None:
    other, asked = step("b.yaml", "Audit", name="c"), step("b.yaml", "Audit")
    for content, of in ((text(" [Audit]\n"), other), ("a: [", asked), (text(" []\n"), asked), ("- 1\n", asked)):
        with pytest.raises(NotWritten, match=r"b\.yaml:1: "):
            edited(content, of, Edit("Warn"))


def test_files_that_cannot_be_read_or_named_in_a_patch(tmp_path: Path) -> None:
    file = tmp_path / "b.yaml"
    with pytest.raises(NotWritten, match="No such file"):
        patch([step(str(file), "Audit")], {str(file): "b.yaml"})
    file.write_bytes(b"\xff")
    with pytest.raises(NotWritten, match="not UTF-8"):
        patch([step(str(file), "Audit")], {str(file): "b.yaml"})
    file.write_text(text(" [Audit]\n"))
    with pytest.raises(NotWritten, match="would have to escape"):
        patch([step(str(file), "Audit")], {str(file): "b\n.yaml"})


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (BrokenPipeError(), FAILED), (NotGiven("x"), 2)]
)
def test_the_exit_code_of_a_run_that_ends_early(error: BaseException, code: int) -> None:
    def run() -> int:
        raise error

    assert inputs.code(run) == code
