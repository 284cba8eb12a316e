"""What other languages write, and CEL elsewhere: the error says how Kubernetes' CEL says it, once and at its place."""

from __future__ import annotations

import re
import time

import pytest

from tests.timing import within
from webhook.cel import CompileError
from webhook.cel.check import idioms
from webhook.cel.tree.types import BOOL, INT
from webhook.policy.cel.declared import base_environment
from webhook.versions import parse_version

MACRO = "a macro is given a name and an expression: LIST.all(x, CONDITION)"
ENVIRONMENT = base_environment(with_params=False).extend({"variables.replicas": INT})


def issues(expression: str) -> list[str]:
    with pytest.raises(CompileError) as caught:
        ENVIRONMENT.compile(expression, (BOOL,))
    return [str(issue) for issue in caught.value.issues]


@pytest.mark.parametrize(
    ("expression", "place", "name", "advice"),
    [
        ("math.greatest(1, 2) == 2", "1:1", "math.greatest", "no math library; write [A, B].max()"),
        ("math.ceil(1.5) == 2.0", "1:1", "math.ceil", "no math library"),
        ("cel.bind(x, 1, x == 1)", "1:1", "cel.bind", "declare it under spec.variables"),
        ("base64.decode('YQ==') == b'a'", "1:1", "base64.decode", "no base64"),
        ("strings.split('a', ',') == []", "1:1", "strings", "TEXT.NAME(…)"),
        ("sets.union([1], [1]) == [1]", "1:1", "sets.union", "write A + B"),
        ("timestamp.now() == null", "1:1", "timestamp.now", "cannot read a clock"),
        ("object.spec.containers.forall(c, c.image != '')", "1:24", "forall", "write LIST.all(x, CONDITION)"),
        ("[1].any(x, x == 1)", "1:5", "any", "write LIST.exists(x, CONDITION)"),
        ("[1].some(x, x == 1)", "1:5", "some", "write LIST.exists(x, CONDITION)"),
        ("[1].every(x, x == 1)", "1:5", "every", "write LIST.all(x, CONDITION)"),
        ("[1].count(x, x == 1) == 1", "1:5", "count", "write LIST.filter(x, CONDITION).size()"),
        ("[1].count() == 1", "1:5", "count", "write size(LIST)"),
        ("[1].reduce(a, b, a + b) == 1", "1:5", "reduce", "sum(), min() and max()"),
        ("'a'.length() == 1", "1:5", "length", "write size(VALUE)"),
        ("'a'.len() == 1", "1:5", "len", "write size(VALUE)"),
        ("len('a') == 1", "1:1", "len", "write size(VALUE)"),
        ("'a'.toLowerCase() == 'a'", "1:5", "toLowerCase", "write VALUE.lowerAscii()"),
        ("lower('a') == 'a'", "1:1", "lower", "write VALUE.lowerAscii()"),
        ("object.x.toString() == ''", "1:10", "toString", "write string(VALUE)"),
        ("[].isEmpty()", "1:4", "isEmpty", "write size(VALUE) == 0"),
        ("{'a': 1}.keys() == []", "1:10", "keys", "MAP.map(k, k)"),
        ("[1].concat([2]) == []", "1:5", "concat", "joined by A + B"),
        ("exists(object.x)", "1:1", "exists", "write has(object.FIELD)"),
        ("object.x == nil", "1:13", "nil", "write null"),
        ("object.x == None", "1:13", "None", "write null"),
        ("object.x == True", "1:13", "True", "write true"),
        ("spec.hostNetwork == false", "1:1", "spec", "write object.spec"),
        ("self.spec.hostNetwork == false", "1:1", "self", "the variable object"),
    ],
)
def test_a_name_of_another_language(expression: str, place: str, name: str, advice: str) -> None:
    [issue] = issues(expression)
    assert issue.startswith(f"{place}: undeclared reference to '{name}'; ")
    assert advice in issue


@pytest.mark.parametrize(
    ("expression", "advice"),
    [
        ("['a'].contains('a')", "for a list, write ELEMENT in LIST"),
        ("{'a': 1}.contains('a')", "for a map, write KEY in MAP"),
        ("quantity('1') < quantity('2')", "write A.isLessThan(B), A.isGreaterThan(B), or A.compareTo(B) <= 0"),
        ("quantity(object.x) < '1'", "a quantity is compared with a quantity"),
        ("'1' > quantity(object.x)", "a quantity is compared with a quantity"),
        ("quantity('1') + quantity('2') == quantity('3')", "write A.add(B) or A.sub(B)"),
        ("semver('1.2.3') >= semver('1.2.4')", "write A.isLessThan(B), A.isGreaterThan(B)"),
        ("ip('1.1.1.1') == '1.1.1.1'", "A with ip('…')"),
        ("'x' in 'xyz'", "for strings, write TEXT.contains(PART)"),
        ("!object.x in ['a']", "write !(ELEMENT in LIST)"),
        ("'a' + 1 == 'a1'", "string(VALUE)"),
        ("'%s' % 'a' == 'a'", "write 'TEXT %s'.format([VALUE])"),
        ("'%s'.format('a') == 'a'", "write 'TEXT %s'.format([VALUE])"),
        ("1 + 1.0 == 2.0", "convert one with int(…) or double(…)"),
        ("object.x == 'a' || 'b'", "write VALUE in ['a', 'b']"),
        ("type(object.x) == 'string'", "type(VALUE) == string"),
        ("object.?x == 1", "it is an optional; write VALUE.orValue(DEFAULT)"),
        ("'abc'[0] == 'a'", "write TEXT.charAt(INDEX)"),
        ("[1].length > 0", "its length is size(VALUE)"),
        ("[1].find(x, x == 1) == 1", "write LIST.filter(x, CONDITION)[0]"),
        ("object.x.exists()", "whether a field is there is has(object.FIELD)"),
        ("max(1, 2) == 2", "write [A, B].max()"),
        ("has(object['x'])", "write has(object.FIELD), or KEY in MAP"),
    ],
)
def test_an_operation_that_is_another_in_cel(expression: str, advice: str) -> None:
    [issue] = issues(expression)
    assert advice in issue


