"""A run file by file comes to what a run comes to that has all manifests in memory."""

from __future__ import annotations

import io
import os
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.definitions import definition
from tests.offline.repositories import REPOSITORIES, write
from webhook.cli.report.checked import Checked, Judged
from webhook.cluster.manifestsview import ManifestsView
from webhook.documents import reader
from webhook.jobs import Jobs
from webhook.offline import manifests, sifting
from webhook.offline.background import Background
from webhook.offline.inputs import Inputs, asked
from webhook.offline.lookedup import looked_up
from webhook.offline.requests import Options
from webhook.offline.streaming import Part, Planned, Run, Said, Streamed, batched
from webhook.offline.verdicts import verdicts
from webhook.policy.load.loading import load
from webhook.policy.policyset import PolicySet

POLICIES = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: tier}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: ["*"], apiVersions: ["*"], operations: [CREATE], resources: ["*"]}]
  validations:
  - expression: namespaceObject == null || namespaceObject.metadata.labels[?'tier'].orValue('') == params.data.tier
    messageExpression: "'of tier ' + params.data.tier + ': ' + object.metadata.name"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: tier}
spec:
  policyName: tier
  validationActions: [Deny]
  paramRef: {name: tier, namespace: ops, parameterNotFoundAction: Deny}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: gears}
spec:
  paramKind: {apiVersion: y.example/v1, kind: Cog}
  matchConstraints:
    resourceRules: [{apiGroups: [x.example], apiVersions: [v1], operations: [CREATE], resources: [gears]}]
  validations:
  - {expression: object.spec.count < params.count, message: too many}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: gears}
spec: {policyName: gears, validationActions: [Warn], paramRef: {name: c, parameterNotFoundAction: Deny}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: owner}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: "Object{metadata: Object.metadata{labels: {'owner': 'shop'}}}"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: owner}
spec: {policyName: owner}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: of-tree}
data: {a: b}
"""
PARAM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: tier, namespace: ops}\ndata: {tier: a}\n"
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {tier: a}}\n"
SCHEMA = """
type: object
properties: {spec: {type: object, properties: {count: {type: integer, default: 3, maximum: 5}}}}
"""
DEFINITION = definition("Gear", "gears", SCHEMA.strip(), group="x.example") + "\n"
GEARS = """
apiVersion: x.example/v1
kind: Gear
metadata: {name: g, namespace: shop}
spec: {}
---
apiVersion: x.example/v1
kind: Gear
metadata: {name: h, namespace: shop}
spec: {count: 9}
"""
COG = "apiVersion: y.example/v1\nkind: Cog\nmetadata: {name: c, namespace: shop}\ncount: 3\n"
WRONG = """
apiVersion: v1
kind: Pod
metadata: {name: 1}
spec: {contaners: 1}
---
kind: Pod
metadata: {name: x}
spec: {}
---
apiVersion: a/b/c
kind: Pod
metadata: {name: y}
---
apiVersion: v1
kind: ConfigMap
metadata: {}
"""
TWICE = "---\n".join(
    f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: t}}\ndata: {data}\n"
    for data in ("{}", "{a: b}", "{a: b, a: c}")
)
ACCOUNTS = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: shop}
automountServiceAccountToken: false
---
apiVersion: v1
kind: LimitRange
metadata: {name: l, namespace: shop}
spec: {limits: [{type: Pod, max: {cpu: "1"}}]}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: p}
value: 5
globalDefault: true
"""


def workload(source: random.Random, number: int) -> dict[str, Any]:
    metadata = {"name": f"w-{number}", "namespace": source.choice(["shop", "web", "ops"])}
    spec = {"containers": [{"name": "c", "image": "a"}]}
    if source.random() < 0.4:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "Namespace"}}
    if source.random() < 0.4:
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    template = {"metadata": {"labels": {"app": "a"}}, "spec": spec}
    body = {"selector": {"matchLabels": {"app": source.choice("aab")}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": body}


def listed(source: random.Random, count: int) -> str:
    items = [workload(source, 500 + number) for number in range(count)]
    return yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items})


