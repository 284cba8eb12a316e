"""A repository whose bindings are rolled out, and evidence of it: an audit, a log of each day."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.audit.clusters import Object, Server, kubeconfig, policy
from tests.auditlog.logs import FAILURE, event
from tests.cli.running import gatewright
from tests.cluster.apiserver import playing
from tests.project import scratch

DAYS = 3
BINDINGS = """\
# Who decides on these: the platform team.
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: audited}  # since spring
spec:
  policyName: tiny
  validationActions: [Audit]  # not more yet
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: warned}
spec:
  policyName: tiny
  validationActions:
  # Both, so that the log has it.
  - "Warn"  # at the terminal
  - Audit
---
apiVersion: v1
kind: List
items:
- apiVersion: admissionregistration.k8s.io/v1
  kind: ValidatingAdmissionPolicyBinding
  metadata: {name: unheard}
  spec:
    policyName: tiny
    validationActions:
    - Warn
- {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
   "metadata": {"name": "enforced"}, "spec": {"policyName": "tiny", "validationActions": ["Deny"]}}
"""
POLICY = policy("tiny", "object.metadata.name.size() < 4").partition("\n---\n")[0] + "\n"


def now() -> datetime:
    """Asked for by each test: it may run an hour after it was imported, and after midnight."""
    return datetime.now(UTC)


def config(name: str, namespace: str = "shop", **labels: str) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


def namespace(name: str, **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def repository(folder: Path) -> Path:
    """A repository whose bindings are a month old, with an audit of today and a log of each day that find nothing."""
    made = folder / "repository"
    (made / "policies").mkdir(parents=True)
    (made / "policies" / "policy.yaml").write_text(POLICY)
    (made / "policies" / "the bindings.yaml").write_text(BINDINGS)
    scratch.git(made, "init", "--quiet")
    commit(made, now() - timedelta(days=30))
    audited(made, config("web"))
    logged(made)
    return made


def commit(folder: Path, at: datetime) -> None:
    environment = scratch.environment(folder.parent, GIT_COMMITTER_DATE=at.isoformat(), GIT_AUTHOR_DATE=at.isoformat())
    scratch.git(folder, "add", "policies", env=environment)
    scratch.git(folder, "commit", "--quiet", "--message", "policies", env=environment)


def audited(folder: Path, *objects: Object, options: tuple[str, ...] = ()) -> None:
    with playing(Server(objects)) as (url, _):
        kubeconfig(folder.parent, url)
        given = ("--kubeconfig", folder.parent / "kubeconfig", "--context", "it", "--owner-label", "team")
        done = gatewright("audit", *given, "-o", "json", *options, cwd=folder)
    assert done.returncode in (0, 1), done.stderr
    (folder / "audit.json").write_text(done.stdout)


def logged(folder: Path, *notes: tuple[int, str] | tuple[int, str, str], left_out: tuple[int, ...] = ()) -> list[str]:
    """A log of today and of as many days before; in a request so many days ago a binding said that it would deny, in
    the namespace shop or in another one. The times of these requests, as the log has them."""
    lines = [event(requestReceivedTimestamp=received(day)) for day in range(DAYS + 1) if day not in left_out]
    times = []
    for day, binding, *namespace in notes:
        times.append(received(day))
        failure = [{**FAILURE, "policy": "tiny", "binding": binding, "message": "too long"}]
        annotations = {"validation.policy.admission.k8s.io/validation_failure": json.dumps(failure)}
        noted = event(annotations, requestReceivedTimestamp=times[-1])
        noted["objectRef"]["namespace"] = namespace[0] if namespace else "shop"
        lines.append(noted)
    text = "".join(json.dumps(each) + "\n" for each in lines)
    (folder / "audit.log.gz").write_bytes(gzip.compress(text.encode()))
    return times


def received(day: int) -> str:
    return (now() - timedelta(days=day, minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


EVIDENCE = ("--audit", "audit.json", "--log", "audit.log.gz", "--days", str(DAYS))


def rollout(folder: Path, *options: str, evidence: tuple[str, ...] = EVIDENCE) -> dict[str, Any]:
    """What is said of each binding."""
    done = gatewright("rollout", *evidence, "-o", "json", *options, cwd=folder)
    assert (done.returncode, [line for line in done.stderr.splitlines() if line.startswith("error")]) == (0, [])
    return {each["binding"]: each for each in json.loads(done.stdout)["bindings"]}


def states(found: dict[str, Any]) -> dict[str, str]:
    return {name: each["state"] for name, each in found.items()}
