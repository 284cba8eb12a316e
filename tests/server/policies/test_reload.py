"""Policies change while a server runs: a tree that loads is put in force whole, any other leaves those in force."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from tests.policy import trees
from tests.server.authorities import Mount
from tests.server.running import Running, end, launch, wait_for
from tests.server.trees import CREATE_POD, policy, refused, reload, said, value, write
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.reader import Problem
from webhook.policy.load.treefiles import Stamp, Tree, read_tree
from webhook.policy.policyset import PolicySet
from webhook.schema import Kinds
from webhook.server.life import starting
from webhook.server.plain.app import plain
from webhook.server.plain.asgi import ASGI
from webhook.server.policies import reload as reloading
from webhook.server.policies.installing import Installer, NotInstalled
from webhook.server.policies.reload import SETTLED, Outcome, Reload, ReloadMetrics
from webhook.server.policies.sources import Sources
from webhook.server.port.exchange import Client, Head
from webhook.server.settings import Settings
from webhook.server.state import InForce, State
from webhook.server.telemetry.logs import Log
from webhook.server.telemetry.metrics import Metrics
from webhook.versions import NEWEST

WITHIN = 15.0  # seconds


def test_a_changed_folder_takes_effect_by_itself(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", a_yaml=policy("one"))
    server = start("--policies", str(tree))
    first = server.get("/policies").json["revision"]
    assert said(server) == "one"
    written = time.time()
    write(tree, a_yaml=policy("two"))
    (line,) = server.events("reload")
    assert said(server) == "two"
    second = server.get("/policies").json["revision"]
    assert first != second
    assert (line["level"], line["before"], line["revision"], line["policies"]) == ("info", first, second, 1)
    response = server.post("/validate", CREATE_POD).response
    assert response["auditAnnotations"] == {"policy_revision": second}
    assert [each["revision"] for each in server.events("review", 3)] == [first, second, second]
    metrics = server.get("/metrics").body.decode()
    assert f'gatewright_policy_revision_info{{revision="{second}"}} 1.0' in metrics
    assert first not in metrics
    assert value(server, "gatewright_policy_reloads_total") == 1
    assert value(server, "gatewright_policy_last_reload_successful") == 1
    assert written < value(server, "gatewright_policy_last_reload_timestamp_seconds") < time.time()
    # The same files, written anew, are the same revision.
    write(tree, a_yaml=policy("two"))
    time.sleep(SETTLED + 2)
    assert value(server, "gatewright_policy_reloads_total") == 1
    assert server.stop() == 0


def test_a_mutation_carries_the_revision_too(server: Running) -> None:
    revision = server.get("/policies").json["revision"]
    response = server.post("/mutate", CREATE_POD).response
    assert response["auditAnnotations"] == {"policy_revision": revision}


def test_a_volume_of_a_config_map_takes_effect(start: Callable[..., Running], tmp_path: Path) -> None:
    mount = Mount(tmp_path / "volume", a_yaml=policy("one").encode())
    server = start("--policies", str(mount.folder))
    mount.write(a_yaml=policy("two").encode(), b_yaml=policy("more", "another").encode())
    server.events("reload")
    assert said(server) == "more"  # of another, the first by name
    assert len(server.get("/policies").json["policies"]) == 2


def test_a_worktree_of_git_sync_takes_effect_also_with_equal_files(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    link = tmp_path / "current"

    def flip(commit: str, text: str) -> None:
        worktree = tmp_path / ".worktrees" / commit
        worktree.mkdir(parents=True)
        write(worktree / "policies", a_yaml=policy(text))
        (tmp_path / "new").symlink_to(worktree)
        (tmp_path / "new").rename(link)

    flip("1" * 40, "one")
    server = start("--policies", str(link / "policies"))
    flip("2" * 40, "two")
    shutil.rmtree(tmp_path / ".worktrees" / ("1" * 40))
    server.events("reload")
    assert said(server) == "two"
    assert server.get("/policies").json["policies"][0]["file"] == str(link / "policies" / "a.yaml")


@pytest.mark.skipif(shutil.which("git") is None, reason="no git on this system")
def test_the_revision_of_a_checkout_is_its_commit(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", a_yaml=policy("one"))
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@example.com"]

    def committed() -> str:
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message=a change"], check=True)
        return subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()

    subprocess.run([*git, "init", "--quiet"], check=True)
    first = committed()
    server = start("--policies", str(tree))
    assert server.get("/policies").json["revision"] == first
    write(tree, a_yaml=policy("two"))
    second = committed()
    assert reload(server).json == {"revision": second, "changed": True}
    response = server.post("/validate", CREATE_POD).response
    assert response["auditAnnotations"] == {"policy_revision": second}
    write(tree, a_yaml=policy("three"))
    assert len(reload(server).json["revision"]) == 16


def test_a_broken_tree_leaves_the_policies_in_force_and_says_where(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    tree = write(tmp_path / "tree", a_yaml=policy("one"))
    server = start("--policies", str(tree))
    before = server.get("/policies").json["revision"]
    write(tree, a_yaml=policy("two").replace('"false"', '"object.spec.("'))
    (line,) = server.events("reload")
    assert said(server) == "one"
    assert server.get("/readyz").status == 200
    assert (line["level"], line["revision"], line["message"]) == ("error", before, f"revision {before} stays in force")
    (problem,) = line["problems"]
    assert problem.startswith(f"{tree / 'a.yaml'}:10:")
    assert "Syntax error" in problem
    found = refused(server)
    assert found is not None
    assert found["revision"] == line["refused"]
    (shown,) = found["problems"]
    assert (shown["file"], shown["line"]) == (str(tree / "a.yaml"), 10)
    assert server.get("/policies").json["revision"] == before
    assert value(server, "gatewright_policy_reload_failures_total") == 1
    assert value(server, "gatewright_policy_last_reload_successful") == 0
    # What was in force is restored.
    write(tree, a_yaml=policy("one"))
    wait_for(lambda: refused(server) is None, WITHIN)
    assert value(server, "gatewright_policy_last_reload_successful") == 1
    assert value(server, "gatewright_policy_reloads_total") == 0
    assert said(server) == "one"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Running]]:
    """A tree that tests break, and a server that has the policy `one` in force."""
    tree = write(tmp_path_factory.mktemp("shared") / "tree", a_yaml=policy("one"))
    server = launch("--policies", str(tree), "--policy-imports", "os,time")
    yield tree, server
    end(server)


def _loop(tree: Path) -> None:
    """The tree is a symbolic link to itself."""
    shutil.rmtree(tree)
    tree.symlink_to(tree)


HANGS = "while True:\n    pass\n"
ENDS = "import os\nos._exit(3)\n"
CRASHES = "import os\nos.abort()\n"
FORKS = "import os, time\nif os.fork() == 0:\n    time.sleep(3600)\nos._exit(0)\n"
TAKES_ALL = "hoard = bytearray(4 << 30)\n"
SPEAKS = "import os\nfor each in range(3, 32):\n    os.path.exists(f'/proc/self/fd/{each}') and os.write(each, b'{}')\n"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda tree: write(tree, b_py="def wrong(:\n"), "not Python: "),
        (lambda tree: write(tree, b_py="raise SystemExit(0)\n"), "cannot be imported: SystemExit"),
        (lambda tree: write(tree, b_py=ENDS), "loading this file ended the process, with exit code 3"),
        (lambda tree: write(tree, b_py=CRASHES), "loading this file ended the process, by SIGABRT"),
        (lambda tree: write(tree, b_py=FORKS), "a policy may have no network, processes or threads (os.fork)"),
        (lambda tree: write(tree, b_py="import socket\n"), "b.py: a policy may not import socket: "),
        (lambda tree: write(tree, b_py=SPEAKS), "loading this file wrote to a file that is not its own"),
        (lambda tree: write(tree, b_py=TAKES_ALL), "cannot be imported: MemoryError"),
        (lambda tree: write(tree, b_yaml=policy("twice")), "is already defined in"),
        (lambda tree: write(tree, a_yaml="kind: [\n"), "a.yaml"),
        (lambda tree: (tree / "a.yaml").unlink(), "it has no policies"),
        (shutil.rmtree, "no such file or folder; expected a policy tree"),
        (lambda tree: (tree / "loop.yaml").symlink_to("loop.yaml"), "cannot be read: "),
        (lambda tree: (tree / "out.yaml").symlink_to("/etc/hostname"), "it is a link out of the policy tree"),
        (lambda tree: (tree / "gone.yaml").symlink_to("nothing"), "cannot be read: No such file or directory"),
        (lambda tree: os.mkfifo(tree / "pipe.yaml"), "a named pipe, not a regular file"),
        (_loop, "no such file or folder"),
    ],
)
def test_whatever_is_wrong_with_a_tree_costs_nothing(
    shared: tuple[Path, Running], change: Callable[[Path], object], problem: str
) -> None:
    tree, server = shared
    _remove(tree)
    write(tree, a_yaml=policy("one"))
    change(tree)
    _refused(server, problem)


def _remove(tree: Path) -> None:
    if tree.is_symlink():
        tree.unlink()
    elif tree.exists():
        shutil.rmtree(tree)


def _refused(server: Running, problem: str) -> None:
    """A reload is refused, names the problem, and costs nothing."""
    answer = reload(server)
    assert answer.status == 409, answer.body
    assert problem in " ".join(f"{each['file']}: {each['message']}" for each in answer.json["problems"])
    assert said(server) == "one"
    assert server.get("/readyz").status == 200
    assert server.process.poll() is None


def test_a_policy_that_does_not_end_costs_nothing(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", a_yaml=policy("one"))
    server = start("--policies", str(tree), "--reload-timeout", "3")
    write(tree, b_py=HANGS)
    _refused(server, "loading this file did not end within 3 s")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_costs_nothing(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", a_yaml=policy("one"))
    server = start("--policies", str(tree))
    (tree / "a.yaml").chmod(0)
    answer = reload(server)
    assert answer.status == 409
    assert answer.json["problems"][0]["message"] == "cannot be read: Permission denied"
    assert said(server) == "one"


def test_a_tree_that_is_still_being_written_is_not_read(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", a_yaml=policy("one"))
    server = start("--policies", str(tree))
    for number in range(4):  # each of these states would load, and some looks find no change
        write(tree, a_yaml=policy(f"part {number}"))
        time.sleep(0.75 * SETTLED)
    assert said(server) == "one"
    (line,) = server.events("reload")
    assert line["level"] == "info"
    assert said(server) == "part 3"


def test_sighup_reloads_at_once_and_ends_nothing(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", a_yaml=policy("one"))
    server = start("--policies", str(tree))
    server.process.send_signal(signal.SIGHUP)
    (line,) = server.events("reload")
    assert line["message"] == "this revision is in force"
    write(tree, a_yaml=policy("two"))
    server.process.send_signal(signal.SIGHUP)
    server.events("reload", 2)
    assert said(server) == "two"
    assert server.stop() == 0


def test_a_request_reloads_at_once(start: Callable[..., Running], tmp_path: Path) -> None:
    tree = write(tmp_path / "tree", a_yaml=policy("one"))
    server = start("--policies", str(tree))
    first = server.get("/policies").json["revision"]
    assert reload(server).json == {"revision": first, "changed": False}
    write(tree, a_yaml=policy("two"))
    answer = reload(server)
    assert (answer.status, answer.json["changed"]) == (200, True)
    assert said(server) == "two"
    assert server.get("/-/reload").status == 405


@pytest.mark.parametrize(
    ("client", "status"),
    [("127.0.0.1", 200), ("127.8.8.8", 200), ("::1", 200), ("::ffff:127.0.0.1", 200)]
    + [(client, 403) for client in ("10.0.0.8", "::ffff:10.0.0.8", "fe80::1", "", "localhost")],
)
def test_only_clients_of_this_host_may_ask_for_a_reload(client: str, status: int) -> None:
    _asked(client, status, (b"host", b"localhost:8080"))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"localhost"), (b"x-forwarded-for", b"10.0.0.8")],  # a proxy in the Pod asks for somebody else
        [(b"host", b"127.0.0.1:8080"), (b"x-forwarded-proto", b"http")],
        [(b"host", b"shop.example:8080")],  # a name that leads to the loopback interface: DNS rebinding
        [(b"host", b"localhost:8080"), (b"sec-fetch-site", b"cross-site")],  # a form of another site
        [(b"host", b"localhost:8080"), (b"sec-fetch-site", b"same-site")],  # of another port of this host
    ],
)
def test_nobody_asks_for_a_reload_through_a_client_of_this_host(headers: list[tuple[bytes, bytes]]) -> None:
    _asked("127.0.0.1", 403, *headers)


def _asked(client: str, status: int, *headers: tuple[bytes, bytes]) -> None:
    asked: list[str] = []

    async def reloaded() -> Outcome:
        asked.append(client)
        return Outcome("one", changed=False)

    async def nothing(openmetrics: bool) -> bytes:
        return b""

    app = ASGI(plain(State(InForce(PolicySet(), ManifestsView(()))), nothing, reloaded))
    head = Head("POST", "/-/reload", b"/-/reload", b"", headers, b"")
    answer = asyncio.run(app.answer(head, b"", Client(client)))
    assert answer.status == status
    assert bool(asked) is (status == 200)


def test_several_folders_make_one_tree(start: Callable[..., Running], tmp_path: Path) -> None:
    first = write(tmp_path / "first", a_yaml=policy("one"))
    second = write(tmp_path / "second", b_yaml=policy("more", "another"))
    server = start("--policies", str(first), "--policies", str(second))
    assert len(server.get("/policies").json["policies"]) == 2
    write(second, b_yaml=policy("more", "another") + "---\n" + policy("clash"))
    answer = reload(server)
    assert answer.status == 409
    clash = answer.json["problems"][0]
    assert clash["file"] == str(second / "b.yaml")
    assert f"'versioned' is already defined in {first / 'a.yaml'}:1" in clash["message"]
    write(second, b_yaml=policy("more", "another"), c_yaml=policy("third", "third"))
    assert reload(server).json["changed"] is True
    assert len(server.get("/policies").json["policies"]) == 3


def test_no_review_waits_for_the_code_of_a_policy(tmp_path: Path) -> None:
    """Neither after a start nor after a reload: the code of bound policies is there, that of others never is made."""
    bound = yaml.safe_dump_all([trees.policy("bound"), trees.binding("bound"), trees.policy("unbound")])
    tmp_path.joinpath("policies.yaml").write_text(bound)
    log = Log(-1)
    *_, started = starting.load(Settings(policies=[str(tmp_path)]), log)
    state = State(InForce(PolicySet(), ManifestsView([])))
    installer = Installer(state, Metrics(Kinds.builtin()), NEWEST, 60)
    reloaded = asyncio.run(installer.install(read_tree(tmp_path)))
    assert state.in_force.policies is reloaded
    for policies in (started, reloaded):
        prepared = {of.name: program.is_prepared for of, _, program in policies.expressions()}
        assert prepared == {"bound": True, "unbound": False}


@pytest.mark.parametrize(("lasting", "times"), [(False, 3), (True, 1)])
def test_only_what_may_pass_by_itself_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool, times: int
) -> None:
    """The files are the same: a kind that could not be listed may be listed later, a tree that is wrong stays so."""
    monkeypatch.setattr(reloading, "INTERVAL", 0.02)
    monkeypatch.setattr(reloading, "SETTLED", 0.02)
    monkeypatch.setattr(reloading, "_RETRY", 0.02)
    tree = write(tmp_path / "tree", a_yaml=policy("one"))
    state = State(InForce(PolicySet(), ManifestsView(())))
    tried: list[str] = []

    async def install(read: Tree) -> PolicySet:
        tried.append(read.revision)
        if lasting or len(tried) < 3:
            raise NotInstalled((Problem("a.yaml", 1, None, "configmaps cannot be listed"),), lasting=lasting)
        return PolicySet()

    class Counted(Sources):
        looks = 0

        def stamp(self) -> Stamp:
            self.looks += 1
            return super().stamp()

    async def watched() -> None:
        sources, metrics = Counted([str(tree)]), ReloadMetrics(CollectorRegistry())
        watching = asyncio.create_task(Reload(sources, NEWEST, 60, install, state, metrics, Log(-1)).watch())
        while not tried or (state.refused is not None and not lasting):
            await asyncio.sleep(0.02)
        since = sources.looks
        while sources.looks < since + 10:
            await asyncio.sleep(0.02)
        watching.cancel()

    asyncio.run(watched())
    assert len(tried) == times
    assert len(set(tried)) == 1
    assert (state.refused is not None) is lasting
