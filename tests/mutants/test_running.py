"""Which mutants the tests of a policy kill: none that strong tests leave, and just those that weak tests leave."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.mutants.trees import case, lines, mutated, pod, policy_test
from webhook.mutants.stopping import Times

CEL = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: grace}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}
  matchConditions:
  - {name: named, expression: "object.metadata.name != 'free'"}
  variables:
  - name: seconds
    expression: object.spec.?terminationGracePeriodSeconds.orValue(0)
  validations:
  - expression: >-
      variables.seconds >= 10 &&
      !has(object.spec.hostNetwork)
    message: wait 10 seconds, without the network of the node
"""
OLD = "oldObject: " + pod(terminationGracePeriodSeconds=10)
STRONG = (
    case("10 seconds are allowed", "allow", pod(terminationGracePeriodSeconds=10)),
    case("9 seconds are denied", "deny", pod(terminationGracePeriodSeconds=9)),
    case("30 seconds are allowed", "allow", pod(terminationGracePeriodSeconds=30)),
    case("the network of the node is denied", "deny", pod(terminationGracePeriodSeconds=30, hostNetwork=True)),
    case("its processes are allowed", "allow", pod(terminationGracePeriodSeconds=30, hostPID=True)),
    case("an update is looked at as well", "deny", pod(terminationGracePeriodSeconds=9), OLD),
    case("who is free is left out", "no-match", pod("free", terminationGracePeriodSeconds=9)),
)
ALWAYS_SET = (
    "mutants:\n- ids: [IDS]\n  reason: The API server sets terminationGracePeriodSeconds, so no expression fails.\n"
)


def write(root: Path, policy: str, *cases: str, mutants: str = "", name: str = "policy.yaml") -> Path:
    (root / name).write_text(policy)
    declared = "grace" if policy is CEL or "name: grace" in policy else "named"
    (root / "tests.yaml").write_text(policy_test(declared, *cases, mutants=mutants))
    return root


UNSEEN = [
    "optional: expression: object.spec.terminationGracePeriodSeconds.orValue(0)",
    "bound: expression: object.spec.?terminationGracePeriodSeconds.orValue(1)",
    "bound: expression: object.spec.?terminationGracePeriodSeconds.orValue(-1)",
    "failurePolicy: failurePolicy: Ignore",
]
"""What no test can notice, as the API server sets the field."""


def test_strong_tests_kill_every_mutant_but_what_cannot_be_noticed(tmp_path: Path) -> None:
    (found,) = mutated(write(tmp_path, CEL, *STRONG))
    survivors = found.of("survived")
    assert sorted(lines(survivors)) == sorted(each for each in UNSEEN if not each.startswith("optional"))
    ids = ", ".join(f'"{each.mutant.id}"' for each in survivors)
    (found,) = mutated(write(tmp_path, CEL, *STRONG, mutants=ALWAYS_SET.replace("IDS", ids)))
    assert found.passed
    assert not found.stale
    assert {each.reason for each in found.of("explained")} == {
        "The API server sets terminationGracePeriodSeconds, so no expression fails."
    }
    assert len(found.of("killed")) + len(survivors) == len(found.outcomes)
    assert found.outcomes[0].by in [each.split("'")[1] for each in STRONG]


@pytest.mark.parametrize(
    ("missing", "survivors"),
    [
        (0, ["bound: variables.seconds > 10 &&", "bound: variables.seconds >= 11 &&"]),
        (1, []),
        (2, []),
        (3, ["field: !has(object.spec.hostUsers)"]),
        (4, []),
        (5, ['operations: - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}']),
        (6, ["constant: - {name: named, expression: \"object.metadata.name != ''\"}"]),
    ],
)
def test_weak_tests_leave_what_the_missing_case_is_about(tmp_path: Path, missing: int, survivors: list[str]) -> None:
    cases = [each for index, each in enumerate(STRONG) if index != missing]
    (found,) = mutated(write(tmp_path, CEL, *cases))
    assert not found.passed
    assert set(survivors) <= set(lines(found.of("survived"))), lines(found.of("survived"))


