"""Nothing that a report shows holds the content of a Secret, whatever a policy makes of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.amounts import amount
from webhook.admission.redaction import LAST_APPLIED
from webhook.cli.commands import app
from webhook.cli.report import explainjson, explaintext, writing
from webhook.cli.report.checked import Checked
from webhook.cli.report.explaintree import Look
from webhook.cli.report.model import Report, fingerprinted
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents import reader
from webhook.offline.policyexplained import explain_requests
from webhook.offline.requests import Options, plan
from webhook.offline.updates import compared
from webhook.offline.verdicts import verdicts
from webhook.policy.load.loading import load

CANARIES = {
    "data": "Kx7vQ2mZr9-Jq5b-Wp4LnT8s",
    "stringData": "hJ3bY6cVg5+t9Xk/Fd1RkM0e",
    "applied": "Zt8nU4wXa2.m3Hd.Qs6PiG7o",
    "plain": "Bv5xN9dEl1 r8Vu Cy3SjH2u",
    "param": "Ow7fI4qKb8_w2Fy_Tz6AgM1r",
    "old": "Lr2gD5yPs9=k6Tz=Ne8HuV3k",
}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(name: str, data: str, string: str, applied: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"app": "web"},
            "annotations": {LAST_APPLIED: applied},
        },
        "data": {"key": encoded(data)},
        "stringData": {"text": string, "number": string + "\n1", "list": "a," + string},
    }


OBJECT = secret(
    "credentials",
    CANARIES["data"],
    CANARIES["stringData"],
    json.dumps({"kind": "Secret", "stringData": {"before": CANARIES["applied"]}, "more": [CANARIES["applied"] + "!"]}),
)
OLD = secret("credentials", CANARIES["old"], CANARIES["old"], CANARIES["plain"])
PARAM = secret("bounds", CANARIES["param"], CANARIES["param"], CANARIES["param"])
LISTED = {
    "apiVersion": "example.com/v1",
    "kind": "Bundle",
    "metadata": {"name": "bundle"},
    "spec": {"secrets": [{"kind": "ConfigMap", "data": {"a": "b"}}, OBJECT, PARAM]},
}

READS = [
    "object.data.key",
    "object.stringData['text']",
    "object.?stringData.?number.orValue('none')",
    "object.stringData.list",
    f"object.metadata.annotations['{LAST_APPLIED}']",
    "oldObject.?data.?key.orValue(params.data.key)",
    "params.stringData.text",
    f"params.metadata.annotations['{LAST_APPLIED}']",
    "variables.told",
    "variables.holder.stringData.text",
    "[object][0].stringData.text",
    "{'a': object}.a.stringData.text",
    "[object.stringData.text][0]",
    "optional.of(object).value().data.key",
    "object.stringData.map(k, object.stringData[k])[0]",
    "object.metadata.annotations.transformList(k, v, v)[0]",
    "object.?data.?key.optMap(v, v + '.').orValue('')",
    "(has(object.data) ? object.data : {'key': ''}).key",
    "[dyn('a'), dyn('b'), dyn('c'), dyn('d'), dyn('e'), object.stringData.text].map(e, e)[5]",
]
MAKES = [
    "{}",
    "'it is ' + {}",
    "{}.substring(2, 14)",
    "{}.lowerAscii()",
    "{}.upperAscii()",
    "{}.replace('a', 'a')",
    "{}.split('-').join('-')",
    "'%s and %s'.format([{}, 1])",
    "{}.charAt(0) + {}.charAt(1) + {}.charAt(2) + {}.charAt(3) + {}.charAt(4) + {}.charAt(5) + {}.charAt(6)",
    "[{}].map(e, e + '!').join(',')",
    "string(bytes({}))",
    "string([1].map(i, {})[0])",
    "{{{}: 'x'}}.map(k, k)[0]",
    "(size({}) > 3 ? {} : 'short')",
    "string(int({}))",
    "string(duration({}))",
    "string(timestamp({}))",
    "string(double({}))",
    "string(quantity({}).asInteger())",
    "string('x'.matches({} + '('))",
    "string({{'a': 1}}[{}])",
    "string(object.metadata.labels[{}])",
    "string([1, 2][{}.indexOf('zzz')])",
    "[{}, 'b'].filter(e, e != 'b')[0]",
    "{}.find('[A-Za-z0-9]+')",
    "{}.findAll('.').map(c, c == 'a' ? 'a' : c).join('')",
    "optional.of({}).value()",
    "string(dyn({}))",
    "string(object)",
]


def policies(kind: str, reads: list[str]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    pairs = [(read, make) for place, read in enumerate(reads) for make in MAKES[place % 9 :: amount(3, 9)]]
    for number, (read, make) in enumerate(pairs):
        condition = read.replace("variables.told", "object.data.key").replace("variables.holder", "object")
        name = f"p{number}"
        made_text = make.replace("{{", "\0").replace("}}", "\1").replace("{}", f"string({read})")
        made_text = made_text.replace("\0", "{").replace("\1", "}")
        validations = [
            {"expression": f"{made_text} == 'nothing'", "messageExpression": made_text},
            {"expression": "object.metadata.name == 'x'", "messageExpression": f"'so: ' + {made_text}"},
        ]
        spec = {
            "failurePolicy": "Fail",
            "paramKind": {"apiVersion": "v1", "kind": "Secret"},
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": [kind]},
                ]
            },
            "matchConditions": [{"name": "c", "expression": f"string({condition}) != ''"}],
            "variables": [
                {"name": "told", "expression": "object.stringData.text + '-' + object.data.key"},
                {"name": "holder", "expression": "object"},
            ],
            "validations": validations,
        }
        made.append(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingAdmissionPolicy",
                "metadata": {"name": name},
                "spec": spec,
            }
        )
        made.append(
            {
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "ValidatingAdmissionPolicyBinding",
                "metadata": {"name": name},
                "spec": {
                    "policyName": name,
                    "paramRef": {"name": "bounds", "namespace": "default", "parameterNotFoundAction": "Deny"},
                    "validationActions": ["Deny"],
                },
            }
        )
    return made


PYTHON = """\
import base64
from gatewright import Violation, validate

