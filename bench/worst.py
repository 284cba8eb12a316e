"""The worst case of one expression: the longest processor time within the API server's cost limit.

Each case is evaluated on growing inputs, until the expression exceeds its cost limit or its work limit, or the input is
as large as an object can be (3 MB). The longest time bounds every expression, even if policy and object are hostile.
On an idle core, no case may take longer than WANTED.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from time import thread_time
from typing import Any

from bench.figures import keep
from webhook.cel import Activation, Environment, EvaluationError, types

WANTED = 3.0
"""Seconds. Most expressions that exceed a limit are evaluated twice: the second evaluation counts exactly."""

_ENVIRONMENT = Environment({"x": types.DYN, "y": types.DYN})
_LARGEST = 1_000_000  # elements or characters

_TEN = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"

Make = Callable[[int], Any]


def _numbers(size: int) -> list[Any]:
    return list(range(size))


def _rows(size: int) -> list[Any]:
    return [[n] for n in range(size // 2)]


def _maps(size: int) -> list[Any]:
    return [{"name": f"n{n}", "value": n} for n in range(size // 10)]


def _words(size: int) -> list[Any]:
    return [f"word-{n}" for n in range(size // 8)]


def _long_words(size: int) -> list[Any]:
    return ["a" * 1000 + str(n % 10) for n in range(size // 1000)]


def _twin_texts(size: int) -> Any:
    """A text that is equal to the other input's, as a map's only key, too, and a list with as many elements."""
    text = "a" * size
    return {"text": text, "keys": {text: 1}, "list": [0] * (size // 4)}


def _letters(size: int) -> str:
    return "ab" * (size // 2)


def _digits(size: int) -> str:
    return "9" * size


# (expression, inputs). y equals x, but is another object.
CASES: list[tuple[str, tuple[Make, ...]]] = [
    # loops with cheap bodies
    ("x.all(a, x.all(b, true))", (_numbers,)),
    ("x.all(a, x.all(b, a + b >= 0))", (_numbers,)),
    ("x.map(a, x.map(b, b)).size() > 0", (_numbers,)),
    ("x.all(a, x.exists_one(b, b == a))", (_numbers,)),
    ("x.transformMap(i, a, x.transformList(j, b, b)).size() > 0", (_numbers,)),
    ("x.all(a, x.all(b, b.nope == 1 || true))", (_numbers, _maps)),
    ("x.all(a, x.all(b, 1 / 0 == 1 || true))", (_numbers,)),
    ("x.all(a, x.map(b, {'a': dyn(b), 'b': dyn([b])}).size() > 0)", (_numbers,)),
    # equality and membership
    ("x.all(a, x == y)", (_numbers, _rows, _maps, _words, _long_words)),
    ("x.all(a, a in y)", (_numbers, _rows, _maps, _words, _long_words)),
    ("x.all(a, !([a] in y))", (_rows, _maps)),
    ("x.all(a, optional.of(x) == optional.of(y))", (_rows, _maps)),
    # the same outside of loops, where Python's own operators do it: as many terms as a tree may have nodes
    *(
        (" || ".join([term] * 2_400), (_numbers, _words, _long_words))
        for term in ("'x' in x", "dyn('x') in x", "1.5 in x", "[x] == [y[0]]", "[1] in x")
    ),
    *(
        (f"!x.list.all(i, {term})", (_twin_texts,))
        for term in (
            "x.text in y.keys",
            "y.keys[string(x.text)] == 1",
            "y.keys[x.text] == 1",
            "y.keys[?x.text].hasValue()",
            "!(x.text < y.text)",
            "x.text >= y.text",
            "timestamp(x.text) == timestamp(0) || true",
            "[x.text, y.text].sort().size() > 0",
            "{x.text: 1, y.text: 2} == {} || true",
            "(dyn(bytes(x.text)) + dyn(bytes(y.text))).size() > 0",
        )
    ),
    ("sets.equivalent(x, y)", (_numbers, _rows, _maps, _words)),
    ("sets.intersects(x, [dyn(null), dyn(1.5)])", (_numbers, _rows, _maps)),
    # functions on lists
    ("x.all(a, x.indexOf(-1) == -1)", (_numbers, _rows, _maps, _words)),
    ("x.all(a, x.isSorted() && x.min() <= x.max())", (_numbers, _words)),
    ("x.all(a, x.sum() >= 0)", (_numbers,)),
    ("x.distinct().size() > 0", (_numbers, _rows, _maps, _words)),
    ("x.sort().size() > 0", (_numbers, _words)),
    ("x.map(a, x.flatten()).size() > 0", (_rows,)),
    ("x.map(a, x + x).size() > 0", (_numbers,)),
    ("x.map(a, x.reverse()).size() > 0", (_numbers,)),
    ("x.all(a, x.join(',') != '')", (_words, _long_words)),
    ("x.all(a, '%s %s'.format([x, y]) != '')", (_numbers, _rows, _maps, _words, _long_words)),
    # functions on strings
    ("x.matches('[ab].{1000}z')", (_letters,)),
    ("x.matches('(a?){500}a{500}$')", (_letters,)),
    ("x.matches('([ab]{1,30}){1,30}z')", (_letters,)),
    ("x.find('(.*)(.*)(.*)z$') == ''", (_letters,)),
    ("x.findAll('').size() > 0", (_letters,)),
    ("x.findAll('.*z|.').size() > 0", (_letters,)),
    ("x.matches(y)", (_letters,)),
    ("x.replace('', 'abc').size() > 0", (_letters,)),
    ("x.split('').map(c, x).join('') == ''", (_letters,)),
    ("x.split('b').size() > 0", (_letters,)),
    ("isURL('http://a/?' + x) && url('http://a/?' + x).getQuery().size() > 0", (_letters,)),
    ("[0, 1, 2].all(n, isQuantity(x) || isIP(x) || isCIDR(x) || isSemver(x) || true)", (_letters, _digits)),
    ("format.qualifiedName().validate(x).hasValue()", (_letters,)),
    ("format.uri().validate(x).hasValue() || format.byte().validate(x).hasValue() || true", (_letters,)),
    ("strings.quote(x) == x.lowerAscii() || x.trim() == x.upperAscii() || true", (_letters,)),
    # functions on small values, many times
    *(
        (f"x.all(a, {_TEN}.all(b, dyn({call}) != null))", (_numbers,))
        for call in (
            "string(a) + string(double(b))",
            "timestamp(string(timestamp(a)))",
            "timestamp(a).getHours('Europe/Paris')",
            "duration(string(a) + 's')",
            "quantity(string(a) + 'Gi').isGreaterThan(quantity('1'))",
            "quantity(string(a) + 'e4000').add(quantity('1e-9'))",
            "url('http://a.b:80/' + string(a))",
            "url('/?" + "a=b&" * 100 + "').getQuery()",
            "ip('::' + string(a))",
            "cidr('10.0.0.0/8').containsIP('10.1.2.' + string(b))",
            "semver('1.2.' + string(a)).compareTo(semver('1.2.3-a.b'))",
            "format.dns1123Subdomain().validate('A' + string(a))",
            "'%s %d %.1000f'.format([string(a), b, 1e300])",
            "'x'.matches('(a{' + string(a % 900) + '})' + string(b))",
            "'x'.matches('\\\\pL{' + string(a % 90) + '}' + string(b))",
            "'x'.matches('(\\\\pL{900}|[^\\\\pN]{900})' + string(a))",
            "optional.of(a).optMap(v, v + 1).orValue(0)",
            "{'a': a} == {'a': a}",
        )
    ),
]


def evaluated(source: str, x: Any, y: Any) -> tuple[float, int, str]:
    """Processor time in seconds, cost, and how the evaluation ended: "value", "cost", "work", or an error."""
    program = _ENVIRONMENT.compile(source)
    activation = Activation({"x": x, "y": y})
    began = thread_time()
    try:
        program.evaluate(activation)
        end = "value"
    except EvaluationError as error:
        end = "work" if "more work" in str(error) else "cost" if "cost limit" in str(error) else str(error)
    return thread_time() - began, activation.cost, end


def worst() -> Iterator[tuple[float, str, str, int, int, str]]:
    """(seconds, expression, input, size, cost, ending) of each case, for the size that takes longest."""
    made: dict[tuple[Make, int], tuple[Any, Any]] = {}
    for source, makes in CASES:
        for make in makes:
            found = []
            size = 100
            while size <= _LARGEST:
                if (make, size) not in made:  # made once for all cases: making takes longer than most evaluations
                    made[make, size] = make(size), make(size)
                    gc.freeze()  # so that no evaluation is charged with looking through them
                seconds, cost, end = evaluated(source, *made[make, size])
                found.append((seconds, source, make.__name__.strip("_"), size, cost, end))
                if end in ("work", "cost"):
                    break
                size *= 2
            slowest = max(found)
            print(f"{slowest[0]:7.2f} s  {slowest[2]}: {source[:90]}", flush=True)
            yield slowest


def main() -> None:
    found = sorted(worst(), reverse=True)
    print(f"One expression, {len(found)} cases, each with the input that takes longest within the limits\n")
    print("seconds      cost  ended by   on")
    for seconds, source, name, size, cost, end in found[:30]:
        print(f"{seconds:7.2f} {cost:>9,}  {end[:8]:<8}  {size:>9,} {name}: {source[:90]}")
    print(f"\nlongest {found[0][0]:.2f} s; wanted: at most {WANTED} s\n")
    keep("the longest evaluation of one expression", found[0][0], "s", at_most=WANTED)


if __name__ == "__main__":
    main()
