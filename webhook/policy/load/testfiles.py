"""Files of which nothing but tests is expected: loading policies need not read them.

Tests are mostly larger than the policies that they test. A server and `gatewright check` have no use for them; `test`
and `lint` read them whole, and report what is wrong in them.
"""

from __future__ import annotations

import re
from typing import Final

import yaml
from yaml._yaml import CParser

from webhook.policy.load.faultless import is_faultless
from webhook.versions import OLDEST

_BEGINNING: Final = re.compile(rb"(?:[ ]*(?:#[^\n]*)?\n)*+apiVersion: gatewright\.dev/v1\nkind: PolicyTest\n")

_AT_MARGIN: Final = re.compile(rb"^[^\s#].*", re.MULTILINE)
"""A line that is neither indented nor a comment."""

_KEY: Final = re.compile(rb"([A-Za-z]+):(?:[ \n]|\Z)")

_OTHER_BREAKS: Final = (b"\r", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
"""What ends a line in YAML, but not for the patterns above."""


def only_tests(content: bytes, *, trusting: bool = True) -> bool:
    """Whether a file is one PolicyTest, and nothing that it holds can be taken for a policy.

    False in all cases of doubt, and for a file that is not YAML. True only if it begins with the apiVersion and kind of
    a PolicyTest, has one document, and each line at its margin is another field of that document or an element of one.
    What is below these fields is not looked at. trusting: see webhook.policy.load.loading.load_tree.
    """
    if not _BEGINNING.match(content):
        return False
    if trusting and is_faultless(content, OLDEST):  # and is one PolicyTest, as it begins with one
        return True
    if any(each in content for each in _OTHER_BREAKS):
        return False
    fields: set[bytes] = set()
    for line in _AT_MARGIN.findall(content):
        if line.startswith(b"- "):
            continue
        field = _KEY.match(line)
        if field is None or field[1] in fields:
            return False
        fields.add(field[1])
    try:
        CParser(content).raw_parse()  # the syntax alone: no events, no values
    except (yaml.YAMLError, UnicodeError):
        return False
    return True
