"""Deep expressions on small stacks: a policy of the deepest accepted expressions ends no process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cel.evaluating import ENVIRONMENT
from tests.unmeasured import unmeasured
from webhook.cel.tree.stack import levels, with_room

SHAPES = {
    "1 + (2 * (…))": "'1+(2*(' * 60 + 'x.a' + '))' * 60",
    "x.a.a…": "'x' + '.a' * 245",
    "[[…]] == [[…]]": "'[' * 245 + '1' + ']' * 245 + ' == ' + '[' * 245 + '1' + ']' * 245",
    "{'a': {…}}": "\"{'a': \" * 245 + '1' + '}' * 245",
    "x && (y || (…))": "'x && (y || (' * 60 + 'true' + '))' * 60",
    "x.all(a, a && …)": "'x.all(a, a && ' * 160 + 'true' + ')' * 160",
    "!(x || …)": "'!(x || ' * 245 + 'x' + ')' * 245",
    "x.map(a, …)": "'x.map(a, ' * 245 + 'a' + ')' * 245",
    "x.transformMap(k, v, …)": "'x.transformMap(k, v, ' * 245 + 'k' + ')' * 245",
    "a syntax error": "'[' * 300 + \"'\"",
}
PROGRAM = """
import sys, threading
from tests.cel.evaluating import BINDINGS, ENVIRONMENT
from webhook.cel import Activation, CompileError, EvaluationError
from webhook.cel.program import Recording

def run(shape):
    bindings = {**BINDINGS, "x": {"a": 1}}
    try:
        program = ENVIRONMENT.compile(eval(shape))
    except CompileError as error:
        print("refused", flush=True)
        return
    for evaluate in (program.evaluate, program.evaluate_exactly):
        try:
            evaluate(Activation(bindings))
        except EvaluationError:
            pass
    program.explain(Recording(bindings))
    program.witnesses(Recording(bindings), "x")
    print("compiled", flush=True)

threading.stack_size(int(sys.argv[1]) * 1024)
for shape in sys.argv[2:]:
    thread = threading.Thread(target=run, args=(shape,))
    thread.start()
    thread.join()
"""


def test_a_stack_of_128_kib_is_enough() -> None:
    """In one process: the first shape that ends it has no line, and so have all after it."""
    command = [sys.executable, "-c", PROGRAM, "128", *SHAPES.values()]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=unmeasured(), check=False)
    expected = {shape: "refused" if "error" in shape else "compiled" for shape in SHAPES}
    assert dict(zip(SHAPES, done.stdout.split(), strict=False)) == expected, done.stderr[-500:]
    assert done.returncode == 0, done.stderr[-500:]


def test_levels_of_a_tree_are_counted_without_recursion() -> None:
    assert levels(ENVIRONMENT.compile("1").tree) == 1
    assert levels(ENVIRONMENT.compile("x.a.b == 1").tree) == 4
    assert levels(ENVIRONMENT.compile("x" + ".a" * 200).tree) == 201


def test_what_the_work_raises_is_raised() -> None:
    source = "x" + ".a" * 200

    def work() -> int:
        raise KeyError(source)

    with pytest.raises(KeyError, match=r"x\.a"):
        with_room(source, ENVIRONMENT.compile(source).tree, work)
