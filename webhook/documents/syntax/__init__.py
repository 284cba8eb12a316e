"""Parses YAML and JSON text into plain JSON values, as kubectl does."""

from webhook import lazypatterns

lazypatterns.imported("yaml")  # of which only the C parser is used, which has no patterns

# ruff: noqa: E402
from webhook.documents.syntax import misread
from webhook.documents.syntax.common import MAX_DEPTH, DuplicateKey, Places, Root, SyntaxProblem
from webhook.documents.syntax.jsontext import read_json
from webhook.documents.syntax.valuespans import Scalars, places_in_json
from webhook.documents.syntax.yamltext import MAX_ALIASED, read_yaml

__all__ = [
    "MAX_ALIASED",
    "MAX_DEPTH",
    "DuplicateKey",
    "Places",
    "Root",
    "Scalars",
    "SyntaxProblem",
    "misread",
    "places_in_json",
    "read_json",
    "read_yaml",
]
