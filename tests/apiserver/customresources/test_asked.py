"""Generated rules, put to the API server's own packages: what they cost, what is refused of them, and their errors."""

from __future__ import annotations

import json
import re

import pytest

from tests.amounts import amount
from tests.apiserver.customresources import asked, generatedrules
from tests.goprograms import built
from webhook.cel.functions import LIBRARIES

SEED = 20261130
DEFINITIONS = amount(1000, 60)


def test_costs_refusals_and_errors_are_kubernetes(capsys: pytest.CaptureFixture[str]) -> None:
    found = asked.compared(built(asked.PROGRAM), SEED, DEFINITIONS)
    with capsys.disabled():
        print(f"\n{', '.join(f'{number} {what}' for what, number in found.counts.items())}")
    assert found.differing == [], "\n".join(found.differing[:5])
    assert found.counts["estimates"] > 4 * DEFINITIONS
    assert found.counts["of them unbounded"] < found.counts["estimates"] / 10
    assert found.counts["rules that do not compile"] > DEFINITIONS
    assert found.counts["of them for costs"] > 3 * DEFINITIONS


def test_the_rules_have_all_functions_and_macros() -> None:
    texts = json.dumps(list(generatedrules.definitions(SEED, 2500, asked.RULES)))
    written = set(re.findall(r"(\w+)\(", texts))
    libraries = [library for library in LIBRARIES if library.name != "authorizer"]
    functions = {each.name.rpartition(".")[2] for library in libraries for each in library.overloads}
    macros = {each.name.rpartition(".")[2] for library in libraries for each in library.macros}
    assert {name for name in functions if not name.startswith("@")} - written == set()
    assert macros - written <= {"bind", "transformMapEntry"}
