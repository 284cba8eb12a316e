"""Arbitrary text as text that XML can hold."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from webhook.cli.report.plain import lines_of
from webhook.lazypatterns import lazily
from webhook.visible import no_commands

_NOT_IN_XML: Final = lazily("[\ufffe\uffff]")


def xml(text: str) -> str:
    """The text as the content of an XML element."""
    return escape(_NOT_IN_XML.sub("\\\\ufffd", no_commands(lines_of(text))))


def attribute(text: str) -> str:
    """The text as the value of an XML attribute, with its quotes."""
    return quoteattr(_NOT_IN_XML.sub("\\\\ufffd", no_commands(lines_of(text))))
