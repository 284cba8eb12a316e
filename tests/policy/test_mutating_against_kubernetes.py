"""Generated mutations in the API server's own packages and in ours: the same objects, texts and refusals.

Their side is a Go program, see tests.policy.apiserver.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.amounts import amount
from tests.policy import generated_mutations as generated
from tests.policy.apiserver import asked
from tests.policy.conversions import conversions
from tests.policy.generated_mutations import Case, Mutations
from tests.policy.trees import loaded, mutating_binding, mutating_policy, request
from webhook import schema
from webhook.policy.load.loading import PolicyTreeError
from webhook.policy.reviewing import Review

SCHEMAS = Path(schema.__file__).parent / "kubernetes"
SEED, COUNT = 20261124, amount(1500, 150)


NAMESPACE = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "default", "labels": {"a": "b"}, "annotations": {"c": "d"}},
    "spec": {"finalizers": ["kubernetes"]},
    "status": {"phase": "Active"},
}


def theirs(cases: list[Case]) -> list[dict[str, Any]]:
    lines = (
        {
            "Policy": policy(case),
            "Object": case.object,
            "Operation": "CREATE",
            "Resource": [generated.GROUP, generated.VERSION, generated.PLURAL, ""],
            "Kind": [generated.GROUP, generated.VERSION, generated.KIND],
            "Name": "w",
            "NS": "default",
            "Schema": generated.SCHEMA,
            "Namespace": NAMESPACE,
        }
        for case in cases
    )
    return asked(lines, str(SCHEMAS))


def policy(case: Case) -> dict[str, Any]:
    return mutating_policy("p", {case.patch_type: case.expression})


def ours(case: Case) -> dict[str, Any]:
    try:
        policies = loaded(policy(case), mutating_binding("p"), generated.CRD)
    except PolicyTreeError as error:
        return {"refused": [problem.message for problem in error.problems]}
    sent = request(
        case.object, resource=f"{generated.GROUP}/{generated.VERSION}/{generated.PLURAL}", kind=generated.KIND
    )
    before = json.dumps(case.object)
    found = policies.mutating[0].evaluator.mutate(Review(sent, None, lambda _name: NAMESPACE), None)
    assert json.dumps(case.object) == before
    return {
        "errors": [fault.message for fault in found.faults],
        "object": case.object if found.object is None else found.object,
    }


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what is left to chance there (which of several faults is told, in which order), and panics as errors."""
    if answer.get("refused"):
        return {"refused": True}
    texts = []
    for text in answer["errors"]:
        start, _, places = text.partition("may not mutate atomic arrays, maps or structs: ")
        if places:
            texts.append(start + ", ".join(sorted(places.split(", "))))
        elif "field not declared" in text or "errors:" in text or text.count("unexpected type name") > 1:
            texts.append(text.split(" object: ")[0].split(": ")[0])
        elif text.startswith("panic: "):
            texts.append("panic")
        else:
            texts.append(text)
    return {"errors": texts, "object": as_written(answer["object"])}


