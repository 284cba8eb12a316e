"""Hostile expressions on hostile inputs: each ends in time, with a value within the limits or a clear error.

What is asserted is that every error says what it is, and by `make soak` how much processor time each takes at most.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator
from time import thread_time
from typing import Any

import pytest

from tests.cel.costly import in_tens
from tests.timing import ASSERTED
from webhook.cel import Activation, CompileError, Environment, EvaluationError, types
from webhook.cel.check.frontend import MAX_LENGTH

ENVIRONMENT = Environment({"object": types.DYN, "x": types.DYN, "oldObject": types.DYN})
MAX_SECONDS = 3.0
MEGA = 1_000_000


def nested_list(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def nested_map(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def made() -> dict[str, Any]:
    """Inputs of about 3 MiB as JSON, the most that the API server takes, each hard on something.

    They are millions of objects, which slow down the collection of garbage in all other tests: keep them short.
    """
    return {
        "zeros": [0] * 1_500_000,
        "numbers": list(range(400_000)),
        "floats": [n + 0.5 for n in range(300_000)],
        "mixed": [1, "a", None, 1.5, True] * 100_000,
        "empty lists": [[] for _ in range(1_000_000)],
        "small maps": [{"a": n} for n in range(250_000)],
        "words": [f"word-{n}" for n in range(200_000)],
        "keys": {f"key-{n}": n for n in range(150_000)},
        "pairs": {f"{n}": [n, {"b": n}] for n in range(100_000)},
        "text": "a" * (3 * MEGA),
        "unicode": "é" * MEGA,
        "digits": "9" * (3 * MEGA),
        "commas": "," * (3 * MEGA),
        "deep list": nested_list(900),
        "deep map": nested_map(900),
        "rows": [list(range(600)) for _ in range(600)],
        "same rows": [[0] * 1000] * 700,
        "thousand": list(range(1000)),
        "big maps": [{f"k{m}": {"v": [m] * 5} for m in range(40)} for _ in range(300)],
    }


# Loops in loops, on lists long and short.
LOOPS = [
    "x.all(a, x.all(b, a == b || true))",
    "x.all(a, x.all(b, x.all(c, true)))",
    "x.exists(a, x.exists(b, x.exists(c, false)))",
    "x.map(a, x.map(b, b)).size() > 0",
    "x.map(a, x.filter(b, true)).size() > 0",
    "x.all(a, x.exists_one(b, true) || true)",
    "x.all(a, x.all(b, b.nope == 1 || true))",
    "x.map(a, x.map(b, b.nope))",
    "x.filter(a, x.nope == 1)",
    "x.all(i, a, x.all(j, b, i >= 0 && j >= 0))",
    "x.transformMap(i, a, x.transformMap(j, b, b)).size() > 0",
    "x.transformList(i, a, x.transformList(j, b, [a, b])).size() > 0",
    "x.all(a, a in x)",
    "x.all(a, [a] in x || true)",
    "x.all(a, x == x)",
    "x.all(a, x != x)",
    "x.map(a, x + x).size() > 0",
    "x.map(a, [x, x, x]).size() > 0",
    "x.map(a, x + [a]).map(a, a + a).map(a, a + a).size() > 0",
    "x.all(a, x.map(b, a == b).exists(c, c) || true)",
    "x.all(a, dyn([a]) == dyn([a]) && {'k': a} == {'k': a})",
    "x.all(a, string(a) != '' || true)",
    "x.map(a, string(a)).join(',').size() >= 0",
    "x.map(a, dyn(string(a)) + 'x').join().matches('^(a|b|c)*$')",
    "x.all(a, x.size() > 0 ? x.all(b, true) : x.all(b, false))",
    "x.all(a, has(a.b) || has(a.c) || true)",
    "x.all(a, a.?b.?c.?d.orValue(1) == 1 || true)",
    "x.all(a, optional.of(a).optMap(v, v).hasValue())",
    "x.all(a, type(a) == type(x) || true)",
    "x.all(a, '%s %s %s'.format([a, x, a]) != '')",
    "x.exists(a, sets.contains(x, [a, a]) && false)",
    "x.map(a, x.map(b, x.map(c, x))).size() > 0",
]
# Single calls on something large.
CALLS = [
    "x == x",
    "x == oldObject",
    "x != oldObject",
    "[x, x] == [oldObject, oldObject]",
    "x in [oldObject, x]",
    "1 in x",
    "x + x + x + x == x",
    "sets.equivalent(x, x)",
    "sets.contains(x, oldObject)",
    "sets.intersects(x, [1.5])",
    "x.sum() >= 0",
    "x.min() == x.max()",
    "x.isSorted()",
    "x.indexOf(-1) >= 0",
    "x.lastIndexOf(-1) >= 0",
    "x.join('') == ''",
    "'%s'.format([x]) == ''",
    "'%s%s%s%s'.format([x, x, x, x]) == ''",
    "string(x) == ''",
    "x.map(e, [x]).map(e, e + e).size() > 0",
]
# Operations on large texts.
TEXTS = [
    "x + x + x + x + x == ''",
    "x.contains(x)",
    "x.contains('aaaaaaaaaab')",
    "x.matches('(a*)*b')",
    "x.matches('(x+x+)+y')",
    "x.matches('^(([a-z])+.)+[A-Z]([a-z])+$')",
    "x.matches('a{1000}b')",
    "x.matches('(a?){500}a{500}')",
    "x.matches(x)",
    "x.find('(a|aa)+$') == ''",
    "x.findAll('a').size() > 0",
    "x.findAll('').size() > 0",
    "x.replace('', x) == ''",
    "x.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') == ''",
    "x.split('').size() > 0",
    "x.split('').map(c, x).join('') == ''",
    "x.split(',').size() > 0",
    "x.lowerAscii() == x.upperAscii()",
    "x.trim() == ''",
    "strings.quote(x) == ''",
    "bytes(x) == b''",
    "int(x) == 1",
    "uint(x) == 1u",
    "double(x) == 1.0",
    "duration(x) == duration('1s')",
    "timestamp(x) == timestamp(0)",
    "quantity(x) == quantity('1')",
    "isQuantity(x)",
    "quantity(x + 'e99').isInteger()",
    "quantity('1e' + x).isInteger()",
    "quantity(x).add(quantity(x)).asApproximateFloat() > 0.0",
    "'%d %s %x %e'.format([1, x, x, 1.5]) == ''",
    "x.indexOf('b') > 0",
    "x.lastIndexOf('b') > 0",
    "x.charAt(5) == 'a'",
    "x < x + 'a'",
    "x.substring(1) < x",
    "size(x + x) > 1",
    "timestamp('2020-01-01T00:00:00Z').getHours(x) == 1",
    "[1, 2, 3].map(i, x + x + x).size() == 3",
    "[x].map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).size() == 1",
]


def doubled(times: int, start: str, step: str) -> str:
    """A value used twice to make the next one, again and again."""
    made = start
    for level in range(times):
        made = f"[{made}].map(d{level}, {step.replace('@', f'd{level}')})[0]"
    return made


ALONE = [
    *(in_tens(depth, "true") for depth in (4, 6, 8, 12)),
    *(in_tens(depth, "1 / 0 == 1 || true") for depth in (4, 6, 8)),
    *(in_tens(depth, "'abc'.matches('(a|b)+' + string(v0))") for depth in (3, 4, 6)),
    in_tens(4, "'x'.matches('(a{' + string(v0 * 90 + v1 * 9 + v2) + '}){9}')"),
    in_tens(5, "quantity('1' + string(v0) + 'Gi').isGreaterThan(quantity('1'))"),
    in_tens(5, "timestamp('2020-01-01T00:00:00Z').getHours('Europe/Paris') > 0 || true"),
    in_tens(5, "duration('1h') + duration('1m') > duration('1s')"),
    in_tens(5, "'%s%d'.format([string(v0), v1]) != ''"),
    in_tens(5, "sets.equivalent([v0, v1, v2], [v2, v1, v0])"),
    in_tens(5, "[v0, v1, v2, v3, v4].map(e, string(e)).join(',') != ''"),
    in_tens(5, "{'a': v0, 'b': v1} == {'b': v1, 'a': v0}"),
    in_tens(5, "optional.of(v0).optMap(o, o + 1).orValue(3) > 0"),
    *(doubled(times, "'0123456789'", "@ + @") + ".size() > 0" for times in (5, 9)),
    *(doubled(times, "[1, 2, 3]", "@ + @") + ".size() > 0" for times in (5, 9)),
    doubled(9, "'ab'", "@.replace('', @)") + ".size() > 0",
    doubled(9, "'ab'", "'%s%s%s%s%s'.format([@, @, @, @, @])") + ".size() > 0",
    doubled(9, "['ab']", "[@.join('x'), @.join('y'), @.join('z')]") + ".size() > 0",
    doubled(8, "[dyn(1)]", "[@, @, @, @]") + ".size() > 0",
    doubled(8, "dyn([1])", "dyn([@, @, @, @])") + " == 1",
    f"[{doubled(9, 'dyn([1])', 'dyn([@, @, @, @, @, @, @, @])')}].all(a, a == a)",
    f"'%s'.format([{doubled(9, 'dyn([1])', 'dyn([@, @, @, @, @, @, @, @])')}]) == ''",
]
# What the compiler gets; the deepest, longest and widest there may be.
SOURCES = [
    "(" * 31 + "1" + ")" * 31 + " == 1",
    "(" * 5000 + "1" + ")" * 5000,
    "[" * 5000 + "]" * 5000 + " == []",
    "{'a':" * 5000 + "1" + "}" * 5000,
    "!" * 5000 + "true",
    "-" * 5000 + "1 == 1",
    "x" + ".a" * 5000 + " == 1",
    "x" + "[0]" * 5000 + " == 1",
    "x" + ".?a" * 200 + ".hasValue()",
    "x" + ".map(a, a)" * 200 + " == []",
    "x" + ".all(a, x" * 40 + ".size() > 0" + ")" * 40,
    "true ? " * 5000 + "true" + " : false" * 5000,
    " && ".join(["x.a == 1"] * 8000),
    " || ".join(["x.a == 1"] * 8000),
    " + ".join(["1"] * 30000) + " == 1",
    " + ".join(["x.a"] * 15000) + " == 1",
    "[" + ", ".join(["1"] * 33000) + "].size() > 0",
    "[" + ", ".join(["x"] * 33000) + "].size() > 0",
    "{" + ", ".join(f"'{n}': x" for n in range(7000)) + "}.size() > 0",
    "{" + ", ".join(f"{n}: {n}" for n in range(7000)) + "}.size() > 0",
    "[" + ", ".join(["[[]]"] * 16000) + "].size() > 0",
    "'" + "a" * 99_000 + "' == x",
    "x == '" + "\\n" * 49_000 + "'",
    "x.matches('" + "(a|b)*" * 8000 + "')",
    "x.matches('" + "(" * 900 + "a" + ")*" * 900 + "')",
    "x.matches('" + "a{1000}" * 2000 + "')",
    "x.matches('((((a{100}){100}){100}){100})')",
    "x.matches('[[:alpha:]" + "a-z" * 30000 + "]')",
    "'" + "%s" * 20000 + "'.format([" + ", ".join(["1"] * 20000) + "]) == ''",
    "'%." + "9" * 1000 + "f'.format([1.0]) == ''",
    "'%.999999999f'.format([1.5]) == ''",
    "9" * 50_000 + " == 1",
    "1." + "9" * 50_000 + " == 1.0",
    "1e" + "9" * 5_000 + " == 1.0",
    "0x" + "f" * 50_000 + " == 1",
    "duration('" + "1h" * 20_000 + "') == duration('1s')",
    "timestamp('" + "9" * 50_000 + "') == timestamp(0)",
    "quantity('" + "9" * 90_000 + "').isInteger()",
    "int('" + "9" * 90_000 + "') == 1",
    "double('" + "9" * 90_000 + "') == 1.0",
    "//" + "x" * 90_000 + "\ntrue",
    "`" * 50_000,
    "\u0000" * 100,
    "\ufeffx == 1",
    "\ud800 == x",
    "'\\ud800' == x",
    "x == '" + "\U0001f600" * 30_000 + "'",
    "a" * (MAX_LENGTH + 1),
    "x" * MAX_LENGTH,
    "x == 1 " + " " * (MAX_LENGTH - 7),
    "x." * 50_000,
    "x(" * 20_000,
    "all(" * 20_000,
    "x.all(" * 3_000,
    "x.map(a, " * 3_000,
    "}" * MAX_LENGTH,
    '"""' * 30_000,
    "\\" * 50_000,
    "optional.of(" * 30 + "1" + ")" * 30 + ".hasValue()",
    "cel.bind(a, x, a + a)",
    "exists_one" * 9_000,
    "x.exists_one(a, b, " * 28 + "true" + ")" * 28,
    "x.exists_one(a, true) || " * 3_000 + "true",
]

