"""What policies print goes to stderr, or is kept in bounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import gatewright
from webhook.policy.python.printing import MAX_LINES, MAX_TEXT, Said, print_of_policy

POLICY = """\
import pprint
from gatewright import validate

print("loaded")

@validate(resources=["v1/pods"])
def p(request):
    print("one", "two", sep="-")
    pprint.pprint({"a": 1})
"""
BINDING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: p}
spec: {policyName: p, validationActions: [Deny]}
"""
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i}]}\n"


def test_the_report_of_check_stays_json(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.py").write_text(POLICY)
    (tmp_path / "policies" / "p.yaml").write_text(BINDING)
    (tmp_path / "pod.yaml").write_text(POD)
    run = gatewright("check", "pod.yaml", "-o", "json", cwd=tmp_path)
    assert json.loads(run.stdout)["findings"] == []
    for line in ("loaded", "one-two", "{'a': 1}"):
        assert line in run.stderr.splitlines()


def test_a_unit_test_sees_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_of_policy("a", 1, end="!")
    assert capsys.readouterr() == ("", "a 1!")


def test_it_is_kept_in_bounds() -> None:
    said = Said()
    assert said.writable()
    print("a\nb", file=said)
    print("c", end="", file=said)
    assert said.taken() == ["a", "b", "c"]
    assert said.taken() == []
    print("x" * 10_000, file=said)
    assert said.taken() == ["x" * MAX_TEXT + "…"]
    for index in range(MAX_LINES + 5):
        print(index, file=said)
    assert said.taken() == [*map(str, range(MAX_LINES)), "… and 5 lines more"]
