"""The corpus, sent to a real API server as `kubectl create --dry-run=server` sends it.

What kubectl itself refuses, such as a kind that the server does not have, kubectl is asked about.
"""

from __future__ import annotations

import base64
import copy
import json
import re
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.dryrun.answers import Answer, Answers, Object, Refusal
from tests.dryrun.comparing import comparable, settled
from tests.dryrun.corpus import NAMESPACES, File, Manifest
from tests.e2e.apiserver import Client, Reply
from tests.e2e.controlplane import ADMIN, ControlPlane
from tests.e2e.dryrun.recorder import EXTRA, Recorder

AT_ONCE = 6
ACCOUNTS = ("default", "robot", "web")
"""The service accounts that Pods of the corpus have."""
_CREATED = "fieldManager=kubectl-create&fieldValidation=Strict"
_QUERY = f"dryRun=All&{_CREATED}"
_NOTICED = 1.0  # seconds within which admission plugins of the server know of what was made
_SEEN = 30.0  # seconds within which the server knows of a webhook, or serves a custom resource

Kinds = dict[tuple[str, str], tuple[str, bool]]
"""apiVersion and kind -> the path of the version and the resource with `{}` for the Namespace; whether it has one."""


def answers(
    cluster: ControlPlane, recorder: Recorder, corpus: Iterable[File], namespaces: Iterable[str] = NAMESPACES
) -> Answers:
    """What the server makes of each manifest, by file and name. namespaces: those that are there."""
    client = cluster.client()
    _prepare(client, namespaces)
    _register(client, recorder)
    found: Answers = {file.name: {} for file in corpus}
    everything = [(file, manifest) for file in corpus for manifest in file.manifests]
    kinds = kinds_of(client)
    for file, manifest in everything:
        if file.given(manifest):
            name, url = f"{file.name}: {manifest.name}", f"{_url(manifest.value, kinds)}?{_CREATED}"
            answer = found[file.name][manifest.name] = _answer(client, recorder, name, url, manifest.value)
            assert answer.refusal is None, (name, answer.refusal)
    for file in corpus:
        if file.custom:
            _wait_for(client, file.manifests[0].value)
    time.sleep(_NOTICED)
    kinds = kinds_of(client)
    sent = [(file, manifest) for file, manifest in everything if not file.given(manifest)]
    clients = [cluster.client_of(cluster.tokens[ADMIN.name]) for _ in range(AT_ONCE)]

    def send(number: int) -> Iterator[tuple[File, Manifest, Answer]]:
        for file, manifest in sent[number::AT_ONCE]:
            if (url := _url(manifest.value, kinds)) is not None:
                name = f"{file.name}: {manifest.name}"
                yield file, manifest, _answer(clients[number], recorder, name, f"{url}?{_QUERY}", manifest.value)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for batch in pool.map(lambda number: list(send(number)), range(AT_ONCE)):
            for file, manifest, answer in batch:
                found[file.name][manifest.name] = answer
    for each in clients:
        each.close()
    left = [(file, manifest) for file, manifest in sent if manifest.name not in found[file.name]]
    for (file, manifest), refusal in zip(left, _by_kubectl(cluster, [each for _, each in left]), strict=True):
        found[file.name][manifest.name] = Answer(refusal)
    return {file.name: {each.name: found[file.name][each.name] for each in file.manifests} for file in corpus}


def _prepare(client: Client, namespaces: Iterable[str]) -> None:
    for namespace in namespaces:
        client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        for account in ACCOUNTS:
            made = client.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}})
            assert made.ok, made.message


def _register(client: Client, recorder: Recorder) -> None:
    """The recorder as webhook of both phases, for everything; returns when the server calls it."""
    for kind, plural, phase in (
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", "mutation"),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", "validation"),
    ):
        rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}
        bundle = base64.b64encode(recorder.ca).decode()
        webhook = {
            "name": "recorder.example.com",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "matchPolicy": "Exact",
            "clientConfig": {"url": f"https://127.0.0.1:{recorder.port}/{phase}", "caBundle": bundle},
            "rules": [rule],
        }
        body = {"kind": kind, "metadata": {"name": "recorder"}, "webhooks": [webhook]}
        made = client.post(f"/apis/admissionregistration.k8s.io/v1/{plural}", body)
        assert made.ok, made.message
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}
    until = time.monotonic() + _SEEN
    while len(recorder.seen.get("probe", ())) < 2:
        assert time.monotonic() < until, "the server does not call the webhook"
        _answer(client, recorder, "probe", f"/api/v1/namespaces/default/configmaps?{_QUERY}", probe)


