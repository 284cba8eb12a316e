"""The face: names and metadata of each kind, and what a real API server accepts and refuses."""

from __future__ import annotations

import pytest

from tests.apiserver.validation.cases import Case, Object, cases, check, prepared, refusals, sound
from tests.dryrun.answers import Answer, recorded
from tests.dryrun.comparing import said
from webhook.apiserver.validation import kinds
from webhook.schema import Kinds


@pytest.mark.parametrize("case", cases("kinds"), ids=lambda case: case.name)
def test_refused(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("kind", sound())
def test_sound(kind: str) -> None:
    manifest = sound()[kind]
    assert refusals(manifest) == []
    assert refusals(manifest, manifest) == []


def test_a_name_that_is_to_be_generated() -> None:
    value = prepared(sound()["Pod"])
    value["metadata"] = {"generateName": "web-", "namespace": "default"}
    assert kinds.refusals(value, namespaced=True, named=False) == []
    (error,) = kinds.refusals({**value, "metadata": {"namespace": "default"}}, namespaced=True, named=False)
    assert error.text == "metadata.name: Required value: name or generateName is required"


def test_kinds_without_checks() -> None:
    other = {"apiVersion": "example.com/v1", "kind": "Other", "metadata": {"name": "a/b"}, "spec": {"replicas": -1}}
    (error,) = kinds.refusals(other, namespaced=False)
    assert error.text == "metadata.name: Invalid value: \"a/b\": may not contain '/'"


def judged() -> list[tuple[str, Object, Answer]]:
    """The objects of the corpus that came as far as the validation of built-in kinds."""
    known = Kinds.builtin()
    found = []
    for file, answers in recorded().items():
        for name, answer in answers.items():
            seen = answer.validation or answer.mutation
            value = seen["object"] if seen is not None else None
            if value is None or known.for_kind(value["apiVersion"], value["kind"]) is None:
                continue
            if answer.refusal is None or answer.refusal.reason == "Invalid":
                found.append((f"{file}: {name}", value, answer))
    return found


def test_what_a_server_accepts_is_not_refused() -> None:
    accepted = refused = equal = 0
    for name, value, answer in judged():
        theirs = said(answer.refusal) if answer.refusal is not None else []
        resource = Kinds.builtin().for_kind(value["apiVersion"], value["kind"])
        assert resource is not None
        in_namespace = resource.namespaced and bool(value["metadata"].get("namespace"))
        mine = [error.text for error in kinds.refusals(value, namespaced=in_namespace, named=False)]
        assert set(mine) <= set(theirs), (name, mine, theirs)
        accepted += not theirs
        refused += bool(theirs)
        equal += bool(theirs) and set(mine) == set(theirs)
    assert accepted > 250
    assert equal > 0.75 * refused