def test_without_tests_every_mutant_would_survive(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(CEL)
    (found,) = mutated(tmp_path)
    assert not found.passed
    assert len(found.of("untested")) == len(found.outcomes) > 15


def test_nothing_is_changed_while_tests_fail(tmp_path: Path) -> None:
    (found,) = mutated(write(tmp_path, CEL, case("wrong", "deny", pod(terminationGracePeriodSeconds=10))))
    assert (found.failing, found.outcomes, found.passed) == (True, (), False)


def test_ids_stay_while_lines_move_and_other_expressions_come(tmp_path: Path) -> None:
    (before,) = mutated(write(tmp_path, CEL, *STRONG))
    moved = CEL.replace(
        "  variables:\n", "  # More.\n  variables:\n  - {name: first, expression: object.metadata.name}\n"
    )
    moved = moved.replace("      !has(object", "\n      !has(object")
    (after,) = mutated(write(tmp_path, moved, *STRONG))
    assert {each.mutant.id for each in before.outcomes} <= {each.mutant.id for each in after.outcomes}
    ids = [each.mutant.id for each in after.outcomes]
    assert len(set(ids)) == len(ids)


def test_explanations_that_are_out_of_date_are_told(tmp_path: Path) -> None:
    (before,) = mutated(write(tmp_path, CEL, *STRONG))
    killed = before.of("killed")[0].mutant.id
    mutants = f'mutants:\n- {{ids: ["{killed}", "00000000"], reason: r}}\n'
    (found,) = mutated(write(tmp_path, CEL, *STRONG, mutants=mutants))
    assert found.stale == (killed, "00000000")
    assert len(found.of("killed")) == len(before.of("killed"))


def test_mutants_that_do_not_compile_are_not_counted(tmp_path: Path) -> None:
    policy = CEL.replace("variables.seconds >= 10 &&\n", "size(object.metadata.name) + size('a') >= 2 &&\n").replace(
        "!has(object.spec.hostNetwork)", "(size(object.metadata.name) == 3 ? 'a' : 'b') != 'b'"
    )
    (found,) = mutated(write(tmp_path, policy, *STRONG[:1]))
    assert found.refused == 0
    policy = CEL.replace("variables.seconds >= 10", "duration('10s') + duration('1s') > duration('1s')")
    (found,) = mutated(write(tmp_path, policy, case("c", "allow", pod())))
    assert found.refused > 0, "an empty text is no duration, which the API server finds when a policy is created"


# ------------------------------------------------------------------------------------------------------------- Python

PYTHON = '''\
from gatewright import Violation, validate

LIMIT = 3


def too_long(name):
    return len(name) > LIMIT


@validate(resources=["v1/pods"], operations=["CREATE"])
def named(request):
    """Names are short."""
    if too_long(request.object["metadata"]["name"]):
        yield Violation("too long", path="metadata.name")


@validate(resources=["v1/pods"], operations=["CREATE"])
def other(request):
    """Names do not begin with x."""
    if request.object["metadata"]["name"].startswith("x"):
        yield Violation("begins with x", path="metadata.name")
'''
UPDATE = "operation: UPDATE, oldObject: " + pod("long")
NAMED = (
    case("three letters are allowed", "allow", pod("web")),
    case("four are denied", "deny", pod("long")),
    case("an update is not looked at", "no-match", pod("longer"), UPDATE),
)


def python(root: Path, *cases: str) -> Path:
    return write(root, PYTHON, *cases, name="policies.py")


def test_a_policy_in_python(tmp_path: Path) -> None:
    named, other = mutated(python(tmp_path, *NAMED))
    assert lines(named.of("survived")) == [
        'failurePolicy: @validate(resources=["v1/pods"], operations=["CREATE"], failure_policy="Ignore")'
    ]
    assert {each.mutant.change for each in named.of("killed")} == {
        "bound",
        "return",
        "negation",
        "operations",
        "constant",
    }
    assert {each.mutant.change for each in other.of("untested")} >= {"operator", "constant", "operations"}


def test_weak_policy_test_a_policy_in_python(tmp_path: Path) -> None:
    named, _ = mutated(python(tmp_path, NAMED[1], NAMED[2]))
    assert [each for each in lines(named.of("survived")) if each.startswith("bound")] == [
        "bound: LIMIT = 2",
        "bound: return len(name) >= LIMIT",
    ]
    named, _ = mutated(python(tmp_path, NAMED[0], NAMED[1]))
    assert "operations" not in {each.mutant.change for each in named.of("survived")}, "CREATE is still looked at"


def test_the_users_files_and_modules_stay_as_they_are(tmp_path: Path) -> None:
    python(tmp_path, *NAMED)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()}
    names = {name for name in sys.modules if name.startswith("gatewright_policy_")}
    mutated(tmp_path)
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()} == before
    (new,) = {name for name in sys.modules if name.startswith("gatewright_policy_")} - names
    assert sys.modules[new].LIMIT == 3


