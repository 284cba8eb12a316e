"""Values that a mutation constructs: what becomes of each in JSON, and what is said where nothing can."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.conversions import Conversion, applied, conversions
from tests.policy.generated_mutations import CRD, GROUP, KIND, PLURAL, VERSION, Case
from tests.policy.trees import loaded, mutating_binding, mutating_policy, request
from webhook.policy.reviewing import Review


def outcome(case: Case) -> Any:
    policies = loaded(mutating_policy("p", {case.patch_type: case.expression}), mutating_binding("p"), CRD)
    sent = request(case.object, resource=f"{GROUP}/{VERSION}/{PLURAL}", kind=KIND)
    found = policies.mutating[0].evaluator.mutate(Review(sent, None, lambda _name: None), None)
    if found.faults:
        return found.faults[0].message
    return (case.object if found.object is None else found.object)["spec"]


@pytest.mark.parametrize("conversion", conversions(), ids=lambda each: each.case.expression)
def test_it_becomes_what_it_becomes_in_the_api_server(conversion: Conversion) -> None:
    assert outcome(conversion.case) == conversion.outcome


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("double('NaN')", "NaN"),
        ("double('Infinity')", "+Inf"),
        ("-double('Infinity')", "-Inf"),
        ("{'a': double('NaN')}", "NaN"),
    ],
)
def test_a_number_that_json_does_not_have_is_an_error_of_the_mutation(value: str, name: str) -> None:
    assert outcome(applied(value)) == f"error applying patch: json: unsupported value: {name}"
