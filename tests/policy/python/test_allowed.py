"""What a policy may import and name, at load."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.policy.trees import wrong
from webhook.policy.load.loading import load
from webhook.policy.python.allowed import modules, refused


def lines(source: str, *more: str) -> list[int]:
    return [line for line, _ in refused(ast.parse(source), more)]


@pytest.mark.parametrize(
    "source",
    [
        "import re, json",
        "import collections.abc",
        "from collections import abc",
        "from urllib import parse",
        "from urllib.parse import quote",
        "from __future__ import annotations",
        "import re\nre.compile('x')",
        "def open(x): ...\nopen(1)",
        "compile = 1\nprint(compile)",
        "def f(input): return input",
        "class eval: ...\neval()",
    ],
)
def test_what_computes_only_is_allowed(source: str) -> None:
    assert lines(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "import re, os",
        "import os.path as path",
        "import urllib",
        "import urllib.request",
        "from urllib import request",
        "from os import path",
        "from . import neighbour",
        "from .neighbour import x",
        "def f():\n    import socket",
        "open('x')",
        "f = eval",
        "exec('x')",
        "compile('x', 'y', 'exec')",
        "__import__('os')",
        "__builtins__",
        "breakpoint()",
        "input()",
        "().__class__.__base__.__subclasses__()",
        "f.__globals__",
        "x.f_back",
    ],
)
def test_anything_else_is_refused_with_its_line(source: str) -> None:
    assert lines("\n\n" + source) == [3 + source.count("\n")]


def test_more_modules_can_be_allowed() -> None:
    assert lines("import numpy.linalg\nfrom google import protobuf", "numpy", "google.protobuf") == []
    assert modules(" numpy, google.protobuf,") == {"numpy", "google.protobuf"}
    with pytest.raises(ValueError, match=re.escape("'a-b' names no module; expected names such as numpy")):
        modules("a-b")


def test_a_file_is_refused_with_all_its_lines_and_what_to_do(tmp_path: Path) -> None:
    code = "import socket\nimport jsno\n\nopen('x')\n"
    found = [(problem.line, problem.message) for problem in wrong(tmp_path, policy_py=code)]
    assert found == [
        (
            1,
            "a policy may not import socket: policies have no files, network, processes or threads; "
            "allow it with --policy-imports socket",
        ),
        (
            2,
            "a policy may not import jsno: policies have no files, network, processes or threads; "
            "did you mean json? If not, allow it with --policy-imports jsno",
        ),
        (4, "open reads or writes files, which a policy may not"),
    ]


def test_a_tree_is_loaded_with_what_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(
        "import shelve\nfrom gatewright import validate\n\n"
        "@validate(resources=['v1/pods'])\ndef p(request):\n    return shelve.__name__\n"
    )
    assert load(tmp_path, imports=("shelve",)).names == {"p"}
