"""A lazy pattern is the compiled one, from its first use on."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from webhook.lazypatterns import imported, lazily


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("match", ("a1b2",)),
        ("fullmatch", ("a1",)),
        ("search", ("--B2",)),
        ("findall", ("a1 B2",)),
        ("sub", ("x", "a1 B2")),
        ("subn", ("x", "a1 B2")),
        ("split", ("1a1b2",)),
    ],
)
def test_it_gives_what_a_compiled_one_gives(name: str, arguments: tuple[str, ...]) -> None:
    lazy, compiled = lazily(r"([a-z])(\d)", re.IGNORECASE), re.compile(r"([a-z])(\d)", re.IGNORECASE)
    assert repr(getattr(lazy, name)(*arguments)) == repr(getattr(compiled, name)(*arguments))
    assert (lazy.pattern, lazy.flags) == (compiled.pattern, compiled.flags)
    assert [found.span() for found in lazy.finditer("a1 B2")] == [(0, 2), (3, 5)]


def test_it_is_compiled_once_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    original = re.compile

    def counting(text: str, flags: int = 0) -> re.Pattern[str]:
        compiled.append(text)
        return original(text, flags)

    monkeypatch.setattr(re, "compile", counting)
    lazy = lazily("a+")
    assert compiled == []
    assert lazy.match("aa") and not lazy.match("b") and lazy.search("ba")
    assert compiled == ["a+"]


def test_what_is_no_pattern_is_an_error_at_its_first_use() -> None:
    wrong = lazily("(")
    with pytest.raises(re.error, match="unterminated subpattern"):
        wrong.match("")


def test_bytes() -> None:
    assert lazily(rb"\d").sub(b"-", b"a1") == b"a-"


_YAML = """
import re
from webhook.documents import syntax
import yaml
assert type(yaml.reader.Reader.NON_PRINTABLE) is not re.Pattern, "it was compiled"
assert type(re.compile("a")) is re.Pattern
text = "[1.5, 0x1F, 2024-01-02, yes, ~, 2024-01-02 03:04:05.6 +1, \\u00e9, 1:30]"
assert repr(yaml.load(text, yaml.SafeLoader)) == repr(yaml.load(text, yaml.CSafeLoader))
print(yaml.safe_dump(["1.5", 1.5, "2024-01-02", "yes", "a\\x85b", "=", "0x1F"]), end="")
"""


def test_pyyaml_reads_and_writes_by_patterns_that_are_compiled_later() -> None:
    found = subprocess.run([sys.executable, "-c", _YAML], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert found == "- '1.5'\n- 1.5\n- '2024-01-02'\n- 'yes'\n- \"a\\x85b\"\n- '='\n- '0x1F'\n".replace("\\x85", "\\N")


def test_a_module_that_cannot_be_imported_leaves_patterns_as_they_were() -> None:
    with pytest.raises(ModuleNotFoundError):
        imported("no_such_module")
    assert type(re.compile("ab*")) is re.Pattern
