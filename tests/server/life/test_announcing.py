"""What the server says once it serves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.server.running import POLICIES, Running, recorded, write_policies
from webhook.policy.load.loading import load

SHIPPED = Path(__file__).parents[3] / "policies"
CREATE_POD = recorded("020")


def test_it_says_where_it_serves_and_that_its_certificate_is_for_development(server: Running) -> None:
    first = server.lines[0]
    assert first["reviews"] == f"https://127.0.0.1:{server.port}"
    assert first["plain"] == f"http://127.0.0.1:{server.plain_port}"
    said = "\n".join(server.said)
    assert f"https://127.0.0.1:{server.port}/validate" in said
    assert "FOR DEVELOPMENT ONLY" in said
    assert server.get("/ca.pem").body == server.ca


def test_it_counts_policies_as_check_does(start: Callable[..., Running]) -> None:
    shipped = load(SHIPPED).without_cluster()
    assert len(shipped.policies) > len(shipped.names)  # one of them validates and mutates
    running = start("--policies", str(SHIPPED))
    [serving] = [line for line in running.lines if line["event"] == "serving"]
    unbound = len(shipped.names - shipped.bound_names)
    assert unbound > 50 and len(shipped.bound_names) < 20
    assert (serving["policies"], serving["unbound"]) == (len(shipped.bound_names), unbound)
    running.stop()
    said = f"{len(shipped.bound_names)} policies from {SHIPPED}; {unbound} more have no binding in force, revision"
    assert any(line.startswith(said) for line in running.said)


def test_a_policy_that_never_runs_is_named(start: Callable[..., Running], tmp_path: Path) -> None:
    unbound = POLICIES["no-host-path.yaml"].partition("---")[0]
    server = start("--policies", str(write_policies(tmp_path / "policies", {"unbound.yaml": unbound})))
    assert [line for line in server.said if "unbound.yaml:1:" in line and "binding" in line]
    assert server.events("policies")[0]["level"] == "warning"
    assert server.post("/validate", CREATE_POD).response["allowed"] is True
