"""Decoding of policy objects: what has a wrong type or an unknown name is an error, and the rest is read."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from webhook.paths import Path
from webhook.policy.written import model
from webhook.policy.written.model import Model, decode


class Leaf(Model, frozen=True):
    text: str = ""
    choice: Literal["one", "two", "three"] | None = None


class Tree(Model, frozen=True):
    leaf: Leaf = Leaf()
    maybe_leaf: Leaf | None = None
    leaves: list[Leaf] = []
    texts: list[str] = []
    numbers: list[int] | None = None
    choices: list[Literal["a"]] = []
    labels: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    yes: bool = False
    whatever: Any = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, Tree()),
        ({"leaf": None, "maybeLeaf": None, "leaves": None, "yes": None, "unknown": None}, Tree()),
        ({"leaf": {"text": "x", "choice": "two"}}, Tree(leaf=Leaf("x", "two"))),
        ({"maybeLeaf": {}, "leaves": [{}, {"text": ""}]}, Tree(maybe_leaf=Leaf(), leaves=[Leaf(), Leaf()])),
        (
            {"texts": ["", "a"], "numbers": [0, -1], "choices": ["a"]},
            Tree(texts=["", "a"], numbers=[0, -1], choices=["a"]),
        ),
        ({"labels": {"a": ""}, "lists": {"a": [], "b": ["c"]}}, Tree(labels={"a": ""}, lists={"a": [], "b": ["c"]})),
        ({"yes": True, "whatever": {"a": [None]}}, Tree(yes=True, whatever={"a": [None]})),
    ],
)
def test_decoded(value: Any, expected: Tree) -> None:
    assert decode(Tree, value) == (expected, [])


@pytest.mark.parametrize(
    ("value", "faults", "rest"),
    [
        ([], [((), "expected a mapping, found a list")], Tree()),
        ({"leaf": "x"}, [(("leaf",), "expected a mapping, found 'x'")], Tree()),
        ({"leaf": {"text": 5}}, [(("leaf", "text"), "expected text, found the number 5; quote it")], Tree()),
        (
            {"leaf": {"text": False}},
            [
                (
                    ("leaf", "text"),
                    "expected text, found false; quote it (YAML reads y, n, yes, no, on and off as booleans)",
                )
            ],
            Tree(),
        ),
        (
            {"maybeLeaf": {"choice": "four", "text": "x"}},
            [(("maybeLeaf", "choice"), "expected 'one', 'two' or 'three', found 'four'")],
            Tree(maybe_leaf=Leaf("x")),
        ),
        (
            {"leaf": {"choice": ["one"]}},
            [(("leaf", "choice"), "expected 'one', 'two' or 'three', found a list")],
            Tree(),
        ),
        (
            {"leaves": [{"text": "x"}, 5, None, {"text": "y"}]},
            [
                (("leaves", 1), "expected a mapping, found the number 5"),
                (("leaves", 2), "expected a mapping, found null"),
            ],
            Tree(leaves=[Leaf("x"), Leaf(), Leaf(), Leaf("y")]),
        ),
        ({"leaves": {}}, [(("leaves",), "expected a list, found a mapping")], Tree()),
        (
            {"texts": ["a", 1, {}]},
            [
                (("texts", 1), "expected text, found the number 1; quote it"),
                (("texts", 2), "expected text, found a mapping"),
            ],
            Tree(texts=["a", "", ""]),
        ),
        (
            {"numbers": [1, "2", True, 2.0]},
            [
                (("numbers", 1), "expected a whole number, found '2'"),
                (("numbers", 2), "expected a whole number, found true"),
                (("numbers", 3), "expected a whole number, found the number 2.0"),
            ],
            Tree(numbers=[1, 0, 0, 0]),
        ),
        ({"choices": ["b"]}, [(("choices", 0), "expected 'a', found 'b'")], Tree(choices=["a"])),
        ({"labels": {"a": None, "b": "c"}}, [(("labels", "a"), "expected text, found null")], Tree(labels={"b": "c"})),
        ({"labels": ["a"]}, [(("labels",), "expected a mapping, found a list")], Tree()),
        (
            {"lists": {"a": ["b", 1], "c": "d"}},
            [
                (("lists", "a", 1), "expected text, found the number 1; quote it"),
                (("lists", "c"), "expected a list, found 'd'"),
            ],
            Tree(lists={"a": ["b", ""]}),
        ),
        ({"yes": "true"}, [(("yes",), "expected true or false, found 'true'")], Tree()),
        ({"maybe_leaf": {}}, [(("maybe_leaf",), "unknown field; did you mean maybeLeaf?")], Tree()),
        (
            {"leaf": {"q": 1, "text": "x"}},
            [(("leaf", "q"), "unknown field; expected one of choice, text")],
            Tree(Leaf("x")),
        ),
    ],
)
def test_what_is_wrong_is_left_out(value: Any, faults: list[tuple[Path, str]], rest: Tree) -> None:
    assert decode(Tree, value) == (rest, faults)


def test_every_fault_is_reported_at_once() -> None:
    spec = {"validations": [{"expression": 1}, 2], "failurePolicy": "fail", "matchConstraint": {}}
    _, faults = decode(model.ValidatingAdmissionPolicy, {"spec": spec, "metadata": {"name": []}})
    assert [path for path, _ in faults] == [
        ("metadata", "name"),
        ("spec", "validations", 0, "expression"),
        ("spec", "validations", 1),
        ("spec", "failurePolicy"),
        ("spec", "matchConstraint"),
    ]


def test_the_names_of_the_api() -> None:
    spec = {"mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}]}
    decoded, faults = decode(model.MutatingAdmissionPolicy, {"apiVersion": "v1", "kind": "k", "spec": spec})
    assert faults == []
    assert decoded.api_version == "v1"
    assert decoded.spec.mutations[0].json_patch == model.JSONPatch("[]")
