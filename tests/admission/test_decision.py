"""The texts of findings, and which warnings a client sees."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.admission.decision import MUTATING, Decision, Finding, Mutation, denial_text, shown_warnings


def finding(**fields: Any) -> Finding:
    usual: dict[str, Any] = {"policy": "p", "binding": "b", "action": "Deny", "reason": "Invalid", "code": 422}
    return Finding(**{**usual, "message": "no", **fields})


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (finding(), "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"),
        (finding(binding=""), "ValidatingAdmissionPolicy 'p' denied request: no"),
        (finding(action="Warn"), "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"),
        (finding(kind=MUTATING), "policy 'p' with binding 'b' denied request: no"),
    ],
)
def test_texts_are_the_api_servers(found: Finding, text: str) -> None:
    assert found.text() == text


class TestWarnings:
    def test_come_in_order_once_each(self) -> None:
        assert shown_warnings(["b", "a", "b"]) == ("b", "a")

    def test_empty_ones_and_ones_with_control_characters_vanish(self) -> None:
        assert shown_warnings(["", "a\nb", "a\tb", "a\x7f", "a\x85", "plain ü"]) == ("plain ü",)

    def test_are_whole_up_to_4096_characters(self) -> None:
        texts = [letter * 1024 for letter in "abcd"]
        assert shown_warnings(texts) == tuple(texts)

    def test_past_that_each_is_cut_to_256_and_later_ones_drop(self) -> None:
        texts = [f"{number:04}" + "x" * 500 for number in range(40)]
        shown = shown_warnings(texts)
        assert {len(text) for text in shown} == {256}
        assert [text[:4] for text in shown] == [f"{number:04}" for number in range(16)]

    def test_characters_count_not_bytes(self) -> None:
        texts = ["ü" * 2048, "ö" * 2048]
        assert shown_warnings(texts) == tuple(texts)


def test_the_texts_of_decisions_and_mutations_show_no_object() -> None:
    mutation = Mutation({"kind": "Secret", "data": {"password": "hunter2"}})
    assert "hunter2" not in repr(Decision(allowed=True, mutation=mutation))


def _text(denials: list[Finding]) -> str:
    return denial_text([each.text() for each in denials], denials)


class TestDenials:
    def test_of_one_policy_are_its_first(self) -> None:
        assert _text([finding(), finding(message="neither")]) == finding().text()
        assert _text([]) == ""

    def test_of_several_policies_name_each_once(self) -> None:
        denials = [finding(), finding(binding="c"), finding(policy="q"), finding(policy="q", message="neither")]
        expected = (
            "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
            "ValidatingAdmissionPolicy 'p' with binding 'c' denied request: no",
            "ValidatingAdmissionPolicy 'q' with binding 'b' denied request: no",
        )
        assert _text(denials).split("\n") == list(expected)

    def test_beyond_4096_characters_only_the_names_follow(self) -> None:
        denials = [finding(policy=f"p{number}", message="x" * 1000) for number in range(6)]
        *lines, last = _text(denials).split("\n")
        assert [line.partition("'")[2].partition("'")[0] for line in lines] == ["p0", "p1", "p2", "p3"]
        assert last == "also denied by 'p4', 'p5'"

    def test_stay_small_however_many_there_are(self) -> None:
        denials = [finding(policy=f"p{number}", message="x" * 100_000) for number in range(1000)]
        text = _text(denials)
        assert text.startswith(denials[0].text())
        assert len(text) < 100_000 + 1000
        assert text.endswith("'p19', 'p20' and 979 others")
