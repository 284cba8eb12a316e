from typing import Any

import pytest

from webhook.documents.reader import objects, parse

POD = "{apiVersion: v1, kind: Pod, metadata: {name: p}}"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def held(text: str) -> tuple[list[Any], list[str]]:
    documents, problems = parse(text, "f.yaml")
    good, wrong = objects(documents)
    return [document.value for document in good], [str(problem) for problem in (*problems, *wrong)]


@pytest.mark.parametrize("kind", ["ConfigMap", "List", "PodList", "Gadget", "Deployment"])
def test_an_object_of_any_kind_with_items_is_a_list_of_them_and_nothing_else(kind: str) -> None:
    text = f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: a}}\ndata: {{x: y}}\nitems:\n- {POD}\n"
    assert held(text) == ([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}], [])
    (document,), _ = parse(text, "f.yaml")
    assert (document.line, document.position(("metadata", "name")).column) == (6, 42)


@pytest.mark.parametrize(
    ("item", "has"),
    [
        ("{metadata: {name: s}}", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}}),
        ("{kind: '', metadata: {name: s}}", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}}),
        ("null", {"apiVersion": "v1", "kind": "ConfigMap"}),
    ],
)
def test_an_item_with_neither_apiversion_nor_kind_has_those_of_its_list(item: str, has: Any) -> None:
    assert held(CONFIG_MAP + f"items: [{item}]\n") == ([has], [])


@pytest.mark.parametrize("item", ["{kind: Pod}", "{apiVersion: v2}", "5", "[]"])
def test_an_item_with_one_of_them_is_no_object(item: str) -> None:
    good, wrong = held(CONFIG_MAP + f"items: [{item}]\n")
    assert good == []
    assert len(wrong) == 1
    assert "f.yaml:4:9: not a Kubernetes object" in wrong[0]


@pytest.mark.parametrize("items", ["null", "[]", ""])
def test_a_list_without_items_holds_nothing(items: str) -> None:
    assert held(CONFIG_MAP + f"items: {items}\n") == ([], [])


@pytest.mark.parametrize("items", ["{a: b}", "text", "5"])
def test_items_that_are_no_list_are_an_error(items: str) -> None:
    assert held(CONFIG_MAP + f"items: {items}\n") == (
        [],
        [
            "f.yaml:4:1: not a Kubernetes object: kubectl takes an object with items for a list of objects; "
            "these items must be a list"
        ],
    )


def test_items_are_looked_for_in_this_spelling_only() -> None:
    good, _ = held(CONFIG_MAP + f"Items: [{POD}]\n")
    assert [value["kind"] for value in good] == ["ConfigMap"]


def test_lists_in_lists_are_followed_so_far_and_no_further() -> None:
    text = POD
    for _ in range(8):
        text = f"{{apiVersion: v1, kind: List, items: [{text}]}}"
    assert [value["kind"] for value in held(text)[0]] == ["Pod"]
    good, wrong = held(f"{{apiVersion: v1, kind: ConfigMap, items: [{text}]}}")
    assert (good, wrong[0].partition(": ")[2]) == ([], "not a Kubernetes object: the items of a List must be a list")
