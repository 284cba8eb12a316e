"""How mutants of policies in CEL are loaded: as the loader would, though most expressions are not compiled again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from webhook.documents import reader
from webhook.mutants import celpolicies
from webhook.mutants.mutant import Mutant
from webhook.policy.load.loading import load
from webhook.policy.load.made import validating_policy
from webhook.policy.policyset import Policy
from webhook.policy.written import model
from webhook.schema import Kinds, Schemas
from webhook.versions import NEWEST

LIBRARY = Path(__file__).parents[2] / "policies"


def made(root: Path, name: str) -> tuple[Policy[Any], str, list[Mutant]]:
    file = root / "policy.yaml"
    text = file.read_text()
    (policy,) = (each for each in load(root).policies if each.name == name)
    (document, *_), _ = reader.parse(text, str(file))
    found = celpolicies.mutants(policy, document, text, Kinds.builtin(), Schemas.builtin(), NEWEST)
    return policy, text, list(found)


@pytest.mark.parametrize("name", ["replica-bounds", "no-host-path"])
def test_a_mutant_is_what_the_loader_makes_of_the_changed_file(name: str) -> None:
    policy, text, mutants = made(LIBRARY / name, name)
    compared = 0
    for mutant in mutants[::7]:
        loaded, shown = mutant.load(), mutant.show()
        lines = text.split("\n")
        at = shown.line - 1
        if tuple(lines[at : at + len(shown.before)]) != shown.before:
            assert shown.after[0].startswith("!"), "nothing else needs quotes that the file does not have"
            continue
        lines[at : at + len(shown.before)] = shown.after
        (document, *_), problems = reader.parse("\n".join(lines), "policy.yaml")
        assert problems == []
        written, faults = model.decode(model.ValidatingAdmissionPolicy, document.value)
        fresh, issues = validating_policy(written, NEWEST, policy.file, policy.line)
        if loaded is None:
            assert faults or issues
            continue
        (changed,) = loaded
        assert not faults
        assert not issues
        assert (changed.match, changed.failure_policy, changed.bindings) == (
            fresh.match,
            fresh.failure_policy,
            policy.bindings,
        )
        programs = [list(each.evaluator.programs()) for each in (changed, fresh)]
        assert [(path, each.source) for path, each in programs[0]] == [
            (path, each.source) for path, each in programs[1]
        ]
        assert all(one.tree == other.tree for (_, one), (_, other) in zip(*programs, strict=True))
        compared += 1
    assert compared > 15


TYPED = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: typed}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  variables:
  - {name: chosen, expression: "object.metadata.name == 'a' ? dyn(1) : dyn('b')"}
  - {name: list, expression: "object.metadata.name == 'a' ? [1] : [2]"}
  validations:
  - {expression: "variables.list.all(x, x < 3) || variables.chosen == 'b'"}
  auditAnnotations:
  - {key: k, valueExpression: "object.metadata.name == 'a' ? 'b' : 'c'"}
"""


def test_audit_annotations_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(TYPED)
    _, text, mutants = made(tmp_path, "typed")
    line = text[: text.index("auditAnnotations")].count("\n") + 1
    assert {mutant.show().line for mutant in mutants} == {5, 7, 9, 10, 12}
    assert line > 12
