"""Requests of the corpus as `gatewright check` can be asked about them: a manifest, an operation and a user."""

from __future__ import annotations

import gc
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tests.e2e.apiserver import Client
from tests.e2e.controlplane import USERS
from tests.e2e.differential.cases import Case, Object, Request, merged
from tests.e2e.differential.verdicts import Verdict
from webhook.cli.commands import app

_WHOLE = 4096  # characters of all warnings of a request until which each is sent whole
_CUT = 256  # characters that are sent of each beyond
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PREFIX = "Validation failed for "
Told = tuple[str, str, str]
"""Policy, binding and message."""


class NotAManifest(Exception):
    """A request that is no dry run over manifests; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One run of `gatewright check`: the manifest, and the options that say who does what with it.

    `old`: what an update replaces.
    """

    manifest: Object
    arguments: tuple[str, ...]
    old: Object | None = None


def asked(case: Case, request: Request, client: Client) -> Asked:
    """The run that the request is. What is stored is read from the cluster. Raises NotAManifest."""
    policies = json.dumps([case.policies, case.bindings])
    if "authorizer" in policies:
        raise NotAManifest("asks the authorizer, for whose answers check wants declarations")
    if "request.options" in policies or "request.dryRun" in policies:
        raise NotAManifest("reads the options of the request")
    if "userInfo.uid" in policies or "userInfo.extra" in policies:
        raise NotAManifest("reads the uid or the extras of the user")
    method, path, body, content_type = case.sent(request)
    namespace, name, subresource = _target(path.partition("?")[0])
    if method == "GET":
        raise NotAManifest("CONNECT")
    user = _user(request)
    if subresource:
        return _of_subresource(client, method, path.partition("?")[0], subresource, body, user)
    if method == "POST":
        assert isinstance(body, dict)
        return Asked(body, (*user, "--namespace", namespace or "default", "--operation", "create"))
    if not name:
        raise NotAManifest("a deletion of a whole collection")
    stored = client.get(path.partition("?")[0])
    if not stored.ok:
        raise NotAManifest("what it is about was not there before")
    if method == "DELETE":
        return Asked(stored.body, (*user, "--operation", "delete"))
    if content_type not in ("application/json", "application/merge-patch+json") or not isinstance(body, dict):
        raise NotAManifest("server-side apply or a JSON patch")
    return Asked(merged(stored.body, body), user, stored.body)


def _of_subresource(
    client: Client, method: str, path: str, subresource: str, body: Any, user: tuple[str, ...]
) -> Asked:
    """The run for a request to a subresource: its object is made of that of the resource."""
    stored = client.get(path.removesuffix(f"/{subresource}"))
    if not stored.ok:
        raise NotAManifest("a subresource of what was not there before")
    arguments = (*user, "--subresource", subresource)
    if (method, subresource) == ("POST", "eviction"):
        if body["metadata"].keys() > {"name"}:
            raise NotAManifest("an Eviction with more than a name")
        return Asked(stored.body, arguments)
    if method not in ("PUT", "PATCH") or not isinstance(body, dict) or subresource not in ("status", "scale"):
        raise NotAManifest(f"{method} of the subresource {subresource}")
    change = {"spec": {"replicas": body.get("spec", {}).get("replicas")}} if subresource == "scale" else body
    return Asked(merged(stored.body, change), arguments, stored.body)


def report(run: Asked, folder: Path) -> dict[str, Any]:
    """What `gatewright check -o json` says, with the tree that is below the folder."""
    file = folder / "manifest.json"
    file.write_text(json.dumps(run.manifest))
    arguments = ["check", str(file), "--policies", str(folder / "policies"), "-o", "json", *run.arguments]
    if run.old is not None:
        old = folder / "old.json"
        old.write_text(json.dumps(run.old))
        arguments += ["--old", str(old)]
    try:
        done = CliRunner().invoke(app, arguments)
    finally:
        gc.enable()
        gc.unfreeze()
    assert done.exit_code in (0, 1), (done.output, done.exception)
    said: dict[str, Any] = json.loads(done.stdout)
    assert (said["summary"]["deny"] > 0) == (done.exit_code == 1)
    return said


def findings(report: Object) -> dict[str, set[Told]]:
    """What check's report has, by action."""
    found: dict[str, set[Told]] = {"Deny": set(), "Warn": set(), "Audit": set()}
    for each in report["findings"]:
        found[each["action"]].add((each["policy"], each["binding"], each["message"]))
    return found


def as_sent(findings: dict[str, set[Told]]) -> dict[str, set[Told]]:
    """Findings of check as the API server would send them: it cuts warnings, and sends none with control characters.

    Only sets of warnings are told right that are all whole, or all cut and within the limit.
    """
    warnings = {each for each in findings["Warn"] if not _CONTROL.search(each[2])}
    texts = {each: _warning(each) for each in warnings}
    if sum(map(len, texts.values())) > _WHOLE:
        warnings = {
            (policy, binding, text[:_CUT][len(text) - len(message) :])
            for (policy, binding, message), text in texts.items()
        }
    return {**findings, "Warn": warnings}


def without_messages(findings: dict[str, set[Told]]) -> dict[str, set[Told]]:
    """Findings of which only policy and binding are compared."""
    return {action: {(policy, binding, "") for policy, binding, _ in found} for action, found in findings.items()}


def _warning(told: Told) -> str:
    policy, binding, message = told
    return f"{_PREFIX}ValidatingAdmissionPolicy '{policy}' with binding '{binding}': {message}"


def natively(verdict: Verdict) -> dict[str, set[Told]]:
    """The same of the server's verdict; of denials it tells one."""
    return {
        "Deny": {_told(verdict.message)} if verdict.outcome == "deny" else set(),
        "Warn": {_told(_decoded(each.removeprefix(_PREFIX))) for each in verdict.warnings if each.startswith(_PREFIX)},
        "Audit": {(each["policy"], each["binding"], each["message"]) for each in verdict.failures},
    }


def _decoded(header: str) -> str:
    """The text of a header, which the server sends as UTF-8 and the client reads byte by byte."""
    return header.encode("latin-1").decode(errors="replace")


def _told(text: str) -> Told:
    """ValidatingAdmissionPolicy 'a' with binding 'b' denied request: message."""
    about, _, message = text.partition(": ")
    words = about.replace("'", "").split()
    return words[1], words[4] if "binding" in words else "", message


def _target(path: str) -> tuple[str, str, str]:
    """Namespace, name and subresource of an API path; "" for what it has not."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2 and parts[2] not in ("status", "finalize"):
        namespace, parts = parts[1], parts[2:]
    _, name, subresource = (*parts, "", "")[:3]
    return namespace, name, subresource


def _user(request: Request) -> tuple[str, ...]:
    headers: dict[str, Any] = dict(request.headers)
    name = headers.pop("Impersonate-User", None)
    groups = headers.pop("Impersonate-Group", [])
    if headers:
        raise NotAManifest(f"sent with {', '.join(sorted(headers))}")
    if name is None:
        sender = next(user for user in USERS if user.name == request.user)
        name, groups = sender.name, list(sender.groups)
    named = [groups] if isinstance(groups, str) else groups
    return ("--as", name, *(part for group in named for part in ("--as-group", group)))