def many(source: random.Random) -> dict[str, str]:
    return {f"d/{number:03}.yaml": yaml.safe_dump(workload(source, number)) for number in range(40)}


def trees(seed: int) -> dict[str, str]:
    """Files of a folder, with much of what runs come across; what others depend on often stands last."""
    source = random.Random(seed)
    optional = {
        "z/param.yaml": PARAM,
        "z/escaped.yaml": PARAM.replace("ConfigMap", '"Config\\x4dap"').replace("tier: a", "tier: b"),
        "z/namespace.yaml": NAMESPACE,
        "z/hidden.yaml": NAMESPACE.replace("Namespace", "!!b%69nary TmFtZXNwYWNl").replace("shop", "web"),
        "z/list.json": '{"apiVersion": "v1", "kind": "NamespaceList", "items": [{"metadata": {"name": "ops"}}]}',
        "z/definition.yaml": DEFINITION,
        "z/cog.yaml": COG,
        "a/gears.yaml": GEARS,
        "a/cogs.yaml": COG.replace("name: c", "name: d"),
        "b/wrong.yaml": WRONG,
        "b/twice.yaml": TWICE,
        "b/broken.yaml": "kind: [\n",
        "b/template.yaml": "kind: Pod\nmetadata: {{ x }}\n",
        "b/values.yaml": "a: 1\n",
        "b/of-tree.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: of-tree}\n",
        "b/list.yaml": listed(source, 30),
        "b/large.yaml": yaml.safe_dump_all(workload(source, 600 + number % 70) for number in range(200)),
        "s/accounts.yaml": ACCOUNTS,
        "k/kustomization.yaml": "resources: [more]\npatches: [{path: patch.yaml}]\n",
        "k/patch.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: x-1}\n",
        "k/more": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n",
        "c/Chart.yaml": "name: c\n",
        "c/templates/a.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: '{{ x }}'}\n",
        "c/values.yaml": "metadata: {name: a}\nspec: {}\n",
    }
    chosen = {name: text for name, text in optional.items() if source.random() < 0.7}
    return many(source) | chosen


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    here = Path.cwd()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "policies.yaml").write_text(POLICIES)
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(here)


def came_to(run: Run, jobs: int) -> tuple[Any, ...]:
    """The findings of a run, and all else that is said of it."""
    objects = looked_up(run.policies.objects, run.objects)
    cluster = ManifestsView(objects, run.kinds, assume_namespaces=True)
    made = Checked(Background(run.policies))

    def judged(part: Part) -> tuple[list[Judged], Said]:
        said = Said()
        return [made.judged(each, True) for each in verdicts(run.requests(part, said), run.policies, cluster)], said

    said, found = Said(), list[Judged]()
    work = Jobs(jobs, judged, lambda: cluster.assumed)
    for on_part, of_part in work.run(run.parts(jobs)):
        said.take(of_part)
        found += on_part
    whole = run.whole(said)
    problems = sorted(whole.problems, key=lambda problem: (problem.file, problem.line or 0))
    assumed = set[str]().union(*work.endings) & whole.depending
    return found, problems, whole.warnings, whole.notes, list(whole.left_out), whole.met, whole.empty, assumed


def at_once(inputs: Inputs, options: Options, policies: PolicySet, stdin: bytes = b"") -> tuple[Any, ...]:
    found = asked(inputs, options, policies, io.BytesIO(stdin))
    return came_to(Planned(found, found.requests, ()), 1)


