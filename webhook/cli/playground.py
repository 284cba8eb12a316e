"""Evaluates what the playground of the server's page asks for: policies on an object, with explanation and cost.

It runs in a process of its own, which webhook.server.page.trying starts: `python -m webhook.cli.playground SECONDS`, of
processor time, reads one JSON object from stdin, and writes one to stdout.

Asked: {"policy", "object", "old", "operation", "namespace", "user", "groups", "version", "language", "imports"}, all
texts but the lists `groups` and `imports`. `policy` and `object` are YAML or JSON of one or several documents; so is
`old`, which makes an update. With the `language` "python", `policy` is the text of a file in Python, which may import
`imports` besides what all policies may. Such code may open no file and no connection, and start nothing, as in the
server (webhook.policy.python.forbidding); whoever is let in is trusted not to break out of that.

Answered: {"problems": [{"where": "policy", "object" or "old", "line", "column", "message"}], "notes": [text], "denied":
whether the request is, "costs": [{"policy", "object", "cost", "share"}], "policies": as in
webhook.cli.report.explainjson}.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson
from msgspec.structs import replace

from webhook.cli.report import explainjson, explaintext
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents.document import Problem
from webhook.offline import manifests
from webhook.offline.background import Background
from webhook.offline.lookedup import looked_up
from webhook.offline.measuring import Measuring
from webhook.offline.policyexplained import explain_requests
from webhook.offline.requests import Options, Plan, impersonated, plan
from webhook.offline.updates import compared
from webhook.policy.load.loading import PolicyTreeError, load_tree
from webhook.policy.load.treefiles import Tree, TreeFile
from webhook.policy.policyset import Policy, PolicySet
from webhook.policy.request import DELETE
from webhook.server.limiting import limit
from webhook.versions import parse_version
from webhook.visible import encodable, visible

MEMORY: Final = 256 << 20
"""Bytes that it may take."""

LONGEST: Final = 60
"""Seconds in all, if the server ends first."""

MOST_OBJECTS: Final = 20
"""The most requests that are evaluated: a workload makes two, one for itself and one for its Pod."""

_FILE = "policy.yaml"
_PYTHON = "policy.py"
_MADE = "binding.yaml"
_WHERE = {_FILE: "policy", _PYTHON: "policy", _MADE: "policy", "<stdin>": "object"}

Answer = dict[str, Any]


class _Refused(Exception):
    """What was asked cannot be evaluated."""

    def __init__(self, where: str, problems: Iterable[Problem]) -> None:
        super().__init__(where)
        self.where = where
        self.problems = list(problems)


def answer(asked: Answer) -> Answer:
    """The answer to a question; see above."""
    try:
        return _answered(asked)
    except _Refused as refused:
        return {
            "problems": [
                {
                    "where": _WHERE.get(each.file, refused.where) if refused.where == "policy" else refused.where,
                    "line": each.line,
                    "column": each.column,
                    "message": visible(each.message),
                }
                for each in refused.problems[:100]
            ]
        }


def _answered(asked: Answer) -> Answer:
    notes: list[str] = []
    policies = _loaded(asked, notes)
    try:
        user = impersonated(asked["user"], asked["groups"])
    except ValueError as error:
        raise _Refused("object", [Problem("", None, None, str(error))]) from None
    operation = "CREATE" if asked["old"].strip() else asked["operation"]
    options = Options(asked["namespace"] or "default", user, operation, target=policies.target)
    planned = _planned("object", asked["object"], options, policies)
    requests = list(planned.requests)
    if asked["old"].strip():
        deletions = Options(options.namespace, user, DELETE, target=policies.target)
        requests = compared(requests, _planned("old", asked["old"], deletions, policies))
    if not requests:
        raise _Refused("object", [Problem("", None, None, "no object in it to send")])
    if len(requests) > MOST_OBJECTS:
        notes.append(f"{len(requests) - MOST_OBJECTS} more requests are not evaluated; {MOST_OBJECTS} are")
        del requests[MOST_OBJECTS:]
    policies = planned.defaulting(policies)
    view = ManifestsView(looked_up(policies.objects, planned.objects), planned.kinds, assume_namespaces=True)
    reports = [
        explaintext.Report(
            policy, list(explain_requests(policy, requests, policies, view)), lambda _: "", Background(policies)
        )
        for policy in policies.policies
    ]
    measuring = Measuring(policies, 1)
    measuring.planned(requests, view)
    explained = orjson.loads(explainjson.report(reports, [*notes, *planned.notes], ()))
    return {
        "problems": [],
        "notes": explained["notes"],
        "denied": any(report.denied for report in reports),
        "costs": [
            {"policy": each.policy.name, "object": took.place.name, "cost": took.cost, "share": took.share}
            for each in measuring.figures()
            for took in each.took
        ],
        "policies": explained["policies"],
    }


def _loaded(asked: Answer, notes: list[str]) -> PolicySet:
    """The policies; those without a binding have one that denies. Raises _Refused."""
    version = parse_version(asked["version"])
    python = asked["language"] == "python"
    files = [TreeFile(_PYTHON if python else _FILE, asked["policy"].encode("utf-8", "replace"))]
    tree = Tree(("policy",), tuple(files), (), "playground", tuple(asked["imports"]))
    try:
        policies = load_tree(tree, version)
        if made := list(_bindings(policies.policies)):
            names = ", ".join(each["spec"]["policyName"] for each in made)
            notes.append(f"without a binding, so evaluated as if bound everywhere, with Deny: {names}")
            text = b"\n---\n".join(orjson.dumps(each) for each in made)
            files.append(TreeFile(_MADE, text))
            policies = load_tree(replace(tree, files=tuple(files)), version)
    except PolicyTreeError as error:
        raise _Refused("policy", error.problems) from None
    return policies


def _bindings(policies: Iterable[Policy[Any]]) -> Iterator[Answer]:
    """A binding for each policy that has none."""
    for policy in policies:
        if policy.bindings:
            continue
        spec: Answer = {"policyName": policy.name}
        if policy.kind == "ValidatingAdmissionPolicy":
            spec["validationActions"] = ["Deny"]
        if policy.param_kind is not None:
            spec["paramRef"] = {"selector": {}, "parameterNotFoundAction": "Deny"}
        yield {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": f"{policy.kind}Binding",
            "metadata": {"name": policy.name},
            "spec": spec,
        }


def _planned(where: str, text: str, options: Options, policies: PolicySet) -> Plan:
    """The requests that the objects of a text lead to. Raises _Refused."""
    read = manifests.read(["-"], io.BytesIO(text.encode("utf-8", "replace")), crds=policies.objects, may_be_empty=True)
    planned = plan(read.documents, options, policies.objects)
    if problems := [*read.problems, *planned.problems]:
        raise _Refused(where, problems)
    return planned


def main() -> None:
    """The work of the process."""
    limit(MEMORY, LONGEST, int(sys.argv[1]))
    asked = orjson.loads(sys.stdin.buffer.read())
    if asked["language"] == "python":
        from webhook.policy.python.forbidding import forbid  # where there is such code

        forbid()
    sys.stdout.buffer.write(orjson.dumps(encodable(answer(asked))))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