def _wait_for(client: Client, crd: dict[str, Any]) -> None:
    """Until the objects of a definition are served."""
    spec = crd["spec"]
    paths = [
        f"/apis/{spec['group']}/{each['name']}/{spec['names']['plural']}" for each in spec["versions"] if each["served"]
    ]
    until = time.monotonic() + _SEEN
    while not all(client.get(path).ok for path in paths):
        assert time.monotonic() < until, f"not served: {paths}"
        time.sleep(0.05)


def kinds_of(client: Client) -> Kinds:
    """The kinds of which the server makes objects."""
    groups = client.get("/apis").body["groups"]
    found: Kinds = {}
    for version in ("v1", *(each["groupVersion"] for group in groups for each in group["versions"])):
        prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for resource in client.get(prefix).body["resources"]:
            if "/" not in resource["name"] and "create" in resource["verbs"]:
                within = "/namespaces/{}" if resource["namespaced"] else ""
                found[version, resource["kind"]] = (f"{prefix}{within}/{resource['name']}", resource["namespaced"])
    return found


def _url(value: Any, kinds: Kinds) -> str | None:
    """The path to which kubectl sends the manifest; None where it sends nothing."""
    found = kinds.get((value["apiVersion"], value["kind"]))
    metadata = value.get("metadata")
    if found is None or not isinstance(metadata, dict | None):
        return None
    return found[0].format((metadata or {}).get("namespace") or "default")


def _answer(client: Client, recorder: Recorder, name: str, url: str, value: Any) -> Answer:
    body = copy.deepcopy(value)
    if "/namespaces/default/" in url:
        # As kubectl does where the manifest names none.
        body["metadata"] = {**(body.get("metadata") or {}), "namespace": "default"}
    extra: dict[str, str | list[str]] = {
        "Impersonate-User": ADMIN.name,
        "Impersonate-Group": list(ADMIN.groups),
        f"Impersonate-Extra-{EXTRA}": _header(name),
    }
    reply = client.request("POST", url, body, headers=extra)
    seen = recorder.seen.get(_header(name), {})
    return Answer(
        _refusal(reply, value), _request(seen.get("mutation"), value), _request(seen.get("validation"), value)
    )


def _request(review: Object | None, manifest: Object) -> Object | None:
    """What is kept of a request."""
    if review is None:
        return None
    made = comparable(review["object"], manifest)
    metadata = manifest.get("metadata") or {}
    generated = review.get("name") and metadata.get("generateName") and not metadata.get("name")
    name = made["metadata"]["name"] if generated else review.get("name", "")
    return {"name": name, "options": review["options"], "object": made}


def _header(name: str) -> str:
    """A name as the value of a header."""
    return name.encode("ascii", "backslashreplace").decode()


def _refusal(reply: Reply, manifest: Object) -> Refusal | None:
    if reply.ok:
        return None
    details = reply.body.get("details") or {} if isinstance(reply.body, dict) else {}
    causes = sorted(
        (each.get("field", ""), settled(each.get("message", ""), manifest)) for each in details.get("causes", ())
    )
    message = settled(reply.message, manifest)
    if causes:  # the message has them too, in an order that is that of a map
        message = message.partition(" is invalid: ")[0]
    return Refusal(reply.status, reply.reason, message, tuple(causes))


def _by_kubectl(cluster: ControlPlane, manifests: list[Manifest]) -> list[Refusal]:
    """What kubectl says of manifests that it refuses: of all in one run, file by file."""
    folder = cluster.folder / "refused"
    folder.mkdir()
    arguments = ["create", "--dry-run=server", "--validate=strict"]
    for number, manifest in enumerate(manifests):
        (folder / f"{number:03}.json").write_text(json.dumps(manifest.value))
        arguments += ["--filename", str(folder / f"{number:03}.json")]
    done = cluster.kubectl(*arguments, check=False)
    assert done.returncode and not done.stdout, f"kubectl takes {done.stdout}"
    said = dict(
        re.findall(rf'"{folder}/(\d+)\.json": (.*?)(?=$|, unable to|, error val|, resource map)', done.stderr, re.M)
    )
    return [Refusal(0, "", said[f"{number:03}"].rstrip("]")) for number in range(len(manifests))]
