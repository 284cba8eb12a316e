"""Policies that only read, told apart from their text: whatever can change an object must be seen to."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from webhook.policy.python.onlyreads import only_reading

ROOT = Path(__file__).parents[3]
HEADER = "from gatewright import Request, Violation, mutate, validate\n"


def only_reads(body: str, *, above: str = "") -> bool:
    """Whether a policy with this body only reads."""
    text = f"{HEADER}{above}\n@validate(resources=['*'])\ndef p(request, params=None):\n{indent(body, '    ')}\n"
    return only_reading(text) == {text[: text.index("@validate")].count("\n") + 1}


@pytest.mark.parametrize(
    "body",
    [
        "return None",
        "yield Violation(f\"{request.object['spec']}\", path='spec')",
        "for c in request.object.get('spec', {}).get('containers') or []:\n    if c not in params: yield c['name']",
        "return [c['name'] for c in request.object['c'] if not c.get('x') and len(c) > 1]",
        "found = []\nfor c in request.object: found.append(c)\nreturn found",
        "counts = {}\nfor c in request.object: counts[c] = counts.get(c, 0) + 1\nreturn str(counts)",
        "seen = set()\nfor c in request.object: seen.add(c)\nreturn seen",
        "labels = request.object['labels'].copy()\nlabels['a'] = 1\ndel labels['a']\nreturn str(labels)",
        "names = sorted(request.object)\nnames.reverse()\nreturn names",
        "n = 0\nfor c in request.object: n += 1\nn += len(request.object)\nreturn str(n)",
        "text = ''\nfor c in request.object: text += c\nreturn text",
        "texts: list[str] = []\ntexts += request.object['list']\nreturn texts",
        "merged = {**request.object, 'a': 1} | params\nreturn str(merged)",
        "match request.object:\n    case {'spec': {'x': x}}: return x",
        "try: request.object['x']\nexcept KeyError as error: raise ValueError('no') from error",
        "return max(request.object['list'], key=lambda c: c['n'])['name']",
        "return request.cluster.get('v1', 'Pod', 'a').value and request.user._asdict()",
        "def inner(c):\n    made = []\n    made.append(c)\n    return made\nreturn inner(1)",
    ],
)
def test_reading_is_reading(body: str) -> None:
    assert only_reads(body)


@pytest.mark.parametrize(
    "body",
    [
        "request.object['x'] = 1",
        "request.object['x']['y'] = 1",
        "del request.object['x']",
        "request.object['x'] += 1",
        "request.object['x'] += [1]",
        "x = request.object['x']\nx['a'] = 1",
        "x = request.object['x']\nx += [1]",
        "x = request.object['x']\nx |= {}",
        "x = request.object['x']\nx *= y",
        "x = []\nx = request.object['x']\nx.append(1)",
        "x = y = []\nx.append(1)",
        "x = []\nfor x in request.object: x.append(1)",
        "x = []\nwith request as x: x.append(1)",
        "x = []\n(x := request.object['x'])\nx.append(1)",
        "x = []\nx, y = request.object['x'], 1\nx.append(1)",
        "x = {}\nmatch request.object:\n    case {'spec': x}: x['a'] = 1",
        "x = {}\nmatch request.object:\n    case [*x]: x[0] = 1",
        "x = []\n[x.append(1) for x in request.object]",
        "x = []\ntry: ...\nexcept E as x: x.append(1)",
        "x = []\nimport re as x\nx.append(1)",
        "x = []\ndef x(): ...\nx.append(1)",
        "x = [request.object['x']]\nx[0] += [1]",
        "x = [request.object['x']]\nx[0].append(1)",
        "x = [request.object['x']]\nx[0]['a'] = 1",
        "x = []\ndef inner(): x.append(request.object)",
        "x = []\ndef inner():\n    nonlocal x\n    x = request.object\ninner()\nx['a'] = 1",
        "def inner(y=x.append(1)):\n    x = []",
        "params.append(1)",
        "params['x'] = 1",
        "request.object.update(x=1)",
        "update = request.object.update\nupdate(x=1)",
        "dict.update(request.object, x=1)",
        "list(map(list.clear, request.object))",
        "request.object.__setitem__('x', 1)",
        "dict.__setitem__(request.object, 'x', 1)",
        "getattr(request.object, 'up' + 'date')(x=1)",
        "exec('request.object.clear()')",
        "eval('request.object.clear()')",
        "setattr(request, 'x', 1)",
        "request.x = 1",
        "del request.x",
        "vars(request)['x'] = 1",
        "global KEPT\nKEPT = request.object",
        "KEPT.append(request.object)",
        "for request.object['x'] in [1]: ...",
        "with x as request.object['x']: ...",
        "[0 for request.object['x'] in [1]]",
        "request.object['a'], b = 1, 2",
        "GENERATOR.send(request.object)",
        "__builtins__['exec']('1')",
        "import operator\noperator.setitem(request.object, 'x', 1)",
        "from heapq import heapify\nheapify(request.object['x'])",
        "from random import *",
        "from . import other",
        "import re, sys",
        "__import__('operator').setitem(request.object, 'x', 1)",
        "x = open('y')",
        "(lambda: request.object.clear())()",
        "class C:\n    x = request.object\n    x['a'] = 1",
        "async def inner(): request.object.clear()",
        "return f'{request.object.clear()}'",
        # Attributes by name, and functions that write for their caller.
        "match request.object:\n    case dict(clear=f): f()",
        "import string\nstring.Formatter().get_field('0[spec].clear', (request.object,), {})[0]()",
        "list(map(dict.clear, [request.object]))",
        "import re\nre.sub('x', lambda _: request.object.clear(), 'x')",
        "max([1, 2], key=lambda _: request.object.clear() or 0)",
        "import functools\nfunctools.reduce(dict.update, [request.object, {'a': 1}])",
        "import functools\nfunctools.update_wrapper(params, params, (), ('object',))",
        "from functools import wraps",
        "import copy\ncopy.deepcopy([], request.object)",
        "import copy\nlist(map(copy.deepcopy, [[]], [request.object]))",
        "import copy\ncopy.deepcopy(*[[], request.object])",
        "from copy import deepcopy\ndeepcopy([], request.object)",
        "import collections\ncollections._count_elements(request.object, 'a')",
        "from collections import _count_elements",
        "import statistics\nstatistics.random.shuffle(request.object['list'])",
        "import collections\ncollections._sys.modules['operator'].setitem(request.object, 'a', 1)",
        "import re\nm = re\nm.functools",
        "import re as r\nr.functools.update_wrapper(params, params, (), ('object',))",
        "from json import decoder",
        "import json.decoder",
        "import json\njson.decoder.JSONObject(('', 1), True, None, None, None, request.object)",
        "import yaml\nyaml.unsafe_load('!!python/name:operator.setitem')(request.object, 'a', 1)",
        "from pydantic import ImportString",
        "from pydantic import TypeAdapter",
        "from pydantic.v1.utils import update_not_none",
        "from typing import get_type_hints",
        "from pydantic import BaseModel\nclass M(BaseModel):\n    x: 'request.object.clear()'",
        "from msgspec.structs import force_setattr",
        "from msgspec import convert",
        "from msgspec import Struct\nclass M(Struct):\n    x: 'request.object.clear()'",
        "from pydantic import BaseModel\nclass M(BaseModel):\n    x: list['request.object.clear()']",
        "from pydantic import BaseModel\nclass M(BaseModel):\n    x: '[0 for K[0] in [1]]'",
        "(x for x in ()).gi_frame.f_builtins['setattr'](request, 'object', 1)",
        "match (x for x in ()):\n    case object(gi_frame=f): f",
        "request._sent.kept(request.object)",
        "import logging\nlogging.getLogger().addFilter(request.object)",
        # Names that are bound where they are not looked for.
        "x = {}\nf = lambda y=(x := request.object): 0\nx['a'] = 1",
        "x = {}\ndef f(y=(x := request.object)): ...\nx['a'] = 1",
        "x = {}\n@g(x := request.object)\ndef f(): ...\nx['a'] = 1",
        "x = {}\nclass C((x := request.object)): ...\nx['a'] = 1",
        "x = {}\n[0 for y in params if (x := request.object)]\nx['a'] = 1",
        "x = {}\n*x, y = request.object\nx[0] = 1",
        "*request.object['x'], y = [1]",
        "def f(x=request.object): x['a'] = 1",
    ],
)
def test_writing_is_seen(body: str) -> None:
    assert not only_reads(body)


@pytest.mark.parametrize(
    "above",
    [
        "def helper(x): x['a'] = 1",
        "class Helper:\n    def __iadd__(self, other): return other",
        "class Helper:\n    def __radd__(self, other): return other",
        "class Helper:\n    def set(self, x): self.kept = x",
        "import operator",
        "from os import path",
        "push = list.append",
        "list = lambda x: x",
        "def sorted(x): return x",
        "class dict: ...",
        "from gatewright import validate as set",
    ],
)
def test_the_rest_of_the_file_counts(above: str) -> None:
    assert not only_reads("return None", above=above)


@pytest.mark.parametrize(
    "copied",
    [
        "request.object",
        "request.old_object['spec']",
        "request.object.get('spec', {}).get('x')",
        "(request.object.get('spec') or {})",
        "{**request.object}",
        "dict(request.object)",
    ],
)
def test_a_copy_of_json_is_new(copied: str) -> None:
    assert only_reads(f"x = {copied}.copy()\nx['a'] = 1")


@pytest.mark.parametrize(
    "copied",
    [
        "Box(lambda: request.object)",
        "request",
        "request.object.get('x', Box(lambda: request.object))",
        "request.object.get(*('x', Box(lambda: request.object)))",
        "(request.object.get('x') or Box(lambda: request.object))",
        "[Box(lambda: request.object)][0]",
        "params",
    ],
)
def test_a_copy_of_anything_else_is_not_known_to_be_new(copied: str) -> None:
    above = "from collections import namedtuple\nBox = namedtuple('Box', 'copy')\n"
    assert only_reads("return None", above=above)
    assert not only_reads(f"x = {copied}.copy()\nx['a'] = 1", above=above)


def test_the_request_is_that_of_the_engine() -> None:
    body = "x = request.object.copy()\nx['a'] = 1"
    assert only_reads(body)
    assert not only_reads(f"request = params\n{body}")
    assert not only_reads(f"for request in params: ...\n{body}")
    assert not only_reads(body, above="def helper(fake): return p(fake)")
    assert not only_reads(body, above="def helper(request):\n    x = request.object.copy()\n    x['a'] = 1")
    assert not only_reads(body, above="real = validate\ndef validate(**kw): return real(**kw)")


def test_other_policies_count_only_where_they_are_called() -> None:
    writing = "@mutate(resources=['*'])\ndef m(request): request.object['x'] = 1\n"
    assert only_reads("return None", above=writing)
    assert not only_reads("return m(request)", above=writing)
    assert not only_reads("return None", above=writing.replace("@mutate", "@other\n@mutate"))
    assert not only_reads("return None", above="from elsewhere import mutate\n" + writing)


@pytest.mark.parametrize("text", ["def", "\0", "(" * 1000, "x = " + "-" * 100_000 + "1", b"\xff"])
def test_what_is_no_python_proves_nothing(text: str | bytes) -> None:
    assert only_reading(text) == frozenset()


@pytest.mark.parametrize("folder", ["finalizer-enforcement", "protocol-whitelist"])
def test_the_validating_policies_that_ship_only_read(folder: str) -> None:
    text = (ROOT / "policies" / folder / "policy.py").read_text()
    (line,) = only_reading(text)
    assert text.splitlines()[line - 1] == "@validate("
