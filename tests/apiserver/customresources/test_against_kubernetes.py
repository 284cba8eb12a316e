"""Definitions, objects and costs of rules, put to the API server's own packages: the same values, the same texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.apiserver.customresources import corpus, costly
from tests.goprograms import answers, built
from webhook.apiserver.customresources import definitions, estimating, judging, rules, ruletypes, structural
from webhook.versions import NEWEST

OBJECTS = 12
"""Of each definition, each once as new and once as an update."""


@pytest.fixture(scope="module")
def program() -> Path:
    return built(Path(__file__).parent / "kubernetes")


def questions() -> Iterator[tuple[str, dict[str, Any]]]:
    for number, (name, schema) in enumerate(corpus.SOUND.items()):
        objects = corpus.Objects(number)
        asked: list[dict[str, Any]] = []
        for _ in range(OBJECTS):
            made = objects.widget(schema)
            asked += [{"object": made}, {"object": objects.changed(made), "old": made}]
        yield name, {"definition": corpus.definition(schema), "objects": asked}


@pytest.fixture(scope="module")
def theirs(program: Path) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    asked = dict(questions())
    return dict(zip(asked, zip(asked.values(), answers(program, asked.values()), strict=True), strict=True))


def ours(kind: definitions.Kind, asked: dict[str, Any]) -> dict[str, Any]:
    decoded = judging.decoded(kind, asked["object"])
    old = None
    if decoded.failed:
        return {"failed": decoded.failed}
    if asked.get("old"):
        before = judging.decoded(kind, asked["old"])
        if before.failed:
            return {"failed": before.failed}
        old = before.value
    value = judging.prepared(kind, decoded.value, old)
    texts = [error.text for error in judging.refusals(kind, value, old)]
    return {"unknown": decoded.unknown, "object": value, "errors": texts}


# Go says what is wrong with a text that has not its format, after the text.
_DETAIL = re.compile(
    r"(Invalid (?:duration|(?:date|date-time|byte) formatted string) .*?)(?:: (?:parsing|unable|illegal|strconv).*)?"
    r" evaluating rule"
)


def comparable(texts: list[str]) -> list[str]:
    return sorted(_DETAIL.sub(r"\1 evaluating rule", text) for text in texts)


def dotted(path: tuple[str | int, ...]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def without_generation(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "metadata": {key: item for key, item in value["metadata"].items() if key != "generation"}}


@pytest.mark.parametrize("name", corpus.SOUND)
def test_objects(name: str, theirs: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    asked, answer = theirs[name]
    assert not answer["errors"]
    definition = definitions.read(asked["definition"])
    assert not [error.text for error in definition.refused]
    kind = definition.kinds["v1"]
    for each, told in zip(asked["objects"], answer["objects"], strict=True):
        found = ours(kind, each)
        if told.get("failed"):
            # Of several fields that cannot be decoded, Go names any.
            assert found.get("failed"), (each, told)
            continue
        assert "failed" not in found, (each, found)
        assert sorted(map(dotted, found["unknown"])) == sorted(told["unknown"] or []), each
        assert without_generation(found["object"]) == without_generation(told["object"]), each
        wanted, errors = comparable(told["errors"] or []), comparable(found["errors"])
        if any("invalid data, expected" in text for text in wanted):
            # An element of a list that is no text fails within the loop here, and before it there.
            wanted = [text for text in wanted if "invalid data, expected" not in text]
            errors = [text for text in errors if "invalid data, expected" not in text]
        assert errors == wanted, each


def test_the_corpus_says_yes_and_no(theirs: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    outcomes = [told for _, answer in theirs.values() for told in answer["objects"]]
    refused = sum(bool(told.get("errors")) for told in outcomes)
    assert len(corpus.SOUND) >= 30
    assert refused > 200
    assert len(outcomes) - refused > 200


BAD = corpus.bad_definitions()
OWN_TEXTS = {
    # The value that is shown is one of Go's structs, or the position is in our form; the rest must be equal.
    "no bool",
    "message of a number",
    "undefined field",
    "wrong types",
    "wrong message",
    "syntax",
    "unknown library",
    "beside status",
    "not stored",
    "optional, and no rule",
    "instantiation",
    "instantiation of a message",
}


@pytest.fixture(scope="module")
def refused(program: Path) -> dict[str, dict[str, Any]]:
    asked = [{"definition": each, "objects": []} for each in BAD.values()]
    return dict(zip(BAD, answers(program, asked), strict=True))


@pytest.mark.parametrize("name", BAD)
def test_refused_definitions(name: str, refused: dict[str, dict[str, Any]]) -> None:
    wanted = refused[name]["errors"] or []
    assert wanted
    found = [error.text for error in definitions.read(BAD[name]).refused]
    if name in OWN_TEXTS:
        assert found
        fields = {text.partition(": ")[0] for text in found}
        assert fields == {text.partition(": ")[0] for text in wanted}
    elif name == "expensive together":  # of rules that cost the same, Go names any four
        assert len(found) == len(wanted)
        assert {text.partition(": ")[2] for text in found} == {text.partition(": ")[2] for text in wanted}
    else:
        # Go names the first version twice.
        assert sorted(found) == sorted(text for text in wanted if not text.startswith("spec.version:"))


def test_estimated_costs(program: Path) -> None:
    schema = corpus.of_spec(corpus.ruled(costly.BOUNDED, *costly.RULES))
    (answer,) = answers(program, [{"definition": corpus.definition(schema), "objects": []}])
    spec = structural.read(schema, ()).properties["spec"]
    known = ruletypes.declared(spec, root=False)
    assert known is not None
    found = {}
    for rule in rules.compile_rules(spec, known, NEWEST):
        assert rule.program is not None, rule.error
        found[rule.rule.rule] = str(estimating.estimated(rule.program.tree, known))
    assert found == dict(zip(costly.RULES, answer["costs"], strict=True))
