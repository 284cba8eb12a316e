"""Params that are models: all requests share them, and none can change them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr

from gatewright import ReadOnlyError
from tests.policy.trees import binding, config_map, messages, request, tree
from webhook.admission.engine import decide
from webhook.cluster.manifestsview import ManifestsView
from webhook.policy.python.sealing import NotSealable, sealed


class Inner(BaseModel):
    name: str
    tags: list[str] = []


class Settings(BaseModel):
    minimum: int = 2
    names: list[str] = ["a"]
    labels: dict[str, str] = {"a": "1"}
    inner: Inner = Inner(name="x", tags=["t"])
    inners: list[Inner] = [Inner(name="y", tags=["t"])]
    by_name: dict[str, Inner] = {"z": Inner(name="z", tags=["t"])}
    pair: tuple[list[str], int] = (["a"], 1)
    anything: Any = Field(default_factory=lambda: {"deep": [{"x": 1}]})


def settings() -> Settings:
    return Settings.model_validate(copy.deepcopy(Settings().model_dump()))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: setattr(s, "minimum", 0),
        lambda s: setattr(s, "other", 0),
        lambda s: delattr(s, "minimum"),
        lambda s: s.names.append("b"),
        lambda s: s.names.__init__(["b"]),
        lambda s: s.labels.update(a="2"),
        lambda s: s.labels.__init__({}),
        lambda s: s.inner.tags.append("u"),
        lambda s: setattr(s.inner, "name", "u"),
        lambda s: s.inners[0].tags.clear(),
        lambda s: setattr(s.inners[0], "name", "u"),
        lambda s: s.by_name.clear(),
        lambda s: setattr(s.by_name["z"], "name", "u"),
        lambda s: s.pair[0].append("b"),
        lambda s: s.anything["deep"][0].pop("x"),
    ],
)
def test_no_way_of_writing_changes_a_model(change: Callable[[Any], object]) -> None:
    made = sealed(settings())
    with pytest.raises(ReadOnlyError):
        change(made)
    assert made.model_dump() == Settings().model_dump()


def test_a_model_stays_what_it_was() -> None:
    made = sealed(settings())
    assert isinstance(made, Settings)
    assert isinstance(made.inner, Inner)
    assert isinstance(made.names, list)
    assert isinstance(made.labels, dict)
    assert made == settings()
    assert settings() == made
    assert repr(made) == repr(settings())
    assert type(made).__name__ == "Settings"
    assert made.model_dump_json() == settings().model_dump_json()


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda s: s.model_copy(deep=True), lambda s: pickle.loads(pickle.dumps(s))],
)
def test_a_deep_copy_can_be_changed(copied: Callable[[Any], Any]) -> None:
    made = sealed(settings())
    mine = copied(made)
    assert mine == made
    assert type(mine) is Settings
    mine.minimum = 5
    mine.names.append("b")
    mine.inner.name = "u"
    mine.inners[0].tags.append("u")
    mine.by_name["z"].tags.append("u")
    mine.anything["deep"][0]["x"] = 2
    assert made == settings()


def test_a_shallow_copy_has_fields_of_its_own() -> None:
    made = sealed(settings())
    mine = made.model_copy(update={"minimum": 5})
    mine.names = ["c"]
    assert (mine.minimum, made.minimum, made.names) == (5, 2, ["a"])


class WithSet(BaseModel):
    names: set[str] = {"a"}


class WithPrivate(BaseModel):
    _kept: list[int] = PrivateAttr(default_factory=list)


class WithExtra(BaseModel):
    model_config = ConfigDict(extra="allow")


class Own:
    pass


class WithOwn(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    inner: Inner = Inner(name="x")
    own: Own = Field(default_factory=Own)


class FrozenInner(Struct, frozen=True):
    tags: list[str] = []


class Frozen(Struct, frozen=True):
    inner: FrozenInner = FrozenInner()
    labels: dict[str, list[str]] = {}


@dataclass(frozen=True)
class FrozenData:
    inner: FrozenInner
    labels: dict[str, list[str]]


@pytest.mark.parametrize("kind", [Frozen, FrozenData])
@pytest.mark.parametrize(
    "change",
    [
        lambda s: setattr(s, "inner", None),
        lambda s: s.inner.tags.append("u"),
        lambda s: s.labels.clear(),
        lambda s: s.labels["a"].append("u"),
    ],
)
def test_no_way_of_writing_changes_a_frozen_struct_or_dataclass(kind: Any, change: Callable[[Any], object]) -> None:
    def fresh() -> Any:
        return kind(inner=FrozenInner(tags=["t"]), labels={"a": ["b"]})

    made = sealed(fresh())
    with pytest.raises((ReadOnlyError, AttributeError)):
        change(made)
    assert made == fresh()
    assert repr(made) == repr(fresh())
    mine = copy.deepcopy(made)
    mine.labels["a"].append("c")
    mine.inner.tags.append("u")
    assert made == fresh()


class Unfrozen(Struct):
    names: list[str]


class WithUnfrozen(Struct, frozen=True):
    names: list[str]
    inner: Unfrozen


@dataclass
class UnfrozenData:
    names: list[str]


@pytest.mark.parametrize("model", [Unfrozen(["a"]), WithUnfrozen(["a"], Unfrozen([])), UnfrozenData(["a"])])
def test_what_is_not_frozen_is_told_and_left_alone(model: Any) -> None:
    with pytest.raises(NotSealable):
        sealed(model)
    model.names.append("b")


def test_secrets_of_pydantic_cannot_be_changed() -> None:
    class WithSecret(BaseModel):
        password: SecretStr = SecretStr("x")

    assert sealed(WithSecret()).password.get_secret_value() == "x"


@pytest.mark.parametrize("model", [WithSet(), WithPrivate(), WithExtra(x=1), WithOwn()])
def test_what_can_be_changed_by_other_means_is_told_and_left_alone(model: BaseModel) -> None:
    with pytest.raises(NotSealable):
        sealed(model)
    assert type(model) in (WithSet, WithPrivate, WithExtra, WithOwn)
    if isinstance(model, WithOwn):
        model.inner.name = "y"


@pytest.mark.parametrize(
    ("field", "edit"),
    [
        ("names: list[str]", "params.names.append('x')"),
        ("names: list[str]", "params.names = []"),
        ("names: set[str]", "params.names.add('x')"),
        ("names: dict[str, list[str]] | list[str]", "params.names[0:0] = 'x'"),
    ],
)
@pytest.mark.parametrize(
    ("imported", "base"),
    [("pydantic", "BaseModel"), ("msgspec", "Struct"), ("msgspec", "Struct, frozen=True")],
)
def test_one_request_sees_nothing_of_what_another_did(
    tmp_path: Path, field: str, edit: str, imported: str, base: str
) -> None:
    code = f"""
from {imported} import {base.partition(",")[0]}

class Params({base}):
    {field}

@validate(resources=["*"], param_kind="v1/ConfigMap")
def p(request, params: Params):
    yield str(params)
    try: {edit}
    except (TypeError, AttributeError): pass
"""
    policies = tree(tmp_path, code, binding("p", paramRef={"name": "c", "parameterNotFoundAction": "Deny"}))
    cluster = ManifestsView([config_map("c", {"names": "[a]"})], assume_namespaces=True)
    first, second = (messages(decide(request(), policies, cluster)) for _ in range(2))
    assert first == second
    assert "'a'" in first[0]
    assert "'x'" not in first[0]
