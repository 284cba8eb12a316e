"""Writes steps as a patch of the bindings' files. Only the actions change: comments, order and YAML style stay. A
binding for a ring becomes another document at the end of the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from webhook.documents import reader, yamlwriting
from webhook.documents.files import reason
from webhook.policy.policyset import NEEDS_CLUSTER
from webhook.policy.selectors import Requirement
from webhook.rollout.rings import CLUSTER_SCOPED
from webhook.rollout.steps import Addition, Edit, Step

_FIELD: Final = "validationActions"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./ ")


class NotWritten(ValueError):
    """A step that cannot be written into its file; the text says where, and why."""


def patch(steps: Iterable[Step], paths: dict[str, str]) -> str:
    """A unified diff as git takes it. paths: each file's path in its repository. Raises NotWritten."""
    by_file: dict[str, list[Step]] = {}
    for each in steps:
        by_file.setdefault(each.binding.file, []).append(each)
    return "".join(_of_file(file, by_file[file], paths[file]) for file in sorted(by_file))


def _of_file(file: str, steps: Iterable[Step], path: str) -> str:
    try:
        old = Path(file).read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "not UTF-8"
        raise NotWritten(f"{file}: {why}") from None
    if not _PLAIN.issuperset(path):
        raise NotWritten(f"{file}: its name has characters that a patch would have to escape")
    new = old
    added = []
    for each in steps:
        if each.adds is not None:
            added.append((each, each.adds))
        elif each.edit is not None:
            new = edited(new, each, each.edit)
    for each, adds in added:
        new = with_ring(new, each, adds)
    tab = "\t" if " " in path else ""
    lines = difflib.unified_diff(
        _lines(old), _lines(new), fromfile=f"a/{path}{tab}", tofile=f"b/{path}{tab}", lineterm="\n"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    """The lines as git counts them: only a line feed ends one."""
    return [f"{line}\n" for line in text.split("\n")[:-1]] + [last for last in text.split("\n")[-1:] if last]


def edited(text: str, step: Step, edit: Edit) -> str:
    """The text of a file with the step of a binding. Raises NotWritten."""
    binding = step.binding
    where = f"{binding.file}:{binding.line}"
    try:
        found = [each for each in _objects(text) if _is(each, binding.kind, binding.name)]
    except (yaml.YAMLError, RecursionError):
        found = []
    if len(found) != 1:
        raise NotWritten(f"{where}: {binding.kind} {binding.name} cannot be found in the text of its file")
    actions = _value(_value(found[0], "spec"), _FIELD)
    inside = found[0].start_mark.index <= actions.start_mark.index < found[0].end_mark.index if actions else False
    if not isinstance(actions, yaml.SequenceNode) or not actions.value or not inside:
        raise NotWritten(f"{where}: expected {_FIELD} as a list in the text of the binding itself")
    made = _with(text, actions, edit)
    if not _says(made, text, step):
        raise NotWritten(f"{where}: {_FIELD} cannot be changed in this text; change it by hand: {step.proposed}")
    return made


def with_ring(text: str, step: Step, adds: Addition) -> str:
    """The text of a file with the binding for a ring. Raises NotWritten."""
    binding = step.binding
    where = f"{binding.file}:{binding.line}"
    before = _values(text, binding.file)
    of = [each for each in map(_bare, before) if _names(each, binding.kind, binding.name)]
    if len(of) != 1 or not isinstance(of[0].get("spec"), dict):
        raise NotWritten(f"{where}: {binding.kind} {binding.name} cannot be found in the text of its file")
    if binding.file.endswith(".json"):
        raise NotWritten(f"{where}: a file of JSON has one document; move the binding to a file of YAML")
    wanted = _of_ring(of[0], step, adds)
    newline = "\r\n" if "\r\n" in text else "\n"
    written = f"---\n{yamlwriting.dumped(wanted)}".replace("\n", newline)
    made = f"{text}{'' if text.endswith(newline) else newline}{written}"
    if _values(made, binding.file) != [*before, wanted]:
        raise NotWritten(f"{where}: a document cannot be added to this text; add the binding {adds.name} by hand")
    return made


def _values(text: str, file: str) -> list[Any]:
    """The objects of a file, Lists expanded; nothing if a part of it cannot be read."""
    documents, problems = reader.parse(text.encode(), file)
    return [] if problems else [each.value for each in documents]


def _bare(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: dict[str, Any], kind: str, name: str) -> bool:
    return value.get("kind") == kind and _bare(value.get("metadata")).get("name") == name


def _of_ring(value: dict[str, Any], step: Step, adds: Addition) -> dict[str, Any]:
    """The binding for a ring: its origin, for the namespaces of the ring, with the actions of the step."""
    given = _bare(value.get("metadata"))
    metadata: dict[str, Any] = {"name": adds.name}
    if _bare(given.get("labels")):
        metadata["labels"] = given["labels"]
    annotations = {key: text for key, text in _bare(given.get("annotations")).items() if key != _LAST_APPLIED}
    # Without a cluster nobody knows the labels of Namespaces, and the binding would deny whatever it cannot match.
    metadata["annotations"] = {**annotations, NEEDS_CLUSTER: "true"}
    resources = dict(_bare(value["spec"].get("matchResources")))
    selector = dict(_bare(resources.get("namespaceSelector")))
    exact = {each.key: value for each in adds.requirements for value in each.values if _is_label(each)}
    expressions = [_expression(each) for each in adds.requirements if not _is_label(each)]
    if exact:
        selector["matchLabels"] = {**_bare(selector.get("matchLabels")), **exact}
    if expressions:
        there = selector.get("matchExpressions")
        selector["matchExpressions"] = [*(there if isinstance(there, list) else ()), *expressions]
    resources["namespaceSelector"] = selector
    if adds.excludes:
        excluded = resources.get("excludeResourceRules")
        resources["excludeResourceRules"] = [*(excluded if isinstance(excluded, list) else ()), CLUSTER_SCOPED]
    spec = {**value["spec"], _FIELD: step.proposed, "matchResources": resources}
    made = {key: each for key, each in value.items() if key in ("apiVersion", "kind")}
    return {**made, "metadata": metadata, "spec": spec}


def _is_label(each: Requirement) -> bool:
    return each.operator == "In" and len(each.values) == 1


def _expression(each: Requirement) -> dict[str, Any]:
    made: dict[str, Any] = {"key": each.key, "operator": each.operator}
    return {**made, "values": sorted(each.values)} if each.values else made


def _objects(text: str) -> Iterator[yaml.MappingNode]:
    """The objects of a file, with those in Lists."""
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        if isinstance(document, yaml.MappingNode):
            yield document
            items = _value(document, "items")
            if isinstance(items, yaml.SequenceNode):
                yield from (each for each in items.value if isinstance(each, yaml.MappingNode))


def _value(node: Any, key: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


def _is(node: yaml.MappingNode, kind: str, name: str) -> bool:
    said = (_value(node, "kind"), _value(_value(node, "metadata"), "name"))
    return [each.value if isinstance(each, yaml.ScalarNode) else None for each in said] == [kind, name]


def _with(text: str, actions: yaml.SequenceNode, edit: Edit) -> str:
    """The text with the edit, in the style in which the actions are written."""
    items = actions.value
    if edit.instead_of is not None:
        (item,) = (each for each in items if each.value == edit.instead_of)
        start, end = item.start_mark.index, item.end_mark.index
        return text[:start] + text[start:end].replace(edit.instead_of, edit.action) + text[end:]
    item = items[-1 if edit.last else 0]
    start, end = item.start_mark.index, item.end_mark.index
    written = text[start:end].replace(item.value, edit.action)
    if actions.flow_style:
        return f"{text[:end]}, {written}{text[end:]}" if edit.last else f"{text[:start]}{written}, {text[start:]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = " " * actions.start_mark.column
    if edit.last:
        return f"{text[:end]}{newline}{indent}- {written}{text[end:]}"
    at = actions.start_mark.index
    return f"{text[:at]}- {written}{newline}{indent}{text[at:]}"


def _says(made: str, text: str, step: Step) -> bool:
    """Whether the new text has the wanted actions, and is equal to the old text otherwise."""
    binding = step.binding
    before, after = (
        [each.value for each in reader.parse(each_text.encode(), binding.file)[0]] for each_text in (text, made)
    )
    wanted = [_replaced(value, step) for value in before]
    return after == wanted and before != after


def _replaced(value: Any, step: Step) -> Any:
    """The object with the actions of the step, if it is its binding."""
    binding = step.binding
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("items"), list):
        return {**value, "items": [_replaced(each, step) for each in value["items"]]}
    metadata = value.get("metadata")
    if value.get("kind") != binding.kind or not isinstance(metadata, dict) or metadata.get("name") != binding.name:
        return value
    return {**value, "spec": {**value["spec"], _FIELD: step.proposed}}
