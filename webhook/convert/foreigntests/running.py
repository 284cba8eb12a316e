"""Runs the expectations of foreign tests on the converted policies, and makes cases of PolicyTests of them.

A foreign test distinguishes `skip` from `pass`. A converted policy that does not apply gives `no-match` by its rules
and conditions, or `allow` by its expression: both are a skip. The verdict of a case is what the binding makes of a
failure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from webhook.convert import converting, writing
from webhook.convert.foreigntests import chains
from webhook.convert.foreigntests.expected import FAILURES, Expected, case
from webhook.convert.model import JSONObject, Note, Outcome, TestResult
from webhook.documents.yamlwriting import dumped
from webhook.offline.cases import policytest, runs
from webhook.offline.cases.runs import Result
from webhook.policy.load.loading import PolicyTreeError, load
from webhook.schema.kinds import Kinds
from webhook.versions import Version

_SKIPS: Final = ("allow", "no-match")
_REFUSED: Final = ("deny", "error")
_MOST: Final = 5000  # expectations


class _Ran(Struct):
    """An expectation with its result, and its cases with their policies."""

    expected: Expected
    result: TestResult
    cases: list[tuple[str, JSONObject]] = field(default_factory=list)


def run(
    expected: Sequence[Expected],
    target: Version,
    all_of: Sequence[Outcome] | None = None,
    notes: list[Note] | None = None,
) -> None:
    """Run the expectations; the outcomes get their cases and results. all_of: the outcomes that tests may apply. notes:
    results that do not become cases are added to it.
    """
    outcomes = {id(each.outcome): each.outcome for each in expected}
    kinds = Kinds.builtin(target)
    for each in (part for one in expected for part in (one, *one.parts)):
        values = (each.object, each.old, each.patched)
        each.object, each.old, each.patched = (_placed(one, each.namespace or "default", kinds) for one in values)
    for each in expected[_MOST:]:
        each.unrun = f"more than {_MOST} expectations"
    chains.apply(expected, list(outcomes.values()) if all_of is None else all_of, target)
    ran: list[_Ran] = []
    for group in _groups(expected).values():
        outcome = group[0].outcome
        excepted = group[0].exceptions
        made = _excepted(group, target) if excepted else outcome
        own = [] if made is None else _run(made, group, target)
        if excepted and any(each.result.run for each in own) and notes is not None:
            names = ", ".join(dict.fromkeys(Path(each.stream).name for each in excepted))
            words = f"results that need the exceptions of the test ({names}) were run, and are not in tests.yaml"
            notes.append(Note(group[0].document.stream, group[0].line, f"{outcome.name}: {words}"))
        ran += own
    for one in _settled(ran):
        one.expected.outcome.tests.append(one.result)
        for policy, written in one.cases if not one.expected.exceptions else ():
            one.expected.outcome.cases.setdefault(policy, []).append(written)


def _groups(expected: Iterable[Expected]) -> dict[tuple[object, ...], list[Expected]]:
    """The expectations in groups that run on the same policies: of one policy, with the same exceptions."""
    found: dict[tuple[object, ...], list[Expected]] = {}
    for each in expected:
        key = (id(each.outcome), *((one.stream, one.line) for one in each.exceptions))
        found.setdefault(key, []).append(each)
    return found


def _excepted(group: list[Expected], target: Version) -> Outcome | None:
    """The policy of some expectations, converted with the exceptions of their test. If one of these is not converted,
    the expectations get the reason."""
    one = group[0]
    found = converting.convert([one.outcome.document, *one.exceptions], target).outcomes
    refused = next((note for each in found if each.kind == "PolicyException" for note in each.refused), None)
    made = found[0]
    for each in group:
        each.policies = made.rules.get(each.rule, []) if each.rule else made.made
        if refused is not None:
            each.unrun = each.unrun or f"the test has an exception that is not converted: {refused}"
    return made


def _settled(ran: Iterable[_Ran]) -> list[_Ran]:
    """The results. Of expectations that are alternatives, only those that are met, or the first one."""
    found: list[_Ran] = []
    groups: dict[tuple[int, int], list[_Ran]] = {}
    for each in ran:
        if each.expected.one_of:
            groups.setdefault((id(each.expected.document), each.expected.one_of), []).append(each)
        else:
            found.append(each)
    for group in groups.values():
        met = [each for each in group if each.result.passed]
        unrun = [each for each in group if not each.result.run]
        found += met or unrun[:1] or group[:1]
    return found


def _placed(value: JSONObject | None, namespace: str, kinds: Kinds) -> JSONObject | None:
    """The object with its namespace, as the API server has it. namespace: where a file names none."""
    if value is None:
        return None
    known = kinds.for_kind(value["apiVersion"], value["kind"])
    metadata = value.get("metadata") or {}
    if known is None or not known.namespaced or not isinstance(metadata, dict) or metadata.get("namespace"):
        return value
    return value | {"metadata": metadata | {"namespace": namespace}}


def _run(outcome: Outcome, expected: list[Expected], target: Version) -> list[_Ran]:
    """Run the expectations of one policy. It is loaded from a folder of its own."""
    planned: list[tuple[Expected, str]] = []
    for each in expected:
        if not each.unrun and not each.policies:
            each.unrun = "the policy was not converted" if outcome.status == "not" else "the rule was not converted"
        if not each.unrun and any(f"name={policy!r}" in outcome.python for policy in each.policies):
            each.unrun = "the policy in Python is unfinished, and denies until it is finished"
        if not each.unrun:
            planned += [(one, policy) for one in (each, *each.parts) for policy in each.policies]
    verdicts = _verdicts(outcome, planned, target)
    ran: list[_Ran] = []
    for each in expected:
        if each.unrun:
            result = TestResult(each.document.stream, each.line, each.name, False, False, each.unrun)
            ran.append(_Ran(each, result))
            continue
        found = [
            (one, policy, verdicts[index])
            for index, (one, policy) in enumerate(planned)
            if any(one is part for part in (each, *each.parts))
        ]
        passed, reason = _judged(each, found)
        ran.append(_Ran(each, TestResult(each.document.stream, each.line, each.name, passed, True, reason)))
        for one, policy, verdict in found:
            if isinstance(verdict, Result) and (passed or len(found) == 1):
                ran[-1].cases.append((policy, _case(one, each, verdict, passed=passed)))
    return ran


def _case(one: Expected, whole: Expected, result: Result, *, passed: bool) -> JSONObject:
    """The case of an object, with the verdict that was found, or with the expected one if the expectation is not
    met."""
    if not passed:
        return case(one, {"fail": "deny", "error": "error", "skip": "no-match"}.get(one.wanted, "allow"))
    written = case(one, result.verdict)
    if whole.parts:
        written.pop("findings", None)  # the counts hold for all objects together
    return written


def _verdicts(outcome: Outcome, planned: list[tuple[Expected, str]], target: Version) -> list[Result | str]:
    """The result of each expectation, or why there is none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writing.stage([outcome], folder)
        tests = folder / outcome.folder / "tests.yaml"
        tests.unlink(missing_ok=True)
        try:
            policies = load(str(folder), target)
        except PolicyTreeError as error:
            return [f"the converted policies do not load: {error.problems[0].message}"] * len(planned)
        found: list[Result | str] = []
        for each, policy in planned:
            tests.write_text(dumped(writing.policy_test(policy, [case(each, "allow")])), encoding="utf-8")
            cases, problems = policytest.plan([str(folder)], policies)
            if problems:
                found.append(_read_back(problems[0].message))
                continue
            found.append(next(iter(runs.run(cases, policies))))
    return found


