"""Values that are too long for any object: refused before they are read, in little more memory than the text has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.timing import HANGING
from tests.unmeasured import unmeasured
from webhook.documents import reader
from webhook.documents.syntax import longvalues, read_json, read_yaml

HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large}\ndata:\n  a: "
JSON_HEAD = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "large"}, "data": {"a": '
LONG = longvalues.LONGEST + (1 << 17)
REFUSED = "a value or comment of more than 18 MiB; the API server takes objects of at most 3 MiB"

_READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from webhook.documents import reader
documents, problems = reader.read(sys.argv[2:])
print(len(documents), *(f"{each.line}: {each.message}" for each in problems))
"""


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("yaml", HEAD + '"' + "x" * 6 * LONG + '"\n'),
        ("json", JSON_HEAD + '"' + "x" * 6 * LONG + '"}}'),
    ],
    ids=["yaml", "json"],
)
def test_it_takes_no_multiple_of_the_memory(suffix: str, text: str, tmp_path: Path) -> None:
    """The bytes of the file and its text are in memory, and nothing else of its size."""
    file = tmp_path / f"large.{suffix}"
    file.write_text(text)
    most = 2 * len(text) + (170 << 20)
    command = [sys.executable, "-c", _READ, str(most), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HANGING, env=unmeasured())
    assert done.stderr == ""
    assert done.stdout == f"0 {5 if suffix == 'yaml' else 1}: {REFUSED}\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "x" * LONG,
        HEAD + "x " * (LONG // 2),
        HEAD + "'" + "x\n" * (LONG // 2) + "'",
        HEAD + "|\n" + ("    " + "x" * 75 + "\n") * (LONG // 80),
        HEAD + "b\n# " + "x" * LONG + "\n",
        "x" * LONG + ": 1\n",
        JSON_HEAD + '"' + '\\"' * (LONG // 2) + '"}}',
        JSON_HEAD + '"' + "x" * LONG,
        JSON_HEAD + "1" * LONG + "}}",
    ],
    ids=["plain", "words", "lines", "block", "comment", "key", "escaped", "open", "number"],
)
def test_every_form_is_refused(text: str) -> None:
    documents, problems = reader.parse(text, "large.json" if text.startswith("{") else "large.yaml")
    assert documents == []
    assert [problem.message for problem in problems] == [REFUSED]


def test_a_long_text_of_short_values_is_read_as_a_short_one() -> None:
    value = "x" * 1_000_000
    count = LONG // len(value) + 1
    expected = {str(index): value for index in range(count)}
    (root,) = read_yaml("".join(f"{index}: {value}\n" for index in map(repr, map(str, range(count)))))
    assert root.value == expected
    text = ", ".join(f'"{index}": "{value}"' for index in range(count))
    (root,) = read_json(f"{{{text}}}")
    assert root.value == expected


def test_a_long_text_keeps_the_places_of_its_problems() -> None:
    text = "# " + "x" * (LONG - (1 << 18)) + "\na: b\n" + "# " + "x" * (1 << 19) + "\nc: [\n"
    _, (problem,) = reader.parse(text, "large.yaml")
    assert (problem.line, problem.message) == (
        5,
        "not YAML: did not find expected node content while parsing a flow node",
    )


def test_what_stands_before_a_long_value_is_read() -> None:
    text = "a: b\n--- \nc: " + "x" * LONG
    documents, (problem,) = reader.parse(text, "large.yaml")
    assert [document.value for document in documents] == [{"a": "b"}]
    assert (problem.line, problem.message) == (3, REFUSED)


def test_long_json_without_quotes_is_no_long_value() -> None:
    text = "[" + "1, " * (LONG // 3) + "1]"
    (root,) = read_json(text)
    assert len(root.value) == LONG // 3 + 1
