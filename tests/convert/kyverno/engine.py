"""Kyverno itself: its published command, which evaluates policies as its admission controller does.

The program is found by GATEWRIGHT_TEST_KYVERNO, or where `python -m tests.convert.peers kyverno` keeps it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from tests.convert import peers
from tests.convert.kyverno.ours import Asked, Policy
from tests.timing import HANGING

VARIABLE: Final = "GATEWRIGHT_TEST_KYVERNO"
HOW: Final = f"Kyverno's command is not here: python -m tests.convert.peers kyverno builds it, or {VARIABLE} names it"
_REFUSED: Final = re.compile(r"^\d+\. (?P<policy>[a-z0-9.-]+): (?P<why>.*)", re.MULTILINE)
_UNREAD: Final = re.compile(r'skipping invalid YAML file.*?error="(?P<why>.*?)" .*?path="?(?P<path>[^\s"]+)')
_INVALID: Final = re.compile(r'ClusterPolicy\.kyverno\.io \\?"(?P<policy>[^"\\]+)\\?" is invalid: (?P<why>.*)')
_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")

Verdict = Literal["pass", "fail", "skip", "warn", "error", "none"]
"""What a report says of a rule and an object; none: the rule does not match, and says nothing."""


class Answer(Struct, frozen=True):
    verdict: Verdict
    message: str = ""


class Panicked(Exception):
    """Kyverno's command ended in a panic."""


class Answers(Struct):
    """refused: the policy -> why Kyverno does not take it. found: (policy, rule, number of the request) -> its answer.
    Rules that were derived for controllers have the name of the rule that is written."""

    refused: dict[str, str]
    found: dict[tuple[str, str, int], Answer]

    def of(self, policy: str, rule: str, request: int) -> Answer:
        return self.found.get((policy, rule, request), Answer("none"))


def program() -> Path | None:
    """The program, if it is here."""
    stated = os.environ.get(VARIABLE)
    kept = Path(stated) if stated else peers.place("kyverno")
    return kept if kept.exists() else None


def answers(program: Path, policies: Sequence[Policy], requests: Sequence[Asked]) -> Answers:
    """What Kyverno says of each rule and request. Names of policies must differ, and those of objects of a kind."""
    found = Answers({}, {})
    for numbers in _alike(requests):
        _run_or_halve(program, policies, requests, numbers, found)
    return found


def _run_or_halve(
    program: Path, policies: Sequence[Policy], requests: Sequence[Asked], numbers: list[int], found: Answers
) -> None:
    """Ask about policies that do not make Kyverno panic; those that do are refused."""
    try:
        _run(program, policies, requests, numbers, found)
    except Panicked as error:
        if len(policies) == 1:
            found.refused[policies[0]["metadata"]["name"]] = f"Kyverno panics: {error}"
            return
        half = len(policies) // 2
        for part in (policies[:half], policies[half:]):
            _run_or_halve(program, part, requests, numbers, found)


def _alike(requests: Sequence[Asked]) -> Iterator[list[int]]:
    """The numbers of requests that one run can be about: of one operation and user, and with the same values."""
    together: dict[str, list[int]] = {}
    for number, each in enumerate(requests):
        old = _changes(each.object, each.old) if each.operation == "UPDATE" and each.old else {}
        shared = [each.operation, each.user, each.labels, each.values, old]
        together.setdefault(json.dumps(shared, sort_keys=True), []).append(number)
    yield from together.values()


def _changes(new: Any, old: Any, at: str = "request.oldObject") -> dict[str, Any]:
    """The variables that make the old object of the new one, for which Kyverno's command takes it."""
    if isinstance(new, dict) and isinstance(old, dict):
        found: dict[str, Any] = {}
        for key in [*old, *(each for each in new if each not in old)]:
            if old.get(key) != new.get(key):
                name = key if key.isidentifier() else f'"{key}"'
                found |= _changes(new.get(key), old.get(key), f"{at}.{name}")
        return found
    return {at: old}


def _asked(policy: Policy) -> Policy:
    """A policy as it is asked at admission: updates of objects that violated it before count too."""
    rules = []
    for rule in policy["spec"]["rules"]:
        validated = rule.get("validate")
        rules.append({**rule, "validate": {"allowExistingViolations": False, **validated}} if validated else rule)
    return {**policy, "spec": {"background": False, **policy["spec"], "rules": rules}}


def _run(
    program: Path, policies: Sequence[Policy], requests: Sequence[Asked], numbers: list[int], found: Answers
) -> None:
    first = requests[numbers[0]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = []
        for index, policy in enumerate(policies):
            files.append(f"p{index}.yaml")
            (folder / files[-1]).write_text(json.dumps(_asked(policy)))
        resources = []
        for number in numbers:
            value = requests[number].object
            metadata = {"namespace": "default"} | (value.get("metadata") or {}) | {"uid": f"u{number}"}
            resources.append(json.dumps(value | {"metadata": metadata}))
        (folder / "resources.yaml").write_text("\n---\n".join(resources))
        command = [
            str(program),
            "apply",
            *files,
            "--resource",
            "resources.yaml",
            "-p",
            "--output-format",
            "json",
            "-v",
            "3",
        ]
        variables: dict[str, Any] = {"request.operation": first.operation, **first.values}
        if first.operation == "UPDATE" and first.old:
            variables |= _changes(first.object, first.old)
        spaces = sorted(
            {(requests[each].object.get("metadata") or {}).get("namespace") or "default" for each in numbers}
        )
        values = {
            "apiVersion": "cli.kyverno.io/v1alpha1", "kind": "Values", "metadata": {"name": "values"},
            "globalValues": variables,
            "namespaceSelector": [{"name": each, "labels": first.labels} for each in spaces],
        }  # fmt: skip
        (folder / "values.yaml").write_text(json.dumps(values))
        command += ["-f", "values.yaml"]
        if first.user:
            user = {"apiVersion": "cli.kyverno.io/v1alpha1", "kind": "UserInfo", "metadata": {"name": "user"}}
            (folder / "user.yaml").write_text(json.dumps(user | {"userInfo": first.user}))
            command += ["-u", "user.yaml"]
        environment = {"PATH": os.environ["PATH"], "HOME": name, "TMPDIR": name}
        run = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=HANGING
        )
    said = _COLORS.sub("", run.stdout + run.stderr)
    for each in _UNREAD.finditer(said):
        index = int(each["path"].removeprefix("p").removesuffix(".yaml"))
        found.refused[policies[index]["metadata"]["name"]] = each["why"]
    for each in (*_REFUSED.finditer(said), *_INVALID.finditer(said)):
        found.refused[each["policy"]] = each["why"]
    start = run.stdout.find('{"kind":')
    if start < 0:
        if "\ngoroutine " in said:
            raise Panicked(next((each for each in said.split("\n") if each.startswith("panic: ")), "panic"))
        if run.returncode == 0 or any(each["metadata"]["name"] in found.refused for each in policies):
            return
        raise AssertionError(f"Kyverno gave no report: {said[-2000:]}")
    report, _ = json.JSONDecoder().raw_decode(run.stdout[start:])
    for each in report["results"] or []:
        rule = each.get("rule", "").removeprefix("autogen-cronjob-").removeprefix("autogen-")
        number = int(each["resources"][0]["uid"].removeprefix("u"))
        found.found[each["policy"], rule, number] = Answer(each["result"], each.get("message", ""))
