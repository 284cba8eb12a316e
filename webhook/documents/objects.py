"""Which Kubernetes objects a document holds, as kubectl takes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from webhook.documents.document import Document, Problem
from webhook.paths import ROOT, Path

MAX_LIST_DEPTH: Final = 8  # levels of lists in lists


def objects(documents: Iterable[Document], *, typed: bool = True) -> tuple[list[Document], list[Problem]]:
    """The documents that are Kubernetes objects (mappings with apiVersion and kind), and a Problem for each other.

    typed: metadata must be a mapping, and what is read of it here of its types. Whoever decodes objects says in the API
    server's words what is wrong with it.
    """
    good: list[Document] = []
    problems: list[Problem] = []
    for document in documents:
        wrong = not_an_object(document.value, typed=typed)
        if wrong is None:
            good.append(document)
        else:
            path, message = wrong
            problems.append(document.problem(path, f"not a Kubernetes object: {message}"))
    return good, problems


def expanded(document: Document, depth: int = MAX_LIST_DEPTH) -> Iterator[Document]:
    """The items of a list as documents; of any other document only the document itself.

    As for kubectl, an object of any kind that has `items` is a list (Unstructured.IsList), and nothing else of it is
    sent. kubectl refuses lists in lists; their items are given all the same.
    """
    value = document.value
    if not isinstance(value, dict) or "items" not in value or not _text(value.get("kind")):
        yield document
        return
    items = value["items"]
    if items is None and depth == MAX_LIST_DEPTH:
        return  # a list without items
    if not isinstance(items, list) or depth == 0:
        yield document
        return
    for index, given in enumerate(items):
        yield from expanded(document.item(("items", index), _completed(given, value)), depth - 1)


def _completed(item: Any, holder: dict[str, Any]) -> Any:
    """An item with the apiVersion and kind of its list, where it has neither, as in a PodList from the API."""
    given = {} if item is None else item
    if not isinstance(given, dict) or _text(given.get("kind")) or _text(given.get("apiVersion")):
        return item
    kind = holder["kind"].removesuffix("List")
    named = {"apiVersion": holder.get("apiVersion"), "kind": kind}
    return given | {name: value for name, value in named.items() if value}


def not_an_object(value: Any, *, typed: bool = True) -> tuple[Path, str] | None:
    """Why a document is not a Kubernetes object: the path and the message; None if it is one. typed: see `objects`."""
    if not isinstance(value, dict):
        kind = {list: "a list", str: "text", bool: "a boolean", type(None): "null"}.get(type(value), "a number")
        return ROOT, f"expected a mapping with apiVersion and kind, found {kind}"
    wrong = [name for name in ("apiVersion", "kind") if not _text(value.get(name))]
    if wrong:
        what = " and ".join(f"{name} {'must be text' if name in value else 'is missing'}" for name in wrong)
        return (wrong[0],), what
    if value["apiVersion"].count("/") > 1:
        return ("apiVersion",), "apiVersion must be VERSION or GROUP/VERSION"
    if (unusable := _unusable_items(value)) is not None:  # lists have been expanded already
        return ("items",), unusable
    metadata = value.get("metadata") if typed else None
    if metadata is None:
        return None
    if not isinstance(metadata, dict):
        return ("metadata",), "metadata must be a mapping"
    for name in ("name", "namespace", "generateName"):
        if metadata.get(name) is not None and not isinstance(metadata[name], str):
            return ("metadata", name), f"metadata.{name} must be text; quote it"
    for name in ("labels", "annotations"):
        entries = metadata.get(name)
        if entries is None:
            continue
        if not isinstance(entries, dict):
            return ("metadata", name), f"metadata.{name} must be a mapping"
        for key, entry in entries.items():
            if entry is not None and not isinstance(entry, str):
                return ("metadata", name, key), f"metadata.{name}[{key!r}] must be text; quote it"
    return None


def _unusable_items(value: dict[str, Any]) -> str | None:
    if value["kind"] == "List" and value["apiVersion"] == "v1":
        return f"the items of a List {'must be a list' if 'items' in value else 'are missing'}"
    if isinstance(value.get("items"), list):
        return f"lists are nested more than {MAX_LIST_DEPTH} levels deep"
    if value.get("items") is not None:
        return "kubectl takes an object with items for a list of objects; these items must be a list"
    return None


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
