"""Expressions of constants, as the API server folds and checks them when a policy is created."""

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Iterator
from itertools import product

TEXTS = [
    "", " 1", "1", "-1", "+1", "01", "0x10", "1_0", "1__0", "_1", "1_", "1_0.5_0e1_0", "1_.5", "1._5", "0x1p4", "1.5", "1e3", "NaN", "Inf", "-inf", "x", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "true", "TRUE",
    "True", "t", "T", "tRUE", "false", "f", "F", "1h", "1h30m", "-1.5h", "+1s", "1d", "1", "1H", "h", "1h 1m", "1us",
    "1µs", "1ms1ns", ".5s", "1.s", ".s", "9223372036s", "315576000001s", "2562047h47m16.854775807s", "2562048h",
    "2020-01-02T03:04:05Z", "2020-01-02T03:04:05.123456789Z", "2020-01-02T03:04:05.1234567891Z",
    "2020-01-02T03:04:05+01:00", "2020-01-02T03:04:05+25:00", "2020-01-02T03:04:05", "2020-01-02", "2020-13-02T03:04:05Z",
    "2020-02-30T03:04:05Z", "2020-01-02t03:04:05z", "2020-01-02 03:04:05Z", "2020-01-02T24:00:00Z",
    "2020-01-02T23:59:60Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "10000-01-01T00:00:00Z", "2020-1-2T03:04:05Z", "2020-01-02T3:04:05Z", "2020-01-02T03:04:05,5Z", "é",
]  # fmt: skip
OTHERS = [
    "1", "-1", "0", "9223372036854775807", "-9223372036854775808", "1u", "18446744073709551615u", "1.5", "-1.5", "1e100",
    "9.3e18", "-0.0", "true", "false", "null", "b'a'", "b'\\xff'", "b''", "[]", "[1]", "{}", "{'a': 1}", "int", "dyn([1])", "dyn({'a': 1})", "dyn({1: 1, 1: 2})",
    "duration('1h')", "timestamp('2020-01-02T03:04:05Z')", "timestamp('x')", "duration('x')",
]  # fmt: skip
CONVERSIONS = ["int", "uint", "double", "bool", "string", "bytes", "duration", "timestamp", "dyn", "type"]
PATTERNS = [
    "a", "a(", "a)", "[", "[a", "]", "*", "a**", "a*?", "a+?+", "a{2}", "a{2,1}", "a{,2}", "a{1000}", "a{1001}", "(a{100}){100}",
    "(?i)a", "(?U)a", "(?x)a", "(?s-i:a)", "(?P<n>a)", "(?<n>a)", "(?P<n>a)(?P<n>b)", "(?P=n)", "(?=a)", "(?!a)",
    "(?<=a)", "(?>a)", "(?#c)", r"\\1", r"\\8", r"\\d", r"\\C", r"\\Z", r"\\z", r"\\A", r"\\b", r"\\e", r"\\Qa(\\E", r"\\Q(",
    r"\\pN", r"\\p{Greek}", r"\\p{Foo}", r"\\p{^Greek}", r"\\PL", r"\\x41", r"\\x{10FFFF}", r"\\x{110000}", r"\\xg",
    "[[:alpha:]]", "[[:foo:]]", "[[:^alpha:]]", "[z-a]", r"[a-\\d]", "[^]a]", "[]a]", r"\\", r"\\u0041", r"\\N{x}", r"\\cA", r"\\K",
    r"\\G", r"\\R", r"\\X", r"\\h", r"\\v", r"\\_", r"\\é", "(" * 20 + "a" + ")" * 20, "(?:" * 998 + "a" + ")" * 998,
    "(?:" * 1200 + "a" + ")" * 1200, "(?", "(?P<", "(?P<1a>b)", "(?P<é>b)", "(?P<n_1>b)", "(?P<>b)", "(?P<a b>c)", r"[\\C]", r"\\\\C", r"\\Q\\C\\E", "[(?P<é>b)]", "a{1,99999999999}", "a{0001}", "a{00001001}", r"\\Qa{99999999999}\\E", "[a{99999999999}]", "(?i", "|", "a||b", "^*", "$+", "(?i)(?-i)a",
    "x{0}", "x{99999999999}", "(?:a{999}){2}", "((a{100}){10}){2}", r"[\\b]", r"[\\Q]\\E]", "a\\n",
]  # fmt: skip
FORMATS = [
    "%s", "%d", "%x", "%X", "%b", "%o", "%e", "%f", "%.2f", "%.2e", "%.2d", "%.s", "%5d", "%-5s", "%q", "%", "%%", "a%",
    "%s%s", "%.999f", "%.-1f", "% d", "%+d", "%t", "%v",
]  # fmt: skip
ARGUMENTS = [
    "1", "1u", "1.5", "'a'", "b'a'", "true", "null", "[1]", "{'a': 1}", "duration('1h')",
    "timestamp('2020-01-02T03:04:05Z')", "int", "dyn(1)", "quantity('1')", "optional.of(1)", "object", "object.x",
]  # fmt: skip
LITERALS = [
    "[1, 'a']", "[1, 1u]", "[1, null]", "[null, 1]", "[[1], ['a']]", "[[], [1]]", "[{}, {'a': 1}]", "[1, dyn(1)]", "[dyn(1), dyn('a')]", "[?optional.of(1), 'a']",
    "[?optional.of(1), 2]", "[object, 1]", "[1, object]", "{'a': 1, 'b': 'c'}", "{'a': 1, 1: 2}", "{'a': 1, 'a': 2}", "{1: 1, 1: 2}", "{1: 1, 1u: 2}", "{?'a': optional.of(1), 'b': 'c'}",
    "{1.5: 1}", "{null: 1}", "{[1]: 1}", "{b'a': 1}", "{true: 1}", "{dyn(1.5): 1}", "{1: 1}[1.5]", "{1: 1}[1]", "{1: 1}['a']", "[1][0]", "[1]['a']", "[1][0u]", "[1][1.0]", "[1][dyn('a')]",
    "[1][dyn(b'a')]", "object[b'a']", "object[1.5]", "object[null]", "object[{}]", "object[{'a': [1]}]", "object[dyn([1])]", "object[[object]]", "object[?null]", "object[int]", "{b'a': object}", "{bytes('a'): [1]}", "{'a': {b'b': 1}}", "object[[1]]", "object[duration('1s')]", "object[timestamp('2020-01-02T03:04:05Z')]", "object[dyn(b'a')]", "object[bytes('a')]",
    "object[bytes('a' + 'b')]", "object[int('x')]", "{'a': 1}.b", "{'a': 1}['b']", "has({'a': 1}.b)", "[1].all(i, int('x') == i)", "[].all(i, int('x') == i)", "false && int('x') == 1", "true ? 1 : int('x')",
    "1 / 0", "1 % 0", "9223372036854775807 + 1", "-9223372036854775808", "-(-9223372036854775808)", "9223372036854775808", "0x8000000000000000", "0xFFFFFFFFFFFFFFFFu", "18446744073709551616u", "1e999", "-1u",
    "int('1' + 'x')", "int(string('x'))", "int(dyn('x'))", "string(bytes('a'))", "int(true ? 'x' : '1')", "int(['x'][0])", "[int('x')]", "{'a': int('x')}", "{int('x'): 1}", "int('x') in [1]", "1 in [int('x')]",
    "type(int('x'))", "dyn(int('x'))", "duration(dyn('x'))", "timestamp(string('x'))", "duration(string('1x'))", "timestamp(9999999999999)", "timestamp(-62135596801)", "duration(1)", "'a'.matches(string(b'a('))",
    "'a'.matches('a' + '(')", "'a'.find(string('('))", "matches('a', '(')", "matches('a', 'a')", "'a'.matches(dyn('('))", "'%d'.format([string(1)])", "string('%q').format([1])", "'%d'.format(object)", "'%d'.format([])",
    "'%s'.format([[1, 'a']])", "'%s'.format([{'a': 1, 'b': 'c'}])", "'%s'.format([[1, [1, 'a']].map(x, dyn(x))])", "['a'].map(x, '%d'.format([x]))", "'x'.format(['a'])", "quantity('x')", "quantity('1')",
    "quantity('1').isLessThan('2')", "'a'.charAt(5)", "'a'.substring(3)", "'abc'.replace('a')", "optional.none().value()", "optional.of(int('x'))", "optional.of(1).orValue(int('x'))", "[1].sum() / 0", "[].sum()", "[1, 2].sum()",
    "['a', 'b'].sum()", "sets.contains([1], ['a'])", "sets.contains([1], [1])", r"'\u00'", r"'\ud800'", r"'\U00110000'", r"'\xff'", r"b'\u0041'", r"'\400'", r"'\8'", r"r'\d'", "'a\nb'", "'''a\nb'''", "\"a\\'\"", r"'\/'",
    "'a' == 1", "dyn('a') == 1", "1 == 1.0", "1 < 'a'", "null == 1", "null == 'a'", "[1] == ['a']", "[1] == [1.0]", "{1: 2} == {'a': 2}", "1 in ['a']", "1 in {'a': 1}", "'a' in 'abc'", "duration('1h') > 1", "true < false", "b'a' < b'b'",
    "timestamp('2020-01-02T03:04:05Z').getHours('Nowhere/Zone')", "timestamp('2020-01-02T03:04:05Z').getHours('x')", "duration('1h').getHours()", "duration('1h').getHours('UTC')", "int(9.3e18)", "uint(-1)", "int(18446744073709551615u)",
    "bool('yes')", "string(null)", "int(null)", "bytes(1)", "double(true)", "uint('-1')", "double('x')", "string([1])", "type(1) == int", "int == type(1)", "string(int)", "int(int)", "true.x", "1.x", "'a'.x", "null.x", "[1].x", "(1).x()",
    "[1, 2].map(x, x > int('y'), x)", "[1].exists(x, x.matches('('))", "['a'].exists(x, x.matches('('))", "[1].all(x, x == 1) && 'a'.matches('[')", "object.x.matches('(')", "object.matches('(')", "object.find('(')", "object.x.findAll('(', 1)",
    "object.x.findAll('a(')", "object.format([1])", "object.x == int('1' )", "object.x == duration('1x')", "object.all(k, duration(k) > duration('x'))", "object.x ? int('x') : 1", "object.x || bool('maybe')", "[object.x, int('x')] == [1]",
]  # fmt: skip


def expressions() -> Iterator[str]:
    """Each once; both sides of `==` are of one type, so that the result is a bool as it must be."""
    values = [
        *(f"{name}({value})" for name, value in product(CONVERSIONS, [*(f"'{text}'" for text in TEXTS), *OTHERS])),
        *(
            f"{outer}({inner}({value}))"
            for outer, inner, value in product(CONVERSIONS, CONVERSIONS, ["'1'", "'x'", "1", "1.5", "b'\\xff'", "'1h'"])
        ),
        *(f"'aa'.matches('{pattern}')" for pattern in PATTERNS),
        *(f"'aa'.find('{pattern}')" for pattern in PATTERNS[:30]),
        *(f"'aa'.findAll('{pattern}', 1)" for pattern in PATTERNS[:30]),
        *(f"'{text}'.format([{argument}])" for text, argument in product(FORMATS, ARGUMENTS)),
        *LITERALS,
    ]
    for value in dict.fromkeys(values):
        yield f"({value}) == ({value})"
