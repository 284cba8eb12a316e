"""Policies that say all they know of Secrets, and every output of every command and of the server, searched for it.

Secrets are the object, the old object, params and what a policy looks up; each is quoted in plain, in base64, reversed,
in upper case, cut and joined to other text.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from tests.server.direct import HEAD, Direct
from tests.server.running import end, launch
from webhook.admission.redaction import HIDDEN, LIMIT
from webhook.cli.commands import app
from webhook.library.listing import listing
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet

CANARIES = {
    "object": "Kx7vQ2mZr9-Jq5b-Wp4LnT8s",
    "old": "Lr2gD5yPs9=k6Tz=Ne8HuV3k",
    "param": "Ow7fI4qKb8_w2Fy_Tz6AgM1r",
    "read": "Bv5xN9dEl1.r8Vu.Cy3SjH2u",
}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(name: str, value: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"key": encoded(value)}}


OBJECT, OLD = secret("credentials", CANARIES["object"]), secret("credentials", CANARIES["old"])
PARAM, READ = secret("bounds", CANARIES["param"]), secret("read", CANARIES["read"])
PLAIN = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain", "namespace": "default"}}
WITHIN = {  # a custom object that holds a Secret
    "apiVersion": "example.com/v1",
    "kind": "Bundle",
    "metadata": {"name": "bundle", "namespace": "default"},
    "spec": {"templates": [OBJECT]},
}

SOURCES = {
    "object": "object.?data.?key.orValue(object.?spec.templates[0].data.key.orValue('none'))",
    "old": "(oldObject == null ? 'none' : oldObject.?data.?key.orValue('none'))",
    "param": "params.data.key",
}
MAKES = [
    "string({})",
    "string(bytes({}))",
    "'it is ' + {} + '.'",
    "[{0}, {0}].join(',')",
    "{}.upperAscii()",
    "{}.lowerAscii()",
    "{}.substring(2, 12)",
    "{}.split('-').join('-')",
    "'%s and %d'.format([{}, 1])",
    "variables.decoded",
]
ERRORS = [
    "string(int({}))",
    "string(duration({}))",
    "string('x'.matches({} + '('))",
    "string({{'a': 1}}[{}])",
]


def rules(*resources: str) -> dict[str, Any]:
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": list(resources)}
    return {"resourceRules": [rule]}


def policy(kind: str, name: str, spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A policy and its binding, with the Secret as params."""
    common = {
        "failurePolicy": "Fail",
        "paramKind": {"apiVersion": "v1", "kind": "Secret"},
        "matchConstraints": rules("configmaps", "secrets", "bundles"),
    }
    group = "admissionregistration.k8s.io/v1"
    yield {"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": {**common, **spec}}
    ref = {"name": "bounds", "namespace": "default", "parameterNotFoundAction": "Deny"}
    bound: dict[str, Any] = {"policyName": name, "paramRef": ref}
    if kind.startswith("Validating"):
        bound["validationActions"] = ["Audit", "Warn" if name.endswith("warn") else "Deny"]
    yield {"apiVersion": group, "kind": f"{kind}Binding", "metadata": {"name": name}, "spec": bound}


def validating() -> Iterator[dict[str, Any]]:
    kind = "ValidatingAdmissionPolicy"
    for source, read in SOURCES.items():
        made = [make.format(read) for make in MAKES]
        errors = [error.format(f"({read} == 'none' ? 'none' : {read})") for error in ERRORS]
        told = [{"expression": "1 > 2", "messageExpression": text} for text in made]
        told += [{"expression": f"{text} == 'nothing'"} for text in made]
        told += [{"expression": f"{error} == ''"} for error in errors]
        told += [{"expression": "1 > 2", "message": "fixed", "messageExpression": error} for error in errors]
        spec = {
            "variables": [{"name": "decoded", "expression": f"'decoded ' + {read}"}],
            "validations": told,
            "auditAnnotations": [
                {"key": f"k{number}", "valueExpression": text} for number, text in enumerate((*made, *errors))
            ],
        }
        exists = {"matchConditions": [{"name": "there", "expression": f"{read} != 'none'"}]}
        yield from policy(kind, f"{source}-deny", {**spec, **exists})
        if source == "param":
            yield from policy(kind, f"{source}-warn", {**spec, **exists})
        wrong = [{"name": f"wrong-{number}", "expression": f"{error} == ''"} for number, error in enumerate(errors)]
        spec = {"matchConditions": [*exists["matchConditions"], *wrong], "validations": [{"expression": "true"}]}
        yield from policy(kind, f"{source}-conditions", spec)