def as_written(value: Any) -> Any:
    """Numbers as Go writes them: a whole one without a fraction."""
    if isinstance(value, dict):
        return {name: as_written(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_written(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_generated_mutations_give_the_same() -> None:
    mutations = Mutations(SEED)
    cases = [mutations.case() for _ in range(COUNT)]
    refused = failed = changed = 0
    for case, answer in zip(cases, theirs(cases), strict=True):
        expected, found = comparable(answer), comparable(ours(case))
        if expected.get("errors") == ["panic"]:
            expected["errors"] = found["errors"]  # the API server fails in a way of its own
        assert json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True), case
        refused += "refused" in expected
        failed += bool(expected.get("errors"))
        changed += expected.get("object", case.object) != case.object
    assert changed > COUNT / 4
    assert failed > COUNT / 10
    assert refused < COUNT / 4


def test_constructed_values_become_what_the_table_says() -> None:
    table = conversions()
    for (case, outcome), answer in zip(table, theirs([each.case for each in table]), strict=True):
        failed = isinstance(outcome, str)
        expected = {
            "errors": [outcome] if failed else [],
            "object": case.object if failed else {**case.object, "spec": outcome},
        }
        assert comparable(answer) == comparable(expected), case


VALUES = (
    *("null", "true", "1", "3u", "1.5", "'a'", "b'a'", "duration('1s')", "timestamp('2020-01-01T00:00:00Z')", "int"),
    *("[1]", "[null]", "{'a': 1}", "{1: 2}", "{'a': {'b': [1]}}", "[Object.spec.anything{a: 1}]", "optional.none()"),
    *("quantity('1k')", "optional.of(quantity('1'))", "[quantity('1k')]", "{'a': quantity('1k')}", "url('http://a/b')"),
    *("ip('1.2.3.4')", "cidr('1.0.0.0/8')", "semver('1.2.3')", "[ip('1.2.3.4')]", "format.dns1123Label()"),
    *("request", "request.userInfo", "request.kind", "request.resource", "request.userInfo.groups", "request.options"),
    *(
        "request.dryRun",
        "request.name",
        "request.userInfo.username",
        "[request.kind]",
        "{'a': request.kind}",
        "[request]",
    ),
    *("request.userInfo.groups + ['a']", "request.userInfo.groups.map(g, g)", "[request.userInfo.groups]"),
    *("namespaceObject", "namespaceObject.metadata", "namespaceObject.metadata.labels", "namespaceObject.spec"),
    *("namespaceObject.status", "namespaceObject.spec.finalizers", "namespaceObject.metadata.name"),
    *("[namespaceObject.metadata.labels]", "{'a': namespaceObject.metadata}", "namespaceObject.metadata.labels.a"),
    *("object", "object.spec", "[object.metadata]", "JSONPatch{}", "JSONPatch{op: 'add'}", "[JSONPatch{op: 'add'}]"),
    *(
        "Object.spec.anything{a: 1}",
        "Object.spec.anything{a: JSONPatch{}}",
        "Object.other{}",
        "google.protobuf.Empty{}",
    ),
    *("google.protobuf.Int64Value{value: 3}", "google.protobuf.Struct{fields: {'a': 1}}", "google.protobuf.Value{}"),
)
LIVE = {
    "apiVersion": f"{generated.GROUP}/{generated.VERSION}",
    "kind": generated.KIND,
    "metadata": {"name": "w", "namespace": "default"},
    "spec": {},
}


def without_go_values(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what Go shows of a value that does not fit: addresses, its own structures, quantities in their form."""
    texts = ["error applying patch" if ".options" in text else text.split(", got &{")[0] for text in answer["errors"]]
    return {**answer, "errors": texts}


def test_every_type_of_value_is_taken_or_refused_in_every_place() -> None:
    cases = [
        Case(kind, written.format(value), LIVE)
        for value in VALUES[:: amount(1, 3)]
        for kind, written in (
            ("JSONPatch", "[JSONPatch{{op: 'add', path: '/spec/anything', value: {}}}]"),
            ("JSONPatch", "[JSONPatch{{op: 'add', path: '/spec/anything', value: dyn({})}}]"),
            ("ApplyConfiguration", "Object{{spec: Object.spec{{anything: {}}}}}"),
            ("ApplyConfiguration", "Object{{spec: Object.spec{{anything: dyn({})}}}}"),
        )
    ]
    differing = []
    for case, answer in zip(cases, theirs(cases), strict=True):
        expected, found = (without_go_values({"errors": [], **comparable(each)}) for each in (answer, ours(case)))
        if json.dumps(found, sort_keys=True) != json.dumps(expected, sort_keys=True):
            differing.append(
                (case.expression, found["errors"] or found["object"], expected["errors"] or expected["object"])
            )
    assert differing == []