ON_LISTS = ["thousand", "rows"]
CASES: list[tuple[str, str]] = [
    *((expression, name) for expression in LOOPS for name in ON_LISTS),
    *((expression, name) for expression in LOOPS[:20:3] for name in ("small maps", "mixed")),
    *((expression, name) for expression in CALLS for name in ("zeros", "empty lists", "pairs", "words", "same rows")),
    *((expression, name) for expression in CALLS[:6] for name in ("deep list", "deep map", "keys", "floats")),
    *((expression, name) for expression in TEXTS for name in ("text", "digits")),
    *((expression, name) for expression in TEXTS[::4] for name in ("unicode", "commas")),
    *((expression, "thousand") for expression in ALONE),
    *((expression, "thousand") for expression in SOURCES),
]

# How an error may begin: the API server's texts, and those of the limits that are ours.
KNOWN = (
    "operation cancelled: ",
    "no such ",
    "division by zero",
    "index out of",
    "integer overflow",
    "value is nested too deeply",
    "type conversion error",
    "error parsing regexp",
    "error during formatting",
    "unsupported ",
    "got '",
    "quantit",
    "unable to parse",
    "could not parse",
    "cannot convert",
    "min called on empty list",
    "NaN",
    "invalid ",
    "insert failed",
    "unknown time zone",
    "duration",
    "value is not an optional",
    "failed to",
    "double overflow",
    "numeric",
)


