"""What the playground may take: one at a time, little time, and what it is sent and answers."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from tests.cel.costly import in_tens
from webhook.server.page import trying
from webhook.server.page.trying import CannotTry, Trying

PROGRAM = "webhook.cli.playground"
CONTAINERS = [{"name": "c", "image": "i"}]
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": CONTAINERS}}


def policy(expression: str) -> str:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    spec = {"matchConstraints": {"resourceRules": rules}, "validations": [{"expression": expression}]}
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy"}
    return json.dumps({**head, "metadata": {"name": "p"}, "spec": spec})


def body(expression: str = "false", **changes: Any) -> bytes:
    return json.dumps({"policy": policy(expression), "object": json.dumps(POD), **changes}).encode()


def tried(sent: bytes, **how: Any) -> Any:
    return json.loads(asyncio.run(Trying(PROGRAM, "1.34", **how).evaluated(sent)))


def test_python_is_evaluated_only_where_it_is_allowed() -> None:
    text = (
        "import json\nfrom gatewright import validate\n\n\n"
        '@validate(resources=["v1/pods"], operations=["CREATE"])\n'
        'def never(request):\n    yield f"never, {json.dumps([])}"\n'
    )
    sent = body(policy=text, language="python")
    with pytest.raises(CannotTry, match="only by a server with --playground-python") as refused:
        tried(sent)
    assert refused.value.status == 403
    assert tried(sent, python=())["denied"] is True
    assert (
        "may not import tomllib"
        in tried(body(policy=f"import tomllib\n{text}", language="python"), python=())["problems"][0]["message"]
    )
    assert tried(body(policy=f"import tomllib\n{text}", language="python"), python=("tomllib",))["denied"] is True


def test_it_is_told_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWRIGHT_SECRET", "hunter22")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter22@proxy")
    text = (
        "import os\nfrom gatewright import validate\n\n\n"
        '@validate(resources=["v1/pods"], operations=["CREATE"])\n'
        "def tells(request):\n    yield str(dict(os.environ))\n"
    )
    answer = tried(body(policy=text, language="python"), python=("os",))
    said = answer["policies"][0]["objects"][0]["findings"][0]["message"]
    assert "PATH" in said and "hunter22" not in json.dumps(answer)


def test_one_at_a_time() -> None:
    async def both() -> list[Any]:
        one = Trying(PROGRAM, "1.34")
        return [*await asyncio.gather(one.evaluated(body()), one.evaluated(body()), return_exceptions=True)]

    first, second = asyncio.run(both())
    assert json.loads(first)["denied"] is True
    assert isinstance(second, CannotTry)
    assert second.status == 429


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 10_000,
        body(operation="CONNECT"),
        body(more=1),
        body(groups="g"),
        b"\xff",
        b'{"policy":"\xff"}',
    ],
)
def test_anything_else_is_refused(sent: bytes) -> None:
    with pytest.raises(CannotTry, match="not what the playground sends") as refused:
        tried(sent)
    assert refused.value.status == 400


def test_a_server_that_stops_waits_for_no_evaluation() -> None:
    async def stopped() -> list[str]:
        begun = asyncio.get_running_loop().time()
        one = Trying(PROGRAM, "1.34", stopping=lambda: asyncio.get_running_loop().time() > begun + 0.01)
        with pytest.raises(CannotTry, match="the server is stopping") as refused:
            await one.evaluated(body(in_tens(8, "true")))  # which takes seconds
        assert refused.value.status == 503
        return children()

    def children() -> list[str]:
        return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()

    before = children()
    assert asyncio.run(stopped()) == before


def test_it_ends_after_its_time() -> None:
    with pytest.raises(CannotTry, match=r"it took longer than 0\.01 s"):
        tried(body(), patience=0.01)


def test_it_ends_after_its_processor_time() -> None:
    dear = "[1,2,3,4,5,6,7,8,9].all(a, " * 5 + "a > 0" + ")" * 5
    many = "\n---\n".join(json.dumps({**POD, "metadata": {"name": f"p-{number}"}}) for number in range(20))
    with pytest.raises(CannotTry, match="it took more than 1 s of processor time"):
        tried(body(dear, object=many), seconds=1)


def test_an_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trying, "MOST_ANSWERED", 100)
    with pytest.raises(CannotTry, match="its explanation is too long"):
        tried(body())


def test_without_a_process_the_answer_says_so() -> None:
    async def without() -> None:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        one = Trying(PROGRAM, "1.34")
        resource.setrlimit(resource.RLIMIT_NOFILE, (len([*Path("/proc/self/fd").iterdir()]) - 1, before[1]))
        try:
            await one.evaluated(body())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    with pytest.raises(CannotTry, match="no process can be started for it: Too many open files") as refused:
        asyncio.run(without())
    assert refused.value.status == 503
