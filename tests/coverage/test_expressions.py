"""The coverage of small policies equals a count by hand, which stands beside each."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.coverage.measured import MUTATING, VALIDATING, coverage, listed, only, sides, written
from webhook.coverage.model import Figure

# (the spec, the ConfigMaps that its tests create, the sides by hand, covered and all, terms decided both ways and all)
BY_HAND = {
    "a comparison": (
        """
        validations:
        - expression: object.data.size == 'small'
        """,
        ["data: {size: small}"],
        """
        object.data.size == 'small': true -false
        """,
        (1, 2),
        (0, 0),
    ),
    # The second case ends at b, so c was evaluated once, and true. b is false in the second one, which it decides. a
    # was true in both and decided the first, where all did.
    "three terms of &&": (
        """
        validations:
        - expression: object.data.a == '1' && object.data.b == '1' && object.data.c == '1'
        """,
        ["data: {a: '1', b: '1', c: '1'}", "data: {a: '1', b: '2', c: '2'}"],
        """
        object.data.a == '1' && object.data.b == '1' && object.data…: true false
        object.data.a == '1': true -false
        object.data.b == '1': true false
        object.data.c == '1': true -false
        """,
        (6, 8),
        (1, 3),
    ),
    # Two operators: the whole, and the && in brackets. `!` is no side of its own. In the first case has() is false, so
    # the whole is true by its first term. In the second && is true by both of its terms. In the third one
    # is false by its first term, so `.b` is never seen false.
    "|| with ! and a nested &&": (
        """
        validations:
        - expression: "!has(object.data) || (object.data.a == '1' && object.data.b == '1')"
        """,
        ["", "data: {a: '1', b: '1'}", "data: {a: '2', b: '1'}"],
        """
        !has(object.data) || (object.data.a == '1' && object.data.b…: true false
        has(object.data): true false
        object.data.a == '1' && object.data.b == '1': true false
        object.data.a == '1': true false
        object.data.b == '1': true -false
        """,
        (9, 10),
        (2, 3),
    ),
    # A branch of which the value is the policy's decides. true is a constant: it has no sides.
    "branches of ?:": (
        """
        validations:
        - expression: >-
            has(object.data) ? object.data.a == '1' : has(object.binaryData) ? object.binaryData.a == 'MQ==' : true
        """,
        ["data: {a: '1'}", "data: {a: '2'}", "binaryData: {a: MQ==}"],
        """
        has(object.data): true false
        object.data.a == '1': true false
        has(object.binaryData): true -false
        object.binaryData.a == 'MQ==': true -false
        """,
        (6, 8),
        (0, 0),
    ),
    # size() is no decision, but has() within its argument is.
    "has() within other expressions": (
        """
        validations:
        - expression: size([has(object.data), has(object.binaryData)].filter(x, x)) < 2
        """,
        ["data: {a: '1'}", "binaryData: {a: MQ==}"],
        """
        size([has(object.data), has(object.binaryData)].filter(x, x…: true -false
        has(object.data): true false
        has(object.binaryData): true false
        x: true false
        """,
        (7, 8),
        (0, 0),
    ),
    # A chain of .? is one optional. The body of optMap is an expression of its own, a bool here.
    "optionals": (
        """
        validations:
        - expression: object.?data.?a.orValue('') != 'x'
        - expression: object.?data.?b.optMap(v, v == '1').orValue(true)
        - expression: optional.ofNonZeroValue(object.metadata.name).hasValue()
        """,
        ["data: {a: x}", "data: {a: z, b: '1'}"],
        """
        object.?data.?a.orValue('') != 'x': true false
        object.?data.?a: present -absent
        object.?data.?b.optMap(v, v == '1').orValue(true): true -false
        object.?data.?b: present absent
        v == '1': true -false
        optional.ofNonZeroValue(object.metadata.name): present -absent
        """,
        (8, 12),
        (0, 0),
    ),
    # hasValue() is no decision of its own: the optional is the point; of ?: each branch, of or() both. The right side
    # of or() is evaluated where the left one is absent: in the second case, without any data.
    "optionals that are chosen": (
        """
        validations:
        - expression: "(has(object.data) ? object.?data : object.?binaryData).hasValue()"
        - expression: object.?data.or(object.?binaryData).hasValue()
        """,
        ["data: {a: x}", ""],
        """
        has(object.data): true false
        object.?data: present -absent
        object.?binaryData: -present absent
        object.?data: present absent
        object.?binaryData: -present absent
        """,
        (7, 10),
        (0, 0),
    ),
    # The entry of transformMapEntry is a body; that of transformMap is one of its variables, which counts nothing.
    "macros with two variables": (
        """
        variables:
        - name: turned
          expression: "object.data.transformMapEntry(k, v, {v: k})"
        - name: same
          expression: object.data.transformMap(k, v, size(v) > 1, v)
        validations:
        - expression: variables.turned.exists(k, v, k == v) || size(variables.same) > 0
        """,
        ["data: {a: x}"],
        """
        object.data.transformMapEntry(k, v, {v: k}): evaluated
        {v: k}: evaluated
        object.data.transformMap(k, v, size(v) > 1, v): evaluated
        size(v) > 1: -true false
        variables.turned.exists(k, v, k == v) || size(variables.sam…: -true false
        variables.turned.exists(k, v, k == v): -true false
        k == v: -true false
        size(variables.same) > 0: -true false
        """,
        (8, 13),
        (0, 2),
    ),
    # The first case has no key at all, so nothing of the macros' insides is evaluated there. The second one has 'a' and
    # 'bb': `startsWith` is true and false, and so is the predicate of filter.
    "macros": (
        """
        variables:
        - name: keys
          expression: object.?data.orValue({}).map(k, k)
        - name: long
          expression: variables.keys.filter(k, size(k) > 1).map(k, size(k) < 9, k + '!')
        validations:
        - expression: variables.keys.all(k, k != 'c')
        - expression: variables.long.exists(k, k.startsWith('b') && k.endsWith('?'))
        """,
        ["", "data: {a: '', bb: ''}"],
        """
        object.?data.orValue({}).map(k, k): evaluated
        object.?data: present absent
        variables.keys.filter(k, size(k) > 1).map(k, size(k) < 9, k…: evaluated
        size(k) > 1: true false
        size(k) < 9: true -false
        k + '!': evaluated
        variables.keys.all(k, k != 'c'): true -false
        k != 'c': true -false
        variables.long.exists(k, k.startsWith('b') && k.endsWith('?…: -true false
        k.startsWith('b') && k.endsWith('?'): -true false
        k.startsWith('b'): true -false
        k.endsWith('?'): -true false
        """,
        (14, 21),
        (0, 2),
    ),
    # The condition leaves the third case out. The message is evaluated where the validation is false: in the second.
    "everything that a policy may hold": (
        """
        matchConditions:
        - {name: judged, expression: "object.metadata.name == 'cm' && !has(object.immutable)"}
        variables:
        - {name: a, expression: "object.data.a"}
        - {name: unused, expression: "object.data.b == '1'"}
        validations:
        - expression: variables.a == '1'
          messageExpression: "variables.a == '2' ? 'two' : 'many'"
        auditAnnotations:
        - {key: seen, valueExpression: "has(object.data.b) ? 'b' : ''"}
        """,
        ["data: {a: '1'}", "data: {a: '2'}", "immutable: true, data: {a: '3'}"],
        """
        object.metadata.name == 'cm' && !has(object.immutable): true false
        object.metadata.name == 'cm': true -false
        has(object.immutable): true false
        object.data.a: evaluated
        object.data.b == '1': -true -false
        variables.a == '1': true false
        variables.a == '2': true -false
        has(object.data.b): -true false
        """,
        (10, 15),
        (1, 2),
    ),
    # An error is no side: of two cases, one ends in an error. The second term absorbs the error of the first one.
    "errors": (
        """
        failurePolicy: Ignore
        validations:
        - expression: object.data.a == '1'
        - expression: object.data.a == '1' || object.metadata.name == 'cm'
        """,
        ["", "data: {a: '2'}"],
        """
        object.data.a == '1': -true false
        object.data.a == '1' || object.metadata.name == 'cm': true -false
        object.data.a == '1': -true false
        object.metadata.name == 'cm': true -false
        """,
        (4, 8),
        (0, 2),
    ),
}
MUTATIONS = """
reinvocationPolicy: Never
matchConditions:
- {name: not-skipped, expression: "object.?data.?skip.orValue('') == ''"}
mutations:
- patchType: ApplyConfiguration
  applyConfiguration:
    expression: "Object{data: {'seen': has(object.data) ? 'again' : 'first'}}"
- patchType: JSONPatch
  jsonPatch:
    expression: >-
      object.data.seen == 'again' ? [JSONPatch{op: 'remove', path: '/data/seen'}] : []
"""


@pytest.mark.parametrize("name", BY_HAND)
def test_the_figures_are_those_of_a_count_by_hand(name: str, tmp_path: Path) -> None:
    spec, objects, by_hand, figure, terms = BY_HAND[name]
    covered = only(written(tmp_path / "policies", spec, objects))
    assert sides(covered) == listed(by_hand)
    assert covered.figure == Figure(*figure)
    assert covered.terms == Figure(*terms)
    assert covered.cases == len(objects)


DECIDED = {
    # Without data has() is false, and this decides; the second term is not evaluated.
    "!has(object.data) || object.data.a == '1'": (
        [""],
        ["has(object.data): -true false", "object.data.a == '1': -true -false"],
    ),
    # `a` is 1, so the whole is true by its second term alone: has() is true, and `!has()` false.
    "!has(object.data) || object.data.a == '1' || 1 > 2": (
        ["data: {a: '1'}"],
        ["has(object.data): -true -false", "object.data.a == '1': true -false", "1 > 2: -true -false"],
    ),
    # With data the first branch decides, without the second one. The condition is no term.
    "(has(object.data) ? object.data.a == '1' : object.metadata.name == 'x') && object.kind != 'Pod'": (
        ["data: {a: '1'}", ""],
        [
            "object.data.a == '1': true -false",
            "object.metadata.name == 'x': -true false",
            "object.kind != 'Pod': true -false",
        ],
    ),
    # Both terms of a false || decide, and `!` turns it.
    "!(has(object.immutable) || has(object.binaryData)) && has(object.data)": (
        ["data: {a: '1'}"],
        ["has(object.immutable): -true false", "has(object.binaryData): -true false", "has(object.data): true -false"],
    ),
}


@pytest.mark.parametrize("expression", DECIDED)
def test_which_term_decides(expression: str, tmp_path: Path) -> None:
    objects, by_hand = DECIDED[expression]
    covered = only(written(tmp_path / "policies", f'validations:\n- expression: "{expression}"\n', objects))
    assert sides(replace(covered, marks=covered.undecided)) == by_hand


def test_mutations_are_counted_too(tmp_path: Path) -> None:
    """By hand: both cases are judged; the first has no data, so it is `first`, and the second mutation removes nothing
    of it; no case has data that is not skipped, so has() is never true, and `== 'again'` neither."""
    root = written(tmp_path / "policies", MUTATIONS, ["", "data: {skip: 'yes'}"], MUTATING)
    covered = only(root)
    assert sides(covered) == listed(
        """
        object.?data.?skip.orValue('') == '': true false
        object.?data.?skip: present absent
        Object{data: {'seen': has(object.data) ? 'again' : 'first'}}: evaluated
        has(object.data): -true false
        object.data.seen == 'again': -true false
        """
    )
    assert (covered.figure, covered.expressions) == (Figure(7, 9), Figure(3, 3))
    assert covered.kind == "MutatingAdmissionPolicy"


def test_a_policy_without_tests_counts_nothing(tmp_path: Path) -> None:
    covered = only(written(tmp_path / "policies", BY_HAND["macros"][0], []))
    assert (covered.figure, covered.figure.percent) == (Figure(0, 21), 0)
    assert (covered.cases, covered.expressions, covered.terms) == (0, Figure(0, 4), Figure(0, 2))
    assert [gap.message for gap in covered.gaps()] == ["p: nothing of it is evaluated, as no case of it ran"]


def test_a_policy_is_not_covered_by_the_tests_of_another_one(tmp_path: Path) -> None:
    root = written(tmp_path / "policies", BY_HAND["a comparison"][0], ["data: {size: small}"])
    other = (root / "policy.yaml").read_text().replace("name: p", "name: q")
    (root / "other.yaml").write_text(other)
    figures = {each.name: each.figure for each in coverage(root).policies}
    assert figures == {"p": Figure(1, 2), "q": Figure(0, 2)}


def test_literals_that_were_used_were_evaluated(tmp_path: Path) -> None:
    spec = """\
    variables:
    - {name: names, expression: "['cm', 'b']"}
    validations:
    - expression: object.metadata.name in variables.names && object.kind in ['ConfigMap', 'Pod']
    - expression: "(object.kind in ['Pod'] ? ['a'] : ['cm']).exists(n, n in ['cm'])"
    """
    assert [each for each in sides(only(written(tmp_path / "policies", spec, [""]))) if "evaluated" in each] == [
        "['cm', 'b']: evaluated",
    ]


def test_all_rounds_of_a_long_loop_are_seen(tmp_path: Path) -> None:
    """The record of an evaluation keeps some rounds of a loop; coverage sees all of them."""
    data = ", ".join(f"k{number:03}: '{number}'" for number in range(500))
    spec = "validations:\n- expression: object.data.all(k, k != 'k250' || object.data[k] == '250')\n"
    covered = only(written(tmp_path / "policies", spec, [f"data: {{{data}}}"]))
    assert "k != 'k250': true false" in sides(covered)


def test_marks_stand_where_the_text_stands(tmp_path: Path) -> None:
    """In every style of YAML."""
    spec = """
    variables:
    - name: a
      expression: "object.data.a == '\\u0031' && object.data.b == '1'"
    - name: b
      expression: >-
        object.data.a == '1' ||
        object.data.b == '1'
    validations:
    - expression: |
        variables.a &&
          variables.b
    """
    root = written(tmp_path / "policies", spec, ["data: {a: '1'}"])
    source = (root / "policy.yaml").read_text().split("\n")
    for mark in only(root).marks:
        (line, column), (last, end) = mark.start, mark.end
        found = source[line - 1 : last]
        found[-1] = found[-1][:end]
        found[0] = found[0][column - 1 :]
        assert " ".join(" ".join(found).split()).replace("\\u0031", "1") == mark.text
    assert len(only(root).marks) == 9


def test_expressions_in_json_have_places_too(tmp_path: Path) -> None:
    root = tmp_path / "policies"
    root.mkdir()
    rules = '[{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]'
    (root / "policy.json").write_text(
        '{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",\n'
        ' "metadata": {"name": "p"}, "spec": {"matchConstraints": {"resourceRules": ' + rules + "},\n"
        ' "validations": [{"expression": "has(object.data)"}]}}'
    )
    (mark,) = only(root).marks
    assert (mark.start, mark.end) == ((3, 34), (3, 49))


def test_a_deep_expression_is_counted(tmp_path: Path) -> None:
    text = " || ".join(f"(object.metadata.name == '{number}' && true)" for number in range(40))
    covered = only(written(tmp_path / "policies", f'validations:\n- expression: "{text}"\n', [""], VALIDATING))
    assert covered.figure == Figure(81, 162)