def texts(request):
    for field in ("data", "stringData"):
        yield from request.object.get(field, {}).values()
    yield from request.object["metadata"]["annotations"].values()

@validate(resources=["v1/secrets"])
def spoken(request):
    for text in texts(request):
        yield f"it is {text}"
        yield f"begins with {text[:8]}, ends with {text[-9:]}"
        yield f"in capitals {text.upper()}"
        yield "in base64 " + base64.b64encode(("user:" + text).encode()).decode()
        yield "in hexadecimal " + text.encode().hex()
        yield Violation("at a place", path=("stringData", text[:12]))

@validate(resources=["v1/secrets"])
def broken(request):
    raise ValueError(f"cannot read {list(texts(request))!r}")
"""


def forbidden() -> set[str]:
    """Every slice of six characters of the canaries, in each form that a report might show them."""
    slices: set[str] = set()
    for canary in CANARIES.values():
        for form in (canary, canary.upper(), canary.lower(), encoded(canary), canary.encode().hex()):
            slices.update(form[at : at + 6] for at in range(len(form) - 5))
    return slices


FORBIDDEN = forbidden()


def leaked(output: str) -> set[str]:
    return {output[at : at + 6] for at in range(len(output) - 5)} & FORBIDDEN


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code in (0, 1), result.output
    return result.output


def written(tmp_path: Path, objects: list[dict[str, Any]]) -> str:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "policies.yaml").write_text(yaml.safe_dump_all([*objects, PARAM]))
    (tmp_path / "object.yaml").write_text(yaml.safe_dump(OBJECT))
    (tmp_path / "old.yaml").write_text(yaml.safe_dump(OLD))
    return str(folder)


def test_no_output_holds_a_slice_of_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each way to read a Secret, with each thing to make of it, in every report."""
    tree = written(tmp_path, policies("secrets", READS))
    reports = Reports(tree, str(tmp_path / "object.yaml"), str(tmp_path / "old.yaml"))
    findings = 0
    for output in reports.checked():
        assert leaked(output) == set()
        findings += output.count(" deny p") + output.count('"Deny"')
    assert findings > amount(700, 230)
    for name in reports.by_name:
        for output in reports.explained(name):
            assert leaked(output) == set(), (name, output)
    with capsys.disabled():
        print(f"\n{len(reports.by_name)} expressions over Secrets: no slice of one in {findings} findings")