MUTATIONS = {
    "applied": (
        "ApplyConfiguration",
        "Object{metadata: Object.metadata{annotations: {'copied': 'it is ' + params.data.key}}}",
    ),
    "patched": (
        "JSONPatch",
        "[JSONPatch{op: 'add', path: '/metadata/labels', value: {'copied': params.data.key}}]",
    ),
    "pathless": (
        "JSONPatch",
        "[JSONPatch{op: 'remove', path: '/metadata/' + params.data.key}]",
    ),
    "failing": ("JSONPatch", "[JSONPatch{op: 'add', path: '/x', value: int(params.data.key)}]"),
}


def mutating(*names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        patch, expression = MUTATIONS[name]
        field = patch[0].lower() + patch[1:] if patch != "JSONPatch" else "jsonPatch"
        spec = {
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": patch, field: {"expression": expression}}],
        }
        yield from policy("MutatingAdmissionPolicy", name, spec)


PYTHON = """
import base64
from gatewright import Violation, mutate, validate

RESOURCES = ["v1/configmaps", "v1/secrets", "example.com/v1/bundles"]


def forms(request, *more):
    objects = [request.object, request.old_object, *more]
    objects += (request.object or {}).get("spec", {}).get("templates", [])
    for each in objects:
        if each is None or "data" not in each:
            continue
        key = each["data"]["key"]
        text = base64.b64decode(key).decode()
        for form in (key, text, text[::-1], text.upper(), "it is " + text + ".", text[3:15], text.encode().hex()):
            yield form
        yield base64.b64encode(("user:" + text).encode()).decode()


@validate(resources=RESOURCES, param_kind="v1/Secret", reads=["v1/Secret"])
def python_told(request, params):
    for form in forms(request, params, request.cluster.get("v1", "Secret", "read", "default").value):
        yield form
        yield Violation("in its path", path=("data", form))


@validate(resources=RESOURCES, param_kind="v1/Secret")
def python_params_raise(request, params):
    raise ValueError(f"cannot read {list(forms(request, params))}") from KeyError(params["data"]["key"])


@validate(resources=RESOURCES)
def python_object_raises(request):
    raise ValueError(f"cannot read {list(forms(request))}")


@validate(resources=RESOURCES, reads=["v1/Secret"])
def python_reads_raise(request):
    found = request.cluster.list("v1", "Secret", "default").value
    raise ValueError(f"cannot read {list(forms(request, *found))}")
"""
COPYING = """
import base64
from gatewright import mutate, validate


@mutate(resources=["v1/configmaps"], reads=["v1/Secret"])
def a_copies(request):
    text = base64.b64decode(request.cluster.get("v1", "Secret", "read", "default").value["data"]["key"]).decode()
    annotations = request.object["metadata"].setdefault("annotations", {})
    annotations["read"] = "it is " + text
    annotations["key-" + text] = "the key"
    annotations["backwards"] = text[::-1]
"""
QUOTING = """
from gatewright import mutate, validate


@validate(resources=["v1/configmaps"])
def quotes_the_copy(request):
    for key, value in request.object["metadata"].get("annotations", {}).items():
        yield f"{key}: {value}"


@mutate(resources=["v1/configmaps"])
def b_fails(request):
    raise ValueError(str(request.object["metadata"].get("annotations")))
"""
LOOKING = {"python-reads-raise", "a-copies"}  # by `reads=`
PYTHON_BINDINGS = {
    "python-told": ("Validating", True),
    "python-params-raise": ("Validating", True),
    "python-object-raises": ("Validating", False),
    "python-reads-raise": ("Validating", False),
}
COPY_QUOTED = {
    "kind": "ValidatingAdmissionPolicy",
    "name": "cel-quotes-the-copy",
    "spec": {
        "validations": [
            {
                "expression": "!has(object.metadata.annotations)",
                "messageExpression": "string(object.metadata.annotations.read)",
            },
            {"expression": "object.metadata.?annotations.?read.orValue('') == ''"},
            {"expression": "object.metadata.?annotations.orValue({}).all(key, key == 'x')"},
            {
                "expression": "1 > 2",
                "messageExpression": "string(object.metadata.annotations.map(k, object.metadata.annotations[k])[0])",
            },
            {"expression": "int(object.metadata.annotations.read) == 1"},
        ]
    },
}


def bound(name: str, kind: str, params: bool = False) -> dict[str, Any]:
    spec: dict[str, Any] = {"policyName": name}
    if kind == "Validating":
        spec["validationActions"] = ["Deny", "Audit"]
    if params:
        spec["paramRef"] = {"name": "bounds", "namespace": "default", "parameterNotFoundAction": "Deny"}
    group = "admissionregistration.k8s.io/v1"
    return {"apiVersion": group, "kind": f"{kind}AdmissionPolicyBinding", "metadata": {"name": name}, "spec": spec}


def cases(policy: str, kind: str) -> dict[str, Any]:
    """Cases that fail: their reports say what the policy said, and how the object differs."""
    metadata = {"name": "plain", "namespace": "default", "annotations": {"read": "x"}}
    wrong = {"expect": "allow", "expectObject": {**PLAIN, "metadata": metadata}}
    of_plain: dict[str, Any] = {"name": "plain", "object": PLAIN, "cluster": [READ, PARAM]}
    if kind == "Mutating":
        of_plain |= wrong
    else:
        of_plain["expect"] = "allow"
    of_secret = {"name": "secret", "object": OBJECT, "oldObject": OLD, "operation": "UPDATE", "cluster": [READ, PARAM]}
    made = [of_plain, {**of_secret, "expect": "allow"}]
    return {
        "apiVersion": "gatewright.dev/v1",
        "kind": "PolicyTest",
        "metadata": {"name": policy},
        "policy": policy,
        "cases": made,
    }


def all_of(*objects: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for group in objects for each in group]


TREES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "told": (
        [
            *validating(),
            *(bound(name, kind, params) for name, (kind, params) in PYTHON_BINDINGS.items()),
        ],
        PYTHON,
    ),
    "copied": (
        [
            *mutating("applied", "patched"),
            bound("a-copies", "Mutating"),
            *policy(COPY_QUOTED["kind"], COPY_QUOTED["name"], COPY_QUOTED["spec"]),  # type: ignore[arg-type]
            bound("quotes-the-copy", "Validating"),
        ],
        COPYING + QUOTING,
    ),
    "failing": (
        [*mutating("applied", "failing", "pathless"), bound("a-copies", "Mutating"), bound("b-fails", "Mutating")],
        COPYING + QUOTING,
    ),
}

