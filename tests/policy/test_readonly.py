"""Views: dicts and lists that cannot be changed, and never touch the value that they show."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from webhook.policy.readonly import ReadOnlyError, plain, view

Changed = Callable[[Any], object]


def value(items: int = 2) -> dict[str, Any]:
    """Lists of up to 64 items and longer ones are views of two kinds."""
    return {
        "name": "web",
        "labels": {"a": "1", "b": "2"},
        "list": [{"n": n, "deep": {"x": [1, [2]]}} for n in range(items)],
        "texts": ["a", "b"],
        "none": None,
        "nested": [[["x"]]],
    }


SIZES = pytest.mark.parametrize("items", [0, 2, 64, 65, 200])


@SIZES
class TestReading:
    def test_is_that_of_the_value(self, items: int) -> None:
        shown, original = view(value(items)), value(items)
        assert shown == original
        assert original == shown
        assert list(shown) == list(original)
        assert list(shown["list"]) == original["list"]
        assert list(reversed(shown["list"])) == original["list"][::-1]
        assert shown["list"][1:] == original["list"][1:]
        assert shown.get("labels").items() == original["labels"].items()
        assert shown.get("nope", 5) == 5
        assert len(shown["list"]) == items
        assert repr(view(value(items))) == repr(original)
        assert "name" in shown
        assert shown["nested"][0][0][0] == "x"

    def test_passes_for_dict_and_list(self, items: int) -> None:
        shown = view(value(items))
        assert isinstance(shown, dict)
        assert isinstance(shown["list"], list)
        match shown:
            case {"labels": {"a": a}, "texts": [first, *_], **rest}:
                assert (a, first, rest["name"]) == ("1", "a", "web")
            case _:
                pytest.fail("a view is no mapping")

    def test_writes_as_json(self, items: int) -> None:
        assert json.loads(json.dumps(view(value(items)))) == value(items)
        assert json.loads(json.dumps(view(value(items)), indent=1)) == value(items)
        assert orjson.loads(orjson.dumps(view(value(items)))) == value(items)

    def test_validates_as_a_model(self, items: int) -> None:
        class Model(BaseModel):
            name: str
            labels: dict[str, str]
            list: list[dict[str, Any]]
            texts: tuple[str, ...]

        model = Model.model_validate(view(value(items)))
        assert model.model_dump() == Model.model_validate(value(items)).model_dump()

    def test_keeps_the_identity_of_what_is_read(self, items: int) -> None:
        shown = view(value(items))
        assert shown["labels"] is shown["labels"] is shown.get("labels")
        assert all(a is b for a, b in zip(shown["list"], shown["list"], strict=True))

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v)), plain])
    def test_copies_are_plain_all_the_way_down(self, items: int, copied: Callable[[Any], Any]) -> None:
        shown = view(value(items))
        list(shown["list"])
        made = copied(shown)
        assert made == value(items)
        assert type(made) is dict
        assert type(made["list"]) is list
        for item in made["list"]:
            assert type(item["deep"]["x"]) is list
            item["deep"]["x"].append(1)
        assert shown == value(items)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.__setitem__("x", 1),
        lambda v: v.__delitem__("name"),
        lambda v: v.update(x=1),
        lambda v: v.setdefault("x", 1),
        lambda v: v.setdefault("name", 1),
        lambda v: v.pop("name"),
        lambda v: v.popitem(),
        lambda v: v.clear(),
        lambda v: v.__ior__({"x": 1}),
        lambda v: v["labels"].update(a="2"),
        lambda v: v.get("labels").update(a="2"),
        lambda v: dict(v)["labels"].update(a="2"),
        lambda v: {**v}["labels"].update(a="2"),
        lambda v: v.copy()["labels"].update(a="2"),
        lambda v: copy.copy(v)["labels"].update(a="2"),
        lambda v: (v | {})["labels"].update(a="2"),
        lambda v: ({} | v)["labels"].update(a="2"),
        lambda v: next(each for key, each in v.items() if key == "labels").update(a="2"),
        lambda v: next(each for each in v.values() if isinstance(each, dict)).update(a="2"),
        lambda v: v["list"].append(1),
        lambda v: v["list"].extend([1]),
        lambda v: v["list"].insert(0, 1),
        lambda v: v["list"].remove(v["list"][0]),
        lambda v: v["list"].pop(),
        lambda v: v["list"].clear(),
        lambda v: v["texts"].sort(),
        lambda v: v["list"].reverse(),
        lambda v: v["list"].__iadd__([1]),
        lambda v: v["list"].__imul__(2),
        lambda v: v["list"].__setitem__(0, 1),
        lambda v: v["list"].__setitem__(slice(None), []),
        lambda v: v["list"].__delitem__(0),
        lambda v: v["list"][0].update(n=5),
        lambda v: v["list"][-1]["deep"]["x"].append(5),
        lambda v: v["list"][-1]["deep"]["x"][1].append(5),
        lambda v: next(iter(v["list"])).update(n=5),
        lambda v: next(reversed(v["list"])).update(n=5),
        lambda v: v["list"][:][0].update(n=5),
        lambda v: list(v["list"])[0].update(n=5),  # noqa: RUF015
        lambda v: tuple(v["list"])[0].update(n=5),  # noqa: RUF015
        lambda v: [*v["list"]][0].update(n=5),  # noqa: RUF015
        lambda v: sorted(v["list"], key=id)[0].update(n=5),
        lambda v: v["list"].copy()[0].update(n=5),
        lambda v: copy.copy(v["list"])[0].update(n=5),
        lambda v: (v["list"] + [])[0].update(n=5),
        lambda v: ([] + v["list"])[0].update(n=5),
        lambda v: (v["list"] * 2)[0].update(n=5),
        lambda v: (2 * v["list"])[0].update(n=5),
        lambda v: v["nested"][0][0].append(5),
        lambda v: max(v["list"], key=lambda item: item["n"]).update(n=5),
        lambda v: (lambda first, *_: first)(*v["list"]).update(n=5),
        lambda v: (lambda labels, **_: labels)(**v).update(a="2"),
    ],
)
@pytest.mark.parametrize("items", [2, 65])
@pytest.mark.parametrize("read_before", [False, True])
def test_no_way_of_writing_changes_the_value(change: Changed, items: int, read_before: bool) -> None:
    original = value(items)
    shown = view(original)
    if read_before:
        str(list(shown.items()) + list(shown["list"]))
    with pytest.raises(ReadOnlyError, match=r"a policy can only change request\.object, in a @mutate function"):
        change(shown)
    assert original == value(items)


@pytest.mark.parametrize(
    "change",
    [
        lambda v: dict.__setitem__(v, "name", "x"),
        lambda v: dict.update(v["labels"], a="2"),
        dict.clear,
        lambda v: v.__init__({"name": "x"}),
        lambda v: v["list"].__init__([]),
        lambda v: list.append(v["list"], 1),
        lambda v: list.sort(v["list"], key=id, reverse=True),
        lambda v: dict.__setitem__(v["list"][0], "n", 5),
        lambda v: dict.update(next(iter(v["list"])), n=5),
        lambda v: object.__setattr__(v, "__class__", type(view({"a": {}}))),
        lambda v: dict.pop(v.get("labels"), "a"),
    ],
)
@pytest.mark.parametrize("items", [2, 65])
def test_what_goes_past_the_methods_changes_the_view_alone(change: Changed, items: int) -> None:
    original = value(items)
    change(view(original))
    assert original == value(items)


def test_hostile_nesting_costs_no_recursion() -> None:
    nested: Any = "x"
    for _ in range(5000):
        nested = [nested]
    shown = view({"list": nested})["list"]
    for _ in range(5000):
        shown = shown[0]
    assert shown == "x"