def assert_same(inputs: Inputs, options: Options, stdin: bytes = b"") -> tuple[Any, ...]:
    policies = load("policies")
    expected = at_once(inputs, options, policies, stdin)
    for jobs in (1, 3):
        assert came_to(Streamed(inputs, options, policies, io.BytesIO(stdin)), jobs) == expected
    return expected


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kept", ["all", "nothing"])
def test_file_by_file_comes_to_the_same(folder: Path, seed: int, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kept == "nothing":  # as of trees beyond these bytes: each file is read, and parsed, again
        monkeypatch.setattr(manifests, "_KEPT", 0)
        monkeypatch.setattr(manifests, "_PARSED", 0)
    write(folder / "files", trees(seed))
    source = random.Random(seed)
    inputs = Inputs(["files"], strict=source.random() < 0.3, verbose=source.random() < 0.5)
    found, *_ = assert_same(inputs, Options(as_written=source.random() < 0.2))
    assert any(each.findings for each in found)


def test_what_others_depend_on_may_stand_in_the_last_file(folder: Path) -> None:
    """And it makes a difference: without it, the findings are others."""
    files = {"a.yaml": GEARS, "b.yaml": COG}
    write(folder / "files", files)
    without = assert_same(Inputs(["files"]), Options())
    for name, text in (("x.yaml", PARAM), ("y.yaml", NAMESPACE), ("z.yaml", DEFINITION)):
        write(folder / "files", {name: text})
        found = assert_same(Inputs(["files"]), Options())
        assert found[0][0] != without[0][0]  # of the first Gear
        without = found


@pytest.mark.parametrize("name", REPOSITORIES)
def test_whole_repositories_come_to_the_same(folder: Path, name: str) -> None:
    write(folder / "files", REPOSITORIES[name])
    assert_same(Inputs(["files"]), Options())
    assert_same(Inputs(["files"], strict=True), Options())


def test_paths_of_all_kinds_come_to_the_same(folder: Path) -> None:
    write(folder / "files", trees(1))
    write(folder, {"one.yaml": TWICE, "two.yaml": "a: 1\n", "empty/notes.txt": "x", "three/a.yaml": "b: 2\n"})
    (folder / "files" / "utf16.yaml").write_bytes(NAMESPACE.encode("utf-16"))
    (folder / "files" / "bytes.yaml").write_bytes(b"a: \xff\n")
    stdin = f"{listed(random.Random(5), 40)}---\n{PARAM}".encode()
    paths = ["one.yaml", "-", "files/d", "files", "two.yaml", "empty", "three", "missing.yaml", "one.yaml"]
    assert_same(Inputs(paths), Options(), stdin)
    assert_same(Inputs(["-"]), Options(), stdin)
    assert_same(Inputs(["-"]), Options())
    assert_same(Inputs(["empty"]), Options())


def test_a_file_that_is_gone_when_it_is_judged_is_a_problem(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifests, "_KEPT", 0)
    monkeypatch.setattr(manifests, "_PARSED", 0)
    write(folder / "files", {"a.yaml": PARAM, "b.yaml": COG})
    run = Streamed(Inputs(["files"]), Options(), load("policies"), None)
    Path("files/b.yaml").unlink()
    _, problems, *_ = came_to(run, 1)
    assert list(map(str, problems)) == ["files/b.yaml: cannot be read: No such file or directory"]


def test_documents_are_forgotten(folder: Path) -> None:
    """What is in memory after each part does not grow with the parts before."""
    plain = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {a: b}\n"  # that nothing looks up
    write(folder / "files", {f"{number:03}.yaml": plain.replace("NAME", f"c-{number}") for number in range(400)})
    run = Streamed(Inputs(["files"]), Options(), load("policies"), None)
    parts = run.parts(1)
    assert len(parts) > 4
    held = list[int]()
    tracemalloc.start()
    try:
        for part in parts:
            assert sum(1 for _ in run.requests(part, Said())) == len(part.files)
            held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert held[-1] - held[1] < 30_000


def test_files_are_not_parsed_that_hold_nothing_others_need(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "files", many(random.Random(3)) | {"z.yaml": NAMESPACE})
    parsed = list[str]()

    def noting(content: bytes, name: str) -> reader.Parsed:
        parsed.append(name)
        return reader.parsed(content, name)

    monkeypatch.setattr(manifests, "parsed", noting)
    monkeypatch.setattr(sifting, "parsed", noting)
    Streamed(Inputs(["files"]), Options(), load("policies"), None)
    mention = [name for name, text in many(random.Random(3)).items() if "Namespace" in text]
    assert sorted(parsed) == sorted(f"files/{name}" for name in [*mention, "z.yaml"])
    assert len(parsed) < 30


def test_values_in_lists_of_some() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batched([], 2)) == []
