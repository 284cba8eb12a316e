"""The API server's answer for a manifest, and its form in recorded.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Object = dict[str, Any]
Answers = dict[str, dict[str, "Answer"]]
"""By file and name of the manifest."""

RECORDED = Path(__file__).parent / "recorded.json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Status of failure. `code` is 0 where kubectl refuses. `causes`: field and message of each."""

    code: int
    reason: str
    message: str
    causes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one manifest.

    `mutation`, `validation`: the requests that webhooks of the two phases are asked about, of which `name`, `options`
    and `object`; None where webhooks are not asked.
    """

    refusal: Refusal | None
    mutation: Object | None = None
    validation: Object | None = None


def recorded() -> Answers:
    """What the server answered when it was asked last."""
    return {
        file: {name: _read(value) for name, value in answers.items()}
        for file, answers in json.loads(RECORDED.read_text()).items()
    }


def record(answers: Answers) -> None:
    """Keep answers, a manifest a line."""
    files = []
    for file, named in answers.items():
        lines = [f"  {_dump(name)}: {_dump(_written(answer))}" for name, answer in named.items()]
        files.append(f" {_dump(file)}: {{\n" + ",\n".join(lines) + "\n }")
    RECORDED.write_text("{\n" + ",\n".join(files) + "\n}\n")


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _written(answer: Answer) -> Object:
    """The mutation's request is kept as what it has otherwise than the validation's."""
    made: Object = {}
    if answer.refusal is not None:
        made["refusal"] = [answer.refusal.code, answer.refusal.reason, answer.refusal.message, answer.refusal.causes]
    if answer.validation is not None:
        made["validation"] = answer.validation
    if answer.mutation is not None:
        made["mutation"] = _changes(answer.validation or {}, answer.mutation)
    return made


def _read(value: Object) -> Answer:
    refusal = None
    if "refusal" in value:
        code, reason, message, causes = value["refusal"]
        refusal = Refusal(code, reason, message, tuple((field, text) for field, text in causes))
    validation = value.get("validation")
    mutation = _changed(validation or {}, value["mutation"]) if "mutation" in value else None
    return Answer(refusal, mutation, validation)


_GONE = "-"
_INSTEAD = "="


def _changes(one: Any, other: Any) -> Object:
    """What makes `other` of `one`: {"=": value}, or by key {"-": keys that go} and changes of the others."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return {_INSTEAD: other}
    made: Object = {}
    if gone := [key for key in one if key not in other]:
        made[_GONE] = gone
    for key, value in other.items():
        if key not in one or _dump(one[key]) != _dump(value):
            made[f"/{key}"] = _changes(one[key], value) if key in one else {_INSTEAD: value}
    return made


def _changed(one: Any, changes: Object) -> Any:
    if _INSTEAD in changes:
        return changes[_INSTEAD]
    made = {key: value for key, value in one.items() if key not in changes.get(_GONE, ())}
    for key, value in changes.items():
        if key != _GONE:
            made[key[1:]] = _changed(one.get(key[1:]), value)
    return made