class Reports:
    """What `check` and `explain` print, without loading the policies anew each time."""

    def __init__(self, tree: str, manifest: str, old: str) -> None:
        self.policies = load(Path(tree))
        planned = plan(reader.read([manifest])[0], Options(), self.policies.objects)
        again = plan(reader.read([manifest])[0], Options(), self.policies.objects)
        before = plan(reader.read([old])[0], Options(operation="DELETE"), self.policies.objects)
        self.requests = [*planned.requests, *compared(again.requests, before)]
        self.cluster = ManifestsView([*self.policies.objects, *planned.objects], planned.kinds, assume_namespaces=True)
        self.by_name = {policy.name: policy for policy in self.policies.policies}

    def checked(self) -> Iterator[str]:
        for explain in (False, True):
            found = list(verdicts(self.requests, self.policies, self.cluster, explain=explain))
            findings = [finding for verdict in found for finding in Checked().findings(verdict)]
            report = Report(command="check", findings=list(fingerprinted(findings)), shows_why=explain)
            for name in writing.FORMATS:
                yield "".join(writing.pieces(report, name))

    def explained(self, name: str) -> Iterator[str]:
        found = list(explain_requests(self.by_name[name], self.requests, self.policies, self.cluster))
        report = explaintext.Report(self.by_name[name], found, lambda path: "policy.yaml:1")
        yield explaintext.report(report, Look(lambda style, text: text, 400, full=True))
        yield explainjson.report([report], [], [])


def test_nothing_of_secrets_within_other_objects_is_shown(tmp_path: Path) -> None:
    reads = [
        "object.spec.secrets[1].stringData.text",
        "object.spec.secrets.filter(s, s.kind == 'Secret')[0].data.key",
        "object.spec.secrets.map(s, s.data)[2].key",
        "object.spec.secrets.map(s, s.kind == 'Secret' ? s.data.key : '')[1]",
        "object.spec.secrets",
    ]
    made = policies("bundles", reads)
    for each in made:
        if each["kind"] == "ValidatingAdmissionPolicy":
            each["spec"]["variables"] = []
    tree = written(tmp_path, made)
    (tmp_path / "bundle.yaml").write_text(yaml.safe_dump(LISTED))
    reports = Reports(tree, str(tmp_path / "bundle.yaml"), str(tmp_path / "bundle.yaml"))
    for output in reports.checked():
        assert leaked(output) == set()
        assert "bundle" in output
    for name in reports.by_name:
        for output in reports.explained(name):
            assert leaked(output) == set(), (name, output)


def test_what_python_policies_say_of_secrets_is_masked(tmp_path: Path) -> None:
    tree = written(tmp_path, [])
    bindings = [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny", "Audit"]},
        }
        for name in ("spoken", "broken")
    ]
    (Path(tree) / "policy.py").write_text(PYTHON)
    (Path(tree) / "policies.yaml").write_text(yaml.safe_dump_all(bindings))
    manifest = str(tmp_path / "object.yaml")
    for arguments in (
        ["check", manifest],
        ["check", manifest, "--explain"],
        ["check", manifest, "-o", "json"],
        ["explain", "spoken", manifest],
        ["explain", "broken", manifest],
        ["explain", "spoken", manifest, "-o", "json"],
    ):
        output = run(*arguments, "--policies", tree)
        assert leaked(output) == set(), arguments
        assert "characters>" in output or "broken" in arguments


MUTATION = """\
from gatewright import mutate


@mutate(resources=["v1/configmaps"], operations=["CREATE"], param_kind="v1/Secret")
def copies(request, params):
    word = params["stringData"]["word"]
    annotations = request.object["metadata"].setdefault("annotations", {})
    annotations["copied"] = "it is " + word
    annotations["key-" + word] = "there"
"""


def test_a_diff_shows_nothing_of_a_secret_that_a_mutation_copied_from_its_params(tmp_path: Path) -> None:
    tree = written(tmp_path, [])
    (Path(tree) / "policy.py").write_text(MUTATION)
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "copies"},
        "spec": {
            "policyName": "copies",
            "paramRef": {"name": "words", "namespace": "default", "parameterNotFoundAction": "Deny"},
        },
    }
    words = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "words", "namespace": "default"},
        "stringData": {"word": "opensesame-4711"},
    }
    (Path(tree) / "policies.yaml").write_text(yaml.safe_dump_all([binding, words]))
    target = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}
    manifest = tmp_path / "c.yaml"
    manifest.write_text(yaml.safe_dump(target))
    for arguments in (
        ["check", str(manifest), "--diff"],
        ["check", str(manifest), "--diff", "-o", "json"],
        ["explain", "copies", str(manifest)],
        ["explain", "copies", str(manifest), "-o", "json"],
    ):
        output = run(*arguments, "--policies", tree)
        assert "opensesame" not in output, arguments
        assert "4711" not in output, arguments
        assert "it is <15 characters>" in output, arguments


def test_a_leak_would_be_found() -> None:
    assert leaked(f"it is {CANARIES['data'][3:9]}")
    assert leaked(encoded(CANARIES["param"]))