SHORT = Times(loading=0.1, case=0.1)
FOREVER = """\
from gatewright import validate

@validate(resources=["v1/pods"])
def named(request):
    left = 2
    while left > 0:
        left -= 1
    return None
"""


def test_a_mutant_that_runs_forever_is_stopped_and_counts_as_killed(tmp_path: Path) -> None:
    text = FOREVER.replace("left -= 1", "left = left - step(left)").replace(
        "@validate", "def step(left):\n    return 1 if left != 7 else 0\n\n@validate"
    )
    (found,) = mutated(write(tmp_path, text, case("c", "allow", pod()), name="policy.py"), times=SHORT)
    stopped = [each for each in found.outcomes if each.mutant.after == "0" and each.mutant.before == "1"]
    assert [each.status for each in stopped] == ["killed"]


SLOW = """\
import hashlib

from gatewright import validate

@validate(resources=["v1/pods"])
def named(request):
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 500_000)
    spare = request.object["metadata"]["name"] == "spare"
    return None
"""


def test_a_slow_policy_has_more_time_than_a_fast_one(tmp_path: Path) -> None:
    """A mutant that does the same as the policy is not killed because that takes long."""
    (found,) = mutated(write(tmp_path, SLOW, case("c", "allow", pod()), name="policy.py"), times=Times(case=0.01))
    assert "operator" in {each.mutant.change for each in found.of("survived")}


def test_a_file_that_runs_forever_when_it_is_imported_is_refused(tmp_path: Path) -> None:
    text = FOREVER + "\nn = 1\nwhile n > 0:\n    n = n - 1\n"
    (found,) = mutated(write(tmp_path, text, case("c", "allow", pod()), name="policy.py"), times=SHORT)
    assert found.refused > 0


MUTATING = """\
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: named}
spec:
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration:
      expression: "Object{data: object.metadata.name == 'a' ? {'seen': 'yes'} : {}}"
"""


def test_a_mutating_policy_in_cel(tmp_path: Path) -> None:
    def config(name: str, data: str) -> str:
        return f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}{data}}}"

    cases = [
        case("a is marked", "allow", config("a", ""), "expectObject: " + config("a", ", data: {seen: 'yes'}")),
        case("b is not", "allow", config("b", ""), "expectObject: " + config("b", "")),
    ]
    (found,) = mutated(write(tmp_path, MUTATING, *cases))
    assert [each.mutant.change for each in found.of("survived")] == ["failurePolicy"]
    (found,) = mutated(write(tmp_path, MUTATING, cases[0]))
    assert {each.mutant.change for each in found.of("survived")} == {"branch", "failurePolicy"}
