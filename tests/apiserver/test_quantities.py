from __future__ import annotations

import random

import pytest

from tests.amounts import amount
from tests.apiserver import oracle
from tests.apiserver.generated import BAD_QUANTITIES, QUANTITIES
from webhook.apiserver import quantities


def read(text: str) -> str:
    try:
        return quantities.canonical(text.strip())
    except ValueError as error:
        return f"error: {error}"


def theirs(texts: list[str]) -> list[str]:
    quotas = [{"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"a": text}}} for text in texts]
    return [
        f"error: {answer['error']}" if "error" in answer else answer["object"]["spec"]["hard"]["a"]
        for answer in oracle.ask(quotas, "decode")
    ]


def texts() -> list[str]:
    """Texts that are quantities, and that are nearly."""
    pick = random.Random("quantities")
    suffixes = (
        "",
        "",
        "n",
        "u",
        "m",
        "k",
        "M",
        "G",
        "T",
        "P",
        "E",
        "Ki",
        "Mi",
        "Gi",
        "Ti",
        "Pi",
        "Ei",
        "e3",
        "E-3",
        "e19",
        "e",
        "ki",
    )
    made = []
    for _ in range(amount(20_000, 2_000)):
        size = pick.choice((0, 1, 1, 2, 3, 4, 6, 12, 17, 18, 19, 20, 30))
        whole = "".join(pick.choice("0000123456789") for _ in range(size))
        fraction = f".{''.join(pick.choice('0123456789') for _ in range(pick.choice((0, 1, 2, 3, 8, 9, 10, 19))))}"
        made.append(
            pick.choice(("", "", "", "-", "+")) + whole + pick.choice(("", "", fraction)) + pick.choice(suffixes)
        )
    return [*QUANTITIES, *BAD_QUANTITIES, *made]


def test_quantities_are_kept_in_the_form_of_the_api_server() -> None:
    asked = texts()
    differ = [
        (text, right, read(text)) for text, right in zip(asked, theirs(asked), strict=True) if read(text) != right
    ]
    assert not differ, f"{len(differ)} of {len(asked)}: {differ[:10]}"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1000m", "1"),
        ("1.5Gi", "1536Mi"),
        ("1e3", "1e3"),
        ("1000", "1k"),
        ("0.1n", "1n"),
    ],
)
def test_the_form_that_is_kept(text: str, kept: str) -> None:
    assert quantities.canonical(text) == kept


def test_rounding_is_away_from_zero() -> None:
    assert quantities.rounded("1.0005", -3) == "1001m"
    assert quantities.rounded("-1.0005", -3) == "-1001m"
    assert quantities.rounded("5m", -3) == "5m"
    assert quantities.rounded("1Gi", -3) == "1Gi"


@pytest.mark.parametrize("text", ["1" * 2000, "1e999999999", "9" * 1000 + "Ei"])
def test_a_hostile_text_is_read_within_bounds(text: str) -> None:
    read(text)