def test_request_has_no_object() -> None:
    [issue] = issues("request.object.metadata.name == 'a'")
    assert issue == "1:9: undefined field 'object'; the object under review is the variable object"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("object.x == 1 & true", "1:15: Syntax error: write && instead of &"),
        ("object.x == 1 | true", "1:15: Syntax error: write || instead of |"),
        ("object.x < 1 and object.y > 1", "1:14: Syntax error: write && instead of and"),
        ("object.x < 1\n  or object.y > 1", "2:3: Syntax error: write || instead of or"),
        ("not object.x", "1:1: Syntax error: write ! instead of not"),
        ("object.x == 1 && not has(object.y)", "1:18: Syntax error: write ! instead of not"),
        ("object.x not in ['a']", "1:10: Syntax error: write !(ELEMENT in LIST)"),
        ("object.x is null", "1:10: Syntax error: write == instead of is"),
        ("object.x is not null", "1:10: Syntax error: write != instead of is not"),
        ("object.x = 1", "1:10: Syntax error: write == to compare"),
        ("object.x === 1", "1:10: Syntax error: write == instead of ==="),
        ("object.x !== 1", "1:10: Syntax error: write != instead of !=="),
        ("object.x <> 1", "1:10: Syntax error: write != instead of <>"),
        ("object.x => 1", "1:10: Syntax error: write >= instead of =>"),
        ("'a' =~ 'b'", "1:5: Syntax error: write TEXT.matches(PATTERN)"),
        (
            "[1].all(x => x == 1)",
            "1:11: Syntax error: a macro is given a name and an expression: LIST.all(x, CONDITION)",
        ),
        ("[1].all(x: x == 1)", "1:10: Syntax error: a macro is given a name and an expression: LIST.all(x, CONDITION)"),
        ("object.x ?? 'a' == ''", "1:10: Syntax error: write has(object.FIELD) ? object.FIELD : DEFAULT"),
        (
            "object.spec?.x == 1",
            "1:12: Syntax error: for a field that may be absent, write has(object.FIELD) && …, "
            "or VALUE.?FIELD.orValue(…)",
        ),
        ("if (true) {true}", "1:1: Syntax error: a choice is written CONDITION ? A : B"),
        ("[x for x in [1]] == [1]", "1:4: Syntax error: write LIST.map(x, VALUE) or LIST.filter(x, CONDITION)"),
        ("'abc'[1:2] == 'b'", "1:6: Syntax error: part of a text is TEXT.substring(FROM, TO)"),
        ("object.x == 1;", "1:14: Syntax error: an expression ends without ;"),
        ("object.x == \u201ca\u201d", "1:13: Syntax error: write quotes as ' or \""),
        ("true # always", "1:6: Syntax error: a comment begins with //"),
    ],
)
def test_an_operator_of_another_language(expression: str, expected: str) -> None:
    assert issues(expression) == [expected]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(object.x == 1", "1:15: Syntax error: missing ')' at '<EOF>'"),
        ("'a & b' == 'c = d' &&", "1:22: Syntax error: "),
        ("object.and.or == 'not' && (", "1:28: Syntax error: "),
        ("true ? 1", "1:9: Syntax error: mismatched input '<EOF>' expecting ':'"),
    ],
)
def test_other_errors_are_the_parser_s(expression: str, expected: str) -> None:
    found = issues(expression)
    assert found[-1].startswith(expected)
    assert not any("write" in each or "parsetree" in each for each in found)


@pytest.mark.parametrize("expression", ["object.and == 'or'", "object.is.not.in_ == 'a & b'", "'; # =>' == object.if_"])
def test_words_of_other_languages_are_names_in_cel(expression: str) -> None:
    assert ENVIRONMENT.compile(expression, (BOOL,))


def test_includes_is_dated_where_the_target_lacks_it() -> None:
    environment = base_environment(with_params=False, version=parse_version("1.30"))
    with pytest.raises(CompileError) as caught:
        environment.compile("['a'].includes('a')")
    [issue] = caught.value.issues
    assert re.search(r"since 1\.\d+; the target is 1\.30", issue.message)


@pytest.mark.parametrize(
    "text",
    [
        "or " * 30_000,
        "[" + " " * 90_000,
        "a" + " " * 90_000 + "b",
        "(" * 50 + " " * 90_000 + "x",
        "a(" * 30_000 + ":",
        "not " * 20_000,
        "x" * 90_000 + " &",
        "'" * 90_001,
    ],
)
def test_hostile_text_takes_no_time(text: str) -> None:
    with within(2, time.process_time), pytest.raises(CompileError):
        ENVIRONMENT.compile(text)


def test_what_is_advised_is_there() -> None:
    """Methods that an advice names are methods in every version that is supported, or it says that they may not be."""
    tables = (idioms.MACROS, idioms.METHODS, idioms.FUNCTIONS, *idioms.NAMESPACES.values())
    advised = {advice for table in tables for advice in table.values() if "where the target has it" not in advice}
    environment = base_environment(with_params=False, version=parse_version("1.30"))
    for name in sorted({name for advice in advised for name in re.findall(r"\.([a-z]\w*)\(", advice)}):
        try:
            environment.compile(f"[1].{name}(x, x == 1)")
        except CompileError as error:
            assert f"undeclared reference to '{name}'" not in str(error), name
