"""Which policies a timer can stop, so that they may run in the server's process."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from webhook.policy.python.tame import untamed

SHIPPED = [
    file
    for file in sorted((Path(__file__).parents[3] / "policies").glob("*/policy.py"))
    if (file.parent / "binding.yaml").exists()
]
"""Those in force. Of the others some run apart: they call themselves, or use what is not known to end soon."""


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.parent.name)
def test_the_shipped_policies_are(file: Path) -> None:
    assert untamed(file.read_bytes()) is None


def body(text: str) -> str:
    return "def f(request, x):\n" + "".join(f"    {line}\n" for line in dedent(text).strip().splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "while True:\n    pass",
        "for i in range(x):\n    yield i",
        "return [i for i in range(x)]",
        "return sum(len(each) for each in x)",
        "return sorted(x, key=lambda each: each['name'])",
        "try:\n    return int(x)\nexcept (ValueError, TypeError):\n    return 0",
        "found = []\nfor each in x:\n    found.append(each)",
        "spec = request.object['spec']\nspec['x'] = [{'a': each['b']} for each in spec['y']]",
        "for each in x:\n    x = (x or {}).get(each)",
        "return f'{x:>30}'",
        "return ', '.join(x)",
        "return x.replace('-', '_')",
        "return x.split('-')",
        "return bool(x.values), len(x.items)",
        "return type(x) is dict",
        "total = 0\nfor each in x:\n    total += len(each)",
        "return 60 * 60",
        "total, rest = x\nreturn total + rest",
        "if (n := len(x)) > 3:\n    return n",
    ],
)
def test_what_can_be_stopped_between_its_instructions_is(text: str) -> None:
    assert untamed(body(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        "return sum(range(x))",
        "return list(range(x))",
        "return list(map(x.count, x))",
        "return max(x, key=x.count)",
        "f = x.count\nreturn max(x, key=f)",
        "return sum(x, [])",
        "return iter(int, 1)",
        "return x * x",
        "return x ** 2",
        "x *= 2",
        "return x << x",
        "return x % x",
        "return f'{x:>{x}}'",
        "return f'{x:>99999}'",
        "return x.ljust(10)",
        "return x.join(x)",
        "return x.replace('a', x)",
        "try:\n    pass\nexcept:\n    pass",
        "try:\n    pass\nexcept BaseException:\n    pass",
        "try:\n    pass\nexcept x[0]:\n    pass",
        "try:\n    pass\nfinally:\n    pass",
        "with x:\n    pass",
        "global y",
        "print(x)",
        "return x.__class__",
        "return x._hidden",
        "return Exception.mro()",
        "return type('C', (), {})",
        "x.y = 1",
        "for _ in x:\n    x = [x, x]",
        "y = []\nwhile True:\n    y.append(y)",
        "y = []\nwhile True:\n    z = {'a': y}\n    y = z",
        "y = ()\nwhile (y := (y, y)):\n    pass",
        "return f(request, x)",
        "async def g(): ...",
        "import time",
        "from decimal import Decimal",
        "from itertools import count",
        "import re\nreturn re.search(x, x)",
    ],
)
def test_what_one_instruction_may_take_for_ever_is_not(text: str) -> None:
    why = untamed(body(text))
    assert why is not None
    assert why.startswith("line ")


@pytest.mark.parametrize(
    ("source", "tame"),
    [
        ("import re\nP = re.compile('a')\ndef f(x):\n    return P.fullmatch(x)", True),
        ("import re\nP = re.compile('a')\ndef f(x):\n    return P.search(x)", False),
        ("import re\ndef f(x):\n    return x.split(x)", False),
        ("import re\ndef f(x):\n    return x.split('-')", True),
        ("KNOWN = {}\ndef f(x):\n    return KNOWN.get(x), KNOWN[x], x in KNOWN, len(KNOWN)", True),
        ("KNOWN = {}\ndef f(x):\n    KNOWN[x] = 1", False),
        ("KNOWN = {}\ndef f(x):\n    y = KNOWN\n    y[x] = 1", False),
        ("KNOWN = []\ndef f(x):\n    KNOWN.append(1)", False),
        (
            "ALL = frozenset({'a'})\nBOTH = ALL | ALL\nMORE: int = -1\ndef f(x):\n    return x in BOTH, (ALL, MORE)",
            True,
        ),
        ("class A:\n    seen = []\ndef f(x):\n    A.seen.append(x)", False),
        ("for i in (1, 2):\n    y = []\ndef f(x):\n    return g(y)", False),
        ("def f(x, y=[]):\n    pass", False),
        ("def f(x, y=(1, 2), *, z=None):\n    pass", True),
        ("class A:\n    def __enter__(self): ...", False),
        ("class A:\n    def __eq__(self, other): return self._x == other", True),
        ("class A:\n    def set(self): self.x = 1", True),
        ("class A:\n    def walk(self): return self.walk()", False),
        ("def f(x): return g(x)\ndef g(x): return f(x)", False),
        ("import json\ndef f(x):\n    return json.dumps(x)", True),
        ("import json\ndef f(x):\n    return json.load(x)", False),
        ("import json\ndef f(x):\n    try: ...\n    except json.JSONDecodeError: ...", True),
        ("f = lambda x: x + 1", True),
        ("def", False),
        ("x = " + "(" * 500 + ")" * 500, False),
    ],
)
def test_what_stays_for_all_requests_is_not(source: str, tame: bool) -> None:
    assert (untamed(source) is None) is tame
