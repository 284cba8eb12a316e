"""A server takes its policies from bundles of a registry, and goes on without it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.bundle.registries import Answering, Handler, answering, artifact, denying
from tests.bundle.signing import Signer, hold_signature
from tests.server.running import COMMAND, Running, end, environment, wait_for
from tests.server.trees import refused, reload, said, value
from tests.timing import HANGING
from webhook.bundle.artifact import Artifact, digest_of

WITHIN = 25.0  # seconds

Start = Callable[..., Running]


@pytest.fixture
def held() -> Iterator[Answering]:
    with answering() as own:
        yield own


def bundle(message: str, **files: str) -> Artifact:
    more = ((name.replace("_", "."), text.encode()) for name, text in files.items())
    return artifact(("p.yaml", denying(message).encode()), *more)


BROKEN = {"q_yaml": denying(name="q", expression="object.")}


def away(handler: Handler) -> bool:
    return handler.answer(503)


def policies(held: Answering, *flags: str, poll: str = "0.5") -> tuple[str, ...]:
    return "--policies", str(held.reference()), "--bundle-poll", poll, *flags


def bundles(server: Running) -> Any:
    return server.get("/policies").json["bundles"]


def test_a_tag_that_leads_elsewhere_takes_effect(start: Start, held: Answering) -> None:
    one = held.hold(bundle("one"), "v1")
    server = start(*policies(held))
    assert said(server) == "one"
    assert server.get("/policies").json["revision"] == one.digest
    two = held.hold(bundle("two"), "v1")
    wait_for(lambda: said(server) == "two", WITHIN)
    (line,) = server.events("reload")
    assert (line["before"], line["revision"]) == (one.digest, two.digest)
    reference = str(held.reference())
    assert bundles(server) == [{"reference": reference, "digest": two.digest, "revision": None, "verified": False}]
    files = {policy["file"] for policy in server.get("/policies").json["policies"]}
    assert files == {f"{reference.removesuffix(':v1')}@{two.digest[:19]}/p.yaml"}
    # What has not changed is not read again.
    layers = [path for _, path, _ in held.asked if digest_of(two.layer) in path]
    count = len(held.asked)
    wait_for(lambda: len(held.asked) > count + 2, WITHIN)
    assert layers == [path for _, path, _ in held.asked if digest_of(two.layer) in path]
    assert server.stop() == 0


def test_a_digest_stays(start: Start, held: Answering) -> None:
    one = held.hold(bundle("one"), "v1")
    server = start("--policies", str(held.reference(f"@{one.digest}")), "--bundle-poll", "0.5")
    count = len(held.asked)
    assert reload(server).json == {"revision": one.digest, "changed": False}
    assert said(server) == "one" and len(held.asked) == count


def test_a_bundle_that_does_not_load_changes_nothing(start: Start, held: Answering) -> None:
    held.hold(bundle("one"), "v1")
    server = start(*policies(held))
    broken = held.hold(bundle("two", **BROKEN), "v1")
    found = wait_for(lambda: refused(server), WITHIN)
    assert found["revision"] == broken.digest
    (problem,) = found["problems"]
    assert problem["file"].endswith(f"@{broken.digest[:19]}/q.yaml") and problem["line"]
    assert said(server) == "one" and server.get("/readyz").status == 200
    assert value(server, "gatewright_policy_last_reload_successful") == 0
    held.hold(bundle("three"), "v1")
    wait_for(lambda: said(server) == "three", WITHIN)
    assert refused(server) is None


def no_bundle(held: Answering) -> None:
    held.manifest("v1", [], mediaType="text/html")


def another_layer(held: Answering) -> None:
    new = bundle("two")
    held.blobs[digest_of(new.layer)] = b"x" * len(new.layer)
    held.manifests |= {new.digest: new.manifest, "v1": new.manifest}


def no_layer(held: Answering) -> None:
    new = bundle("two")
    held.manifests |= {new.digest: new.manifest, "v1": new.manifest}


def no_tag(held: Answering) -> None:
    del held.manifests["v1"]


def no_registry(held: Answering) -> None:
    held.instead = away


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_bundle, "its manifest is text/html"),
        (another_layer, "has the digest sha256:"),
        (no_layer, "has no blob"),
        (no_tag, "there is no v1 in"),
        (no_registry, "answered 503"),
    ],
)
def test_a_bundle_that_cannot_be_pulled_changes_nothing(
    start: Start, held: Answering, spoil: Callable[[Answering], None], message: str
) -> None:
    first = held.hold(bundle("one"), "v1")
    server = start(*policies(held))
    spoil(held)
    found = wait_for(lambda: refused(server), WITHIN)
    assert message in found["problems"][0]["message"]
    assert found["problems"][0]["file"] == str(held.reference())
    assert said(server) == "one" and server.get("/readyz").status == 200
    assert value(server, "gatewright_policy_last_reload_successful") == 0
    failures = value(server, "gatewright_policy_reload_failures_total")
    wait_for(lambda: value(server, "gatewright_policy_reload_failures_total") > failures, WITHIN)
    assert len(server.events("reload")) == 1, "said once"
    held.instead = lambda _: False
    held.hold(first, "v1")
    wait_for(lambda: refused(server) is None, WITHIN)
    wait_for(lambda: value(server, "gatewright_policy_last_reload_successful") == 1, WITHIN)


def test_on_request_alone(start: Start, held: Answering) -> None:
    held.hold(bundle("one"), "v1")
    server = start(*policies(held, poll="0"))
    two = held.hold(bundle("two"), "v1")
    assert said(server) == "one"
    assert reload(server).json == {"revision": two.digest, "changed": True}
    assert said(server) == "two"
    held.instead = away
    answer = reload(server)
    assert answer.status == 409
    assert "answered 503" in answer.json["problems"][0]["message"]
    assert value(server, "gatewright_policy_reload_failures_total") == 1


def test_it_starts_from_disk_while_the_registry_is_away(start: Start, held: Answering, tmp_path: Path) -> None:
    one = held.hold(bundle("one"), "v1")
    flags = policies(held, "--bundle-cache", str(tmp_path / "cache"))
    end(start(*flags))
    held.instead = away
    server = start(*flags)
    assert said(server) == "one"
    (line,) = server.events("bundles")
    assert (line["level"], line["reference"]) == ("warning", str(held.reference()))
    assert f"answered 503; starting with {one.digest}, which was in force last" in line["message"]
    assert "answered 503" in wait_for(lambda: refused(server), WITHIN)["problems"][0]["message"]
    held.instead = lambda _: False
    held.hold(bundle("two"), "v1")
    wait_for(lambda: said(server) == "two", WITHIN)


def test_it_starts_from_disk_if_the_newest_does_not_load(start: Start, held: Answering, tmp_path: Path) -> None:
    """Also if loading it ends the process: it is tried in another one."""
    flags = policies(held, "--bundle-cache", str(tmp_path / "cache"))
    held.hold(bundle("one"), "v1")
    end(start(*flags))
    ending = "import os\nfrom gatewright import validate\nos._exit(7)\n"
    for broken in (bundle("two", **BROKEN), bundle("three", q_py=ending)):
        held.hold(broken, "v1")
        server = start(*flags)
        assert said(server) == "one"
        (line,) = server.events("bundles")
        assert line["refused"] == broken.digest
        assert "starting with the bundles that were in force last" in line["message"]
        assert wait_for(partial(refused, server), WITHIN)["revision"] == broken.digest
        end(server)
    newer = held.hold(bundle("four"), "v1")
    server = start(*flags)  # and with the newest if it loads
    assert said(server) == "four" and server.get("/policies").json["revision"] == newer.digest


def test_a_registry_that_hangs_holds_up_nothing(start: Start, held: Answering) -> None:
    """Neither reviews nor the end of the server."""
    held.hold(bundle("one"), "v1")
    server = start(*policies(held))
    hanging = threading.Event()

    def hang(_: Handler) -> bool:
        hanging.wait(HANGING)
        return False

    held.instead = hang
    count = len(held.asked)
    wait_for(lambda: len(held.asked) > count, WITHIN)
    assert said(server) == "one" and server.get("/readyz").status == 200
    assert server.stop() == 0
    hanging.set()


@pytest.mark.parametrize("damage", ["", "x"])
def test_it_does_not_start_without_any(held: Answering, tmp_path: Path, damage: str) -> None:
    flags = policies(held, "--bundle-cache", str(tmp_path))
    if damage:
        (tmp_path / "in-force.json").write_text(damage)
    done = subprocess.run(
        [*COMMAND, "serve", "--port", "0", "--plain-port", "0", *flags],
        capture_output=True, text=True, env=environment(), timeout=HANGING, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"{held.reference()}: cannot be pulled: there is no v1 in {held.address}/team/policies" in done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--policies", "oci://x"), "'oci://x': '' is no repository"),
        (("--policies", "oci://x/y:z", "--verify-key", "absent.pub"), "--verify-key: absent.pub: cannot be read"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, flags: tuple[str, ...], message: str) -> None:
    done = subprocess.run(
        [*COMMAND, "serve", *flags], cwd=tmp_path, capture_output=True, text=True, env=environment(), timeout=HANGING,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2 and message in done.stderr


def test_what_is_not_signed_is_not_put_in_force(start: Start, held: Answering, tmp_path: Path) -> None:
    signer, other = Signer(tmp_path), Signer(tmp_path, "other.pub")
    one = held.hold(bundle("one"), "v1")
    hold_signature(held, one.digest, signer)
    flags = policies(held, "--verify-key", str(signer.file), "--bundle-cache", str(tmp_path / "cache"))
    server = start(*flags)
    assert said(server) == "one" and bundles(server)[0]["verified"]
    two = held.hold(bundle("two"), "v1")
    assert "is not signed; a signature" in wait_for(lambda: refused(server), WITHIN)["problems"][0]["message"]
    hold_signature(held, two.digest, other)
    wait_for(lambda: "but by 1 other" in refused(server)["problems"][0]["message"], WITHIN)  # type: ignore[index]
    assert said(server) == "one" and server.get("/readyz").status == 200
    end(server)
    # On disk the signature is verified again.
    held.instead = away
    server = start(*flags)
    assert said(server) == "one"
    end(server)
    otherwise = policies(held, "--verify-key", str(other.file), "--bundle-cache", str(tmp_path / "cache"))
    done = subprocess.run(
        [*COMMAND, "serve", "--port", "0", "--plain-port", "0", *otherwise],
        capture_output=True, text=True, env=environment(), timeout=HANGING, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"on disk, but is not signed by a key of {other.file}, but by 1 other" in done.stderr


def test_a_disk_that_cannot_be_written_stops_nothing(start: Start, held: Answering, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    held.hold(bundle("one"), "v1")
    server = start(*policies(held, "--bundle-cache", str(tmp_path / "cache")))
    (line,) = server.events("bundles")
    assert line["level"] == "error" and "--bundle-cache: cannot be written" in line["message"]
    held.hold(bundle("two"), "v1")
    wait_for(lambda: said(server) == "two", WITHIN)
    assert len(server.events("bundles")) == 1


def test_a_bundle_and_a_folder_make_one_tree(start: Start, held: Answering, tmp_path: Path) -> None:
    held.hold(bundle("one"), "v1")
    (tmp_path / "tree").mkdir()
    server = start(*policies(held, "--policies", str(tmp_path / "tree")))
    first = server.get("/policies").json["revision"]
    (tmp_path / "tree/a.yaml").write_text(denying("of the folder", name="a"))
    wait_for(lambda: len(server.get("/policies").json["policies"]) == 2, WITHIN)
    held.hold(bundle("two"), "v1")
    wait_for(lambda: "two" in str(server.post("/validate", _pod()).response["status"]), WITHIN)
    assert server.get("/policies").json["revision"] != first


def _pod() -> bytes:
    from tests.server.trees import CREATE_POD

    return CREATE_POD


def test_all_workers_take_a_changed_bundle(start: Start, held: Answering) -> None:
    held.hold(bundle("one"), "v1")
    server = start(*policies(held, "--workers", "2"))
    two = held.hold(bundle("two"), "v1")
    wait_for(lambda: server.get("/policies").json["revision"] == two.digest, WITHIN)
    assert {said(server) for _ in range(8)} == {"two"}
    # The process that pulls begins anew, without the registry: what is in force stays.
    held.instead = away
    children = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True)
    plain = next(int(pid) for pid in children.stdout.split() if _listens(int(pid), server.plain_port))
    os.kill(plain, signal.SIGKILL)
    wait_for(lambda: _answers(server), WITHIN)
    assert "answered 503" in wait_for(lambda: refused(server), WITHIN)["problems"][0]["message"]
    assert {said(server) for _ in range(8)} == {"two"}
    assert server.get("/policies").json["revision"] == two.digest
    held.instead = lambda _: False
    wait_for(lambda: refused(server) is None, WITHIN)
    assert bundles(server)[0]["digest"] == two.digest
    held.hold(bundle("three"), "v1")
    wait_for(lambda: {said(server) for _ in range(8)} == {"three"}, WITHIN)


def _listens(pid: int, port: int) -> bool:
    """Whether a process has the socket that listens on a port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {line[9] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "0A"}
    links = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    return any(f"socket:[{inode}]" in links for inode in inodes)


def _answers(server: Running) -> bool:
    try:
        return server.get("/healthz").status == 200
    except OSError:
        return False
