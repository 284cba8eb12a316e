"""What is written as YAML is read as what it was, by kubectl's own reader, by PyYAML and by ours."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.amounts import amount
from tests.goprograms import answers, built
from webhook.documents.reader import parsed
from webhook.documents.yamlwriting import Folded, dumped, scalar, stream

WORDS: Final = (
    *(
        "1e3",
        "1E3",
        "-1e3",
        "1e+3",
        "1.e3",
        ".5",
        "5.",
        "+.5e1",
        "1_000",
        "_1",
        "1_",
        "0x1F",
        "0o7",
        "0b1",
        "-0o7",
        "07",
    ),
    *(
        "08",
        "0",
        "-0",
        "+1",
        "1:30",
        "190:20:30",
        "1,000",
        "0x",
        "0o",
        "0b",
        "0o8",
        "0x_1",
        "1e",
        "e3",
        "1.2.3",
        "1e3x",
    ),
    *(
        "y",
        "Y",
        "n",
        "N",
        "yes",
        "Yes",
        "no",
        "NO",
        "on",
        "On",
        "off",
        "OFF",
        "true",
        "True",
        "TRUE",
        "false",
        "t",
        "f",
    ),
    *("null", "Null", "NULL", "~", "", " ", "nil", "None", "=", "<<", "<", ".", "..", "...", "-", "--"),
    *("---", "-.inf"),
    *(".inf", "+.Inf", ".INF", ".nan", ".NaN", "inf", "nan", "Infinity", "2020-01-01"),
    *("2020-01-01T00:00:00Z", "12:30"),
    *("!", "!x", "!!str", "!object.x", "&a", "*a", "*", "@a", "`a", "%a", "|", ">", "|-", "#", "# a", "a #b", "a#b"),
    *("a: b", "a:", ":a", ":", ": a", "a:b", "- a", "-a", "? a", "?", "[", "]", "{", "}", "[a]"),
    *("{a: b}", ",", "a, b"),
    *("'", '"', "it's", 'say "x"', "'a'", '"a"', "\\", "\\n", "a\\", "100m", "128Mi", "10.0.0.0/8"),
    *("1Gi", "v1", "5d"),
    *("a\tb", "\t", "a\t", "\ta", "a\rb", "\r", "a\r\nb", "\x00", "\x07", "\x1b[1m", "\x7f", "\x85"),
    *("a\x85b", "\xa0"),
    *(
        "\u2028",
        "a\u2028b",
        "\u2029",
        "\ufeff",
        "\ufeffa",
        "a\ufeff",
        "é",
        "ü 日本",
        "😀",
        "a 😀 b",
        "\u200b",
        "\u202e",
    ),
    *(
        "a\nb",
        "a\n",
        "a\n\n",
        "\na",
        "\n",
        "\n\n",
        " a\nb",
        "a\n b",
        "a \nb",
        "a\nb ",
        "  a\n  b\n",
        "a\n\n\nb",
        "a\n---\nb",
    ),
    *(
        "---\na",
        "a\n...\n",
        "# a\nb",
        "- a\n- b",
        "a: b\nc: d\n",
        "a\n\tb",
        *("::error::a", "::1", "::/0", "a\n::error::b", "a\n  ::error::b", "##[group]a", "a ##vso[b]", "##a", "a::b"),
        *("words ::error::a " * 20, "##[a]: 'words' ::error::b " * 20, "a " * 55 + "b ::error::c\n ::error::d"),
        "\ta\nb",
        "a\n\r\nb",
        "a\n😀",
        "a\n\u2028b\n",
    ),
    *("object.spec.containers.all(c, has(c.x) && c.x != 'a') || object.y.exists(e, e == \"1e3\")  &&  !variables.z ",),
    *(
        "x: " + "word " * 60,
        "word " * 60 + "end",
        "it's " * 40 + "so",
        "a" * 500,
        "it's  two " * 30 + "x",
        "w " * 70 + "#",
    ),
    *("x" * 127, "k" * 129, "12345678901234567890", "1" * 400, "1e400", "-9223372036854775809"),
    *("18446744073709551616"),
)
PIECES: Final = (
    *(
        "a",
        "b c",
        " ",
        "  ",
        "\n",
        "\n\n",
        "'",
        '"',
        ": ",
        " #",
        "- ",
        "\t",
        "1",
        "0x",
        "e",
        "_",
        ".",
        "+",
        "-",
        ":",
        "y",
    ),
    *(
        "{",
        "}",
        "[",
        "]",
        ",",
        "&",
        "*",
        "!",
        "|",
        ">",
        "%",
        "@",
        "`",
        "?",
        "~",
        "=",
        "<<",
        "é",
        "😀",
        "\x85",
        "\u2028",
    ),
    *(
        "true",
        "null",
        "---",
        "\r",
        "\x01",
        "\\",
        "word and word and word and word and ",
        "0o7",
        "1e3",
        "\ufeff",
        "\xa0",
    ),
)


def texts() -> list[str]:
    chance = random.Random(54)
    found = [*WORDS, *(word + "\n" for word in WORDS), *(f"{word}\n{word}" for word in WORDS)]
    while len(found) < amount(2_200, 500):
        found.append("".join(chance.choice(PIECES) for _ in range(chance.randint(1, 9))))
    number = "0123456789_.eExobB+-:,"
    found += ["".join(chance.choice(number) for _ in range(chance.randint(1, 6))) for _ in range(amount(800, 150))]
    return found


TEXTS: Final = texts()


def values() -> list[dict[str, Any]]:
    """Each text as a value, a key, an item, deep, and in the fields that hold CEL."""
    found: list[dict[str, Any]] = []
    for index, text in enumerate(TEXTS):
        other = TEXTS[index * 7 % len(TEXTS)]
        data: dict[str, Any] = {"value": text, "list": [text, other], "deep": [[{"x": [{"expression": text}]}]]}
        data["fields"] = {"expression": text, "message": other, "messageExpression": other}
        data["fields"] |= {"folded": Folded(text)}
        data["keys"] = {text: text}
        data["rest"] = [1, 1.5, True, None, {}, [], [text, 1], 2**63 - 1]
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data, "text": text})
    return found


VALUES: Final = values()


@pytest.fixture(scope="module")
def kubectl() -> Path:
    return built(Path(__file__).parent / "kubectl")


@pytest.mark.parametrize("wrapped", [True, False])
def test_kubectl_reads_what_was_written(kubectl: Path, tmp_path: Path, wrapped: bool) -> None:
    questions = []
    for index, value in enumerate(VALUES):
        file = tmp_path / f"{index}.yaml"
        file.write_text(dumped(value, wrapped=wrapped), newline="")
        questions.append({"path": str(file)})
    assert len(questions) > 500
    for value, answer in zip(VALUES, answers(kubectl, questions), strict=True):
        assert answer["errors"] == [], (value["text"], dumped(value, wrapped=wrapped))
        assert [each["object"] for each in answer["objects"]] == [value], dumped(value, wrapped=wrapped)


def test_kubectl_reads_a_stream(kubectl: Path, tmp_path: Path) -> None:
    """No text ends its document, or begins another one."""
    file = tmp_path / "all.yaml"
    file.write_text(stream(VALUES), newline="")
    (answer,) = answers(kubectl, [{"path": str(file)}])
    assert answer["errors"] == []
    assert [each["object"] for each in answer["objects"]] == VALUES


@pytest.mark.parametrize("wrapped", [True, False])
def test_no_line_is_a_command_for_a_runner(wrapped: bool) -> None:
    for value in VALUES:
        text = dumped(value, wrapped=wrapped)
        assert not re.search(r"^\s*::[A-Za-z]|##[a-z]*\[", text, re.MULTILINE), text
    assert dumped({"::error::a": ["::1", "::/0"]}, wrapped=wrapped).startswith('"::error::a":')


@pytest.mark.parametrize("wrapped", [True, False])
def test_other_readers_do_too(wrapped: bool) -> None:
    for value in VALUES:
        text = dumped(value, wrapped=wrapped)
        assert yaml.load(text, yaml.CSafeLoader) == value, text
        read = parsed(text.encode(), "f.yaml")
        assert [document.value for document in read.documents] == [value], text


def test_lines_of_expressions_are_not_broken() -> None:
    expression = (
        "object.spec.containers.all(c, c.image.startsWith('registry.example.com/')) " + "&& true " * 20 + "&& !false"
    )
    written = dumped(
        {"spec": {"validations": [{"expression": expression, "messageExpression": f"{expression} ? 'a: b' : ''"}]}}
    )
    assert f"  - expression: |-\n      {expression}\n" in written
    assert f"    messageExpression: |-\n      {expression} ? 'a: b' : ''\n" in written


def test_prose_is_folded_with_its_quotes_as_they_are() -> None:
    written = dumped({"message": 'don\'t say: "this" ' * 12 + "end"})
    assert written.startswith("message: >-\n  don't say: \"this\" don't")
    assert max(map(len, written.split("\n"))) <= 118 + len('"this"')


def test_what_is_no_number_to_any_reader_is_not_quoted() -> None:
    plain = ("100m", "128Mi", "10.0.0.0/8", "v1", "apps/v1", "a b", "kubernetes.io/metadata.name", "*.example.com"[1:])
    for text in plain:
        assert scalar(text) == text
    for text in ("1e3", "0o7", "1_000", "y"):
        assert scalar(text) == f"'{text}'"


def test_short_lists_of_words_stand_in_one_line() -> None:
    assert (
        dumped({"operations": ["CREATE", "UPDATE"], "apiGroups": [""]})
        == "operations: [CREATE, UPDATE]\napiGroups: ['']\n"
    )
    assert dumped({"operations": ["CREATE"]}, wrapped=False) == "operations:\n- CREATE\n"


def test_no_anchors_are_written() -> None:
    shared = {"a": ["b"]}
    assert dumped({"x": shared, "y": shared}) == "x:\n  a: [b]\n'y':\n  a: [b]\n"


def test_a_lone_surrogate_is_replaced() -> None:
    assert yaml.safe_load(dumped({"a": "x\ud800y"})) == {"a": "x\ufffdy"}