FORMS: list[Callable[[str], str]] = [str, encoded, lambda text: text[::-1], str.upper, str.lower]


def forbidden() -> dict[str, str]:
    """Each slice of 8 characters of the canaries in each form, with its canary."""
    found: dict[str, str] = {}
    for name, canary in CANARIES.items():
        for form in FORMS:
            for text in (form(canary), form(encoded(canary))):
                found |= {text[at : at + 8]: name for at in range(len(text) - 7)}
    return found


FORBIDDEN = forbidden()


def leaked(output: str) -> set[str]:
    parts = {output[at : at + 8] for at in range(len(output) - 7)}
    return {f"{FORBIDDEN[part]}: {part}" for part in parts & FORBIDDEN.keys()}


@pytest.fixture(scope="module", params=TREES)
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the policies in `policies` and the objects beside it."""
    objects, code = TREES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    policies = folder / "policies"
    policies.mkdir()
    (policies / "policy.py").write_text(code)
    (policies / "policies.yaml").write_text(yaml.safe_dump_all([*objects, PARAM, READ]))
    loaded = load(policies)
    tests = [cases(each.name, each.kind.removesuffix("AdmissionPolicy")) for each in loaded.policies if each.bindings]
    (policies / "tests.yaml").write_text(yaml.safe_dump_all(tests))
    for name, each in {"object": OBJECT, "old": OLD, "plain": PLAIN, "within": WITHIN}.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(each))
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code in (0, 1), result.output
    return result.output


def commands(folder: Path) -> Iterator[list[str]]:
    named = {name: str(folder / f"{name}.yaml") for name in ("object", "old", "plain", "within")}
    update = ["--operation", "update", "--old", named["old"]]
    for manifests in ([named["object"], *update], [named["plain"], named["within"]]):
        yield ["check", *manifests, "--verbose", "--diff", "--explain"]
        yield ["check", *manifests, "--verbose", "--diff"]
        yield ["check", *manifests, "--verbose", "--diff", "--explain", "-o", "json"]
    yield ["test", "-o", "json"]
    yield ["test", "--verbose"]


def test_no_command_says_what_a_secret_holds(tree: Path) -> None:
    said = 0
    for arguments in commands(tree):
        output = run(*arguments, "--policies", str(tree / "policies"))
        assert leaked(output) == set(), arguments
        said += output.count("characters>")
    assert said > 20


@pytest.mark.parametrize(
    "shape", ["text", "json", "sarif", "junit", "github", "gitlab", "checkstyle", "markdown", "html"]
)
def test_impact_does_not_say_what_a_secret_holds(tree: Path, shape: str) -> None:
    old = tree / "before"
    old.mkdir(exist_ok=True)
    (old / "none.yaml").write_text(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: none}\n"
        "spec: {matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE],"
        " resources: [services]}]}, validations: [{expression: 'true'}]}\n"
    )
    files = [str(tree / f"{name}.yaml") for name in ("object", "plain", "within")]
    output = run("impact", *files, "--old", str(old), "--new", str(tree / "policies"), "-o", shape)
    assert leaked(output) == set()
    assert re.search(" characters(>|&gt;|\\\\u003e)", output)  # something was hidden


def test_no_explanation_says_what_a_secret_holds(tree: Path) -> None:
    policies = str(tree / "policies")
    files = [str(tree / f"{name}.yaml") for name in ("object", "plain", "within")]
    for each in load(Path(policies)).policies:
        if not each.bindings or each.name == "param-warn":  # as param-deny
            continue
        for more in (["--full"], ["-o", "json"]):
            output = run("explain", each.name, *files, *more, "--policies", policies)
            assert leaked(output) == set(), (each.name, more)


def test_the_server_says_nothing_that_a_secret_holds(tree: Path, tmp_path: Path) -> None:
    direct = Direct(tmp_path, policies := load(tree / "policies"))
    answered = denied = masked = annotated = 0
    for body in reviews():
        for path in ("/validate", "/mutate"):
            answer = direct.answer(body, HEAD._replace(path=path, target=path.encode()))
            assert answer.status == 200, answer.body
            response = json.loads(answer.body)["response"]
            response.pop("patch", None)  # what a mutation does is for the object
            text = json.dumps(response)
            assert leaked(text) == set(), (path, text)
            answered += 1
            denied += not response["allowed"]
            masked += "characters>" in text
            annotated += "validation_failure" in response.get("auditAnnotations", {})
    told = "copied" not in tree.name  # of what a mutation copied, only the command knows where it is from
    assert denied
    assert bool(masked) is told
    assert answered == 8
    lines = direct.lines()
    assert len(lines) == answered
    policies_by_name = {each.name: each for each in policies.policies}
    for line in lines:
        assert leaked(json.dumps(line)) == set(), line
        for finding in line.get("findings", ()):
            quiet = "Secret" in str(policies_by_name[finding["policy"]].param_kind) or line["resource"] == "v1/secrets"
            assert quiet is ("message" not in finding) or finding["policy"] in LOOKING
    assert leaked(direct.metrics.exposition().decode()) == set()
    assert leaked(orjson.dumps(listing(policies, {}, {})).decode()) == set()
    assert annotated == (0 if "failing" in tree.name else 4)


def test_a_server_whose_policies_run_apart_says_nothing_either(tmp_path: Path) -> None:
    """The results, what was looked up for them, and what is printed come from another process."""
    tree = tmp_path / "policies"
    tree.mkdir()
    printing = "def python_told(request, params):\n    print(list(forms(request, params)))\n"
    (tree / "policy.py").write_text(PYTHON.replace("def python_told(request, params):\n", printing))
    alone = bound("python-told", "Validating", params=True)  # what it looks up is known from the first run only
    (tree / "policies.yaml").write_text(yaml.safe_dump_all([alone, PARAM, READ]))
    server = launch("--policies", str(tree), "--policy-isolation", "all", "--policy-timeout", "30")
    try:
        for body in reviews():
            response = server.post("/validate", body).response
            assert not response["allowed"]
            assert "characters>" in json.dumps(response)
            assert "it is <" in json.dumps(response)
            assert leaked(json.dumps(response)) == set()
        assert leaked(json.dumps(json.loads(server.get("/policies").body))) == set()
        assert len(server.events("review", 4)) == 4
        printed = server.events("policy said", 4)
    finally:
        end(server)
    assert {line["message"] for line in printed} == {"(left out: the policy sees a Secret)"}
    for text in (*map(json.dumps, server.lines), *server.said):
        assert leaked(text) == set(), text


def reviews() -> Iterator[bytes]:
    yield review("secrets", "", "Secret", OBJECT)
    yield review("secrets", "", "Secret", OBJECT, OLD)
    yield review("configmaps", "", "ConfigMap", PLAIN)
    yield review("bundles", "example.com", "Bundle", WITHIN)


def review(resource: str, group: str, kind: str, value: dict[str, Any], old: dict[str, Any] | None = None) -> bytes:
    request = {
        "uid": f"of-{resource}",
        "kind": {"group": group, "version": "v1", "kind": kind},
        "resource": {"group": group, "version": "v1", "resource": resource},
        "name": value["metadata"]["name"],
        "namespace": "default",
        "operation": "CREATE" if old is None else "UPDATE",
        "userInfo": {"username": "tenant"},
        "object": value,
        "oldObject": old,
    }
    return orjson.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def test_what_concerns_no_secret_is_said_and_logged_whole(tmp_path: Path) -> None:
    """Policies and params without Secrets: nothing is masked, though the same values stand in ConfigMaps."""
    tree = tmp_path / "policies"
    tree.mkdir()
    (tree / "policy.py").write_text(QUOTING)
    (tree / "policies.yaml").write_text(yaml.safe_dump(bound("quotes-the-copy", "Validating")))
    policies = load(tree)
    assert not policies.reads_secrets
    direct = Direct(tmp_path, policies)
    quoted = {**PLAIN, "metadata": {**PLAIN["metadata"], "annotations": {"a": CANARIES["object"]}}}  # type: ignore[dict-item]
    answer = direct.answer(review("configmaps", "", "ConfigMap", quoted))
    assert f"a: {CANARIES['object']}" in answer.body.decode()
    assert f"a: {CANARIES['object']}" in json.dumps(direct.lines())


def test_messages_that_could_quote_a_large_secret_are_hidden_whole(tree: Path, tmp_path: Path) -> None:
    direct = Direct(tmp_path, load(tree / "policies"))
    large = {**OBJECT, "data": {"key": OBJECT["data"]["key"], "more": "A" * LIMIT}}
    answer = json.loads(direct.answer(review("secrets", "", "Secret", large)).body)["response"]
    if "failing" in tree.name:  # it has no validating policy
        assert answer["allowed"]
        return
    causes = {cause["message"] for cause in answer["status"]["details"]["causes"]}
    assert {cause.partition(" denied request: ")[2] for cause in causes} == {HIDDEN}


def test_an_object_of_the_resource_is_a_secret_whatever_kind_it_says(tmp_path: Path) -> None:
    """A client of the port that is not the API server may leave the kind out."""
    tree = tmp_path / "policies"
    tree.mkdir()
    (tree / "policy.py").write_text(PYTHON)
    (tree / "policies.yaml").write_text(yaml.safe_dump(bound("python-object-raises", "Validating")))
    direct = Direct(tmp_path, load(tree))
    value = {name: each for name, each in OBJECT.items() if name != "kind"}
    for kind in ("Secret", "Other"):
        text = direct.answer(review("secrets", "", kind, value)).body.decode()
        assert "ValueError" in text
        assert leaked(text) == set()


def test_the_tree_of_policies_says_whether_it_reads_secrets(tree: Path) -> None:
    policies = load(tree / "policies")
    assert policies.reads_secrets
    assert not PolicySet().reads_secrets
    assert {each.name for each in policies.policies if each.language == "python" and each.reads_secrets} <= {
        "python-told",
        "python-params-raise",
        "python-reads-raise",
        "a-copies",
    }


def test_a_leak_would_be_found() -> None:
    for canary in CANARIES.values():
        assert leaked(f"it is {canary[3:11]}")
        assert leaked(encoded(canary))
        assert leaked(canary[::-1].upper() if canary[::-1].upper() in FORBIDDEN else canary[::-1])
        assert leaked(canary.upper())
