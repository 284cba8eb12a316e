"""PolicyExceptions in the server: the answer, the log and the metrics tell which one was used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.server.running import POLICIES, Running, changed, recorded, write_policies

CREATE_POD = recorded("020")
NAMESPACE = json.loads(CREATE_POD)["request"]["namespace"]
EXCEPTION = f"""\
apiVersion: gatewright.dev/v1
kind: PolicyException
metadata: {{name: node-agent}}
spec:
  policies: [{{name: no-host-path}}]
  objects: {{namespaces: [{NAMESPACE}]}}
  reason: reads the logs of its node
  approvedBy: security
  expires: 2999-12-31
"""


def test_what_was_excepted_and_by_which_exception_is_told(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = write_policies(tmp_path / "policies", POLICIES)
    (tree / "exceptions.yaml").write_text(
        EXCEPTION + "---\n" + EXCEPTION.replace("node-agent", "old").replace("2999", "2020")
    )
    server = start("--policies", str(tree))
    response = server.post("/validate", CREATE_POD).response
    assert response["allowed"] is True
    [noted] = json.loads(response["auditAnnotations"]["policy_exception"])
    assert (noted["exception"], noted["policy"]) == ("node-agent", "no-host-path")
    assert "warnings" not in response

    elsewhere = changed(CREATE_POD, namespace="elsewhere")
    assert server.post("/validate", elsewhere).response["allowed"] is False

    first, second = server.events("review", 2)
    [told] = first["exceptions"]
    assert (told["exception"], told["policy"], first["verdict"]) == ("node-agent", "no-host-path", "allow")
    assert first["policies"] == ["no-host-path"]
    assert "exceptions" not in second

    metrics = server.get("/metrics").body.decode()
    used = 'gatewright_policy_exceptions_used_total{exception="node-agent",policy="no-host-path"} 1.0'
    assert used in metrics
    assert 'gatewright_policy_exceptions_used_total{exception="old",policy="no-host-path"} 0.0' in metrics
    assert 'gatewright_policy_exception_expiry_timestamp_seconds{exception="old"}' in metrics

    [note] = server.events("policies")
    assert "PolicyException 'old' expired (2020-12-31) and has no effect" in note["message"]

    listed = {each["name"]: each for each in server.get("/policies").json["exceptions"]}
    assert {name: each["inForce"] for name, each in listed.items()} == {"node-agent": True, "old": False}
    assert listed["old"]["policies"] == ["no-host-path"]