def outcome(expression: str, x: Any, other: Any) -> tuple[str, str]:
    try:
        program = ENVIRONMENT.compile(expression)
    except CompileError as error:
        return "refused", str(error.issues[0].message)
    try:
        program.evaluate(Activation({"object": x, "x": x, "oldObject": other}))
    except EvaluationError as error:
        return "error", str(error)
    return "value", ""


def copied(value: Any) -> Any:
    if isinstance(value, list):
        return [copied(each) if isinstance(each, list | dict) and len(value) < 2**19 else each for each in value]
    if isinstance(value, dict):
        return {key: copied(each) for key, each in value.items()}
    return value


@pytest.fixture(scope="module")
def inputs() -> Iterator[dict[str, tuple[Any, Any]]]:
    """Each input, and an equal one that is another object."""
    if not ASSERTED:
        gc.disable()
    made_twice = {name: (value, value if name.startswith("deep") else copied(value)) for name, value in made().items()}
    if (
        not ASSERTED
    ):  # the collection of garbage, which looks at them again and again, takes no part in what is asserted
        gc.freeze()
        gc.enable()
    yield made_twice
    made_twice.clear()
    gc.collect()


def test_each_ends_in_time_with_a_value_or_a_clear_error(
    inputs: dict[str, tuple[Any, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    found: Counter[str] = Counter()
    slowest: list[tuple[float, str, str, str]] = []
    cases = CASES if ASSERTED else CASES[::30]  # all of them take minutes: `make soak`
    for expression, name in cases:
        began = thread_time()
        kind, text = outcome(expression, *inputs[name])
        seconds = thread_time() - began
        slowest.append((seconds, expression[:90], name, text[:80]))
        found["cut off" if text.startswith("operation cancelled") else kind] += 1
        assert seconds < MAX_SECONDS or not ASSERTED, (expression[:200], name, seconds)
        if kind == "error":
            assert text.startswith(KNOWN), (expression[:200], name, text[:200])
        if kind == "refused":
            assert text.strip() and len(text) < 2 * MAX_LENGTH, expression[:200]
    slowest.sort(reverse=True)
    over = sum(seconds > 0.1 for seconds, *_ in slowest)
    with capsys.disabled():
        print(f"\n{len(cases)} hostile cases: {dict(found)}; {over} took over 0.1 s of processor time. The slowest:")
        for seconds, expression, name, text in slowest[:15]:
            print(f"  {seconds * 1000:6.0f} ms  {expression!r} on {name}: {text}")
    assert found["cut off"] > len(cases) // 5