def _read_back(message: str) -> str:
    return f"the test's object cannot be sent: {message}"


def _judged(expected: Expected, found: list[tuple[Expected, str, Result | str]]) -> tuple[bool, str]:
    """Whether an expectation is met; if not, the reason. found: the result of each pair of object and policy."""
    for _, policy, each in found:
        if isinstance(each, str):
            return False, f"{policy}: {each}"
    results = [(one, policy, each) for one, policy, each in found if isinstance(each, Result)]
    shown = ", ".join(f"{policy}: {each.verdict}" for _, policy, each in results)
    verdicts = [each.verdict for _, _, each in results]
    if expected.unmatched and set(verdicts) == {"no-match"}:
        return True, ""
    if expected.wanted == "fail":
        met = any(each in FAILURES for each in verdicts)
        missed = _missed(expected, results) if met else f"expected a failure, found {shown}"
        return not missed, missed
    if expected.wanted == "counted":
        missed = _missed(expected, results)
        return not missed, missed
    if expected.wanted == "error":
        met = any(each in FAILURES for each in verdicts) or bool(expected.ignores and set(verdicts) <= {"allow"})
        return met, "" if met else f"expected an error, found {shown}"
    if expected.wanted == "mutated":
        failed = [text for _, _, each in results for text in each.failures]
        return not failed, failed[0] if failed else ""
    if expected.wanted == "admitted":
        met = all(each not in _REFUSED for each in verdicts)
    elif expected.wanted == "pass":
        met = all(each == "allow" or (each == "no-match" and expected.unmatched) for each in verdicts)
    else:
        met = all(each in _SKIPS for each in verdicts)
    return met, "" if met else f"expected {expected.wanted}, found {shown}" + _texts(each for _, _, each in results)


def _missed(expected: Expected, results: Iterable[tuple[Expected, str, Result]]) -> str:
    """The reason why the counts of messages differ from the expected ones; "" if they do not."""
    # A validation that fails under two actions, such as Warn and Audit, is found twice.
    found = {
        (one.name, each.policy, each.binding, each.index, each.message): one.prefix + each.message
        for one, _, result in results
        for each in result.findings
    }
    return next(filter(None, (each.missed(list(found.values())) for each in expected.counts)), "")


def _texts(results: Iterable[Result]) -> str:
    texts = [text for each in results for text in each.texts]
    return f" ({texts[0][:200]})" if texts else ""
