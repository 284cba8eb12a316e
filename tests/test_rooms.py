"""The order of the rooms: imports point down. docs/architecture.md says what each room is about."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the top down. Rooms of one line do not import each other. A room stands for what is in it and below it, unless a
# room below it in the tree is named itself; a module that is named is a room.
ORDER = """
webhook.cli
webhook.server.life
webhook.server.page
webhook.server.plain
webhook.server.policies webhook.server.reviews
webhook.server.cluster webhook.server.port
webhook.server.state
webhook.server.python webhook.server.telemetry.traces
webhook.server.telemetry
webhook.server.settings
webhook.server.doors webhook.server.limiting webhook.server.memory
webhook.server
webhook.lint
webhook.impact webhook.rollout
webhook.audit
webhook.mutants
webhook.convert
webhook.offline.cases
webhook.offline webhook.registration webhook.scaffold webhook.coverage webhook.library
webhook.recordings webhook.auditlog
webhook.admission
gatewright
webhook.bundle
webhook.policy.load
webhook.policy.needed webhook.policy.startup webhook.policy.unmatchable
webhook.policy.python
webhook.policy.policyset
webhook.policy.conditions
webhook.policy.cel
webhook.policy.exceptions
webhook.policy.written
webhook.policy
webhook.apiserver
webhook.cel.reference
webhook.cel
webhook.cel.environment
webhook.cel.program
webhook.cel.why
webhook.cel.code
webhook.cel.check
webhook.cel.functions
webhook.cel.library
webhook.cel.cost
webhook.cel.value
webhook.cel.tree
webhook.cluster
webhook.schema
webhook.documents webhook.forge webhook.git webhook.pages
webhook.excerpts
webhook.access webhook.counts webhook.frozen webhook.jobs webhook.nearest webhook.paths webhook.versions webhook.visible
webhook.byidentity webhook.digests webhook.owners webhook.lazypatterns
"""
RANK = {room: rank for rank, line in enumerate(reversed(ORDER.split("\n"))) for room in line.split()}

FORWARD = {
    ("webhook.cel.why.explainer", "webhook.cel.program"),
    ("webhook.cel.why.origins", "webhook.cel.program"),
    ("webhook.cel.why.shapes", "webhook.cel.program"),
    ("webhook.cel.why.witness", "webhook.cel.program"),
}
"""Imports that point up all the same, each with its reason beside it in the code."""


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("webhook", "gatewright"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def imported(path: Path, *, at_runtime: bool = False) -> Iterator[tuple[str, int]]:
    """The modules of ours that a file imports, each with its line; at_runtime: when the file is imported."""
    for node in walk(parsed(path), at_runtime=at_runtime):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else node.module for name in names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and not at_runtime and type(node.value) is str:
            names = [node.value] if "." in node.value else []  # a module that is imported, or started, by its name
        yield from ((name, node.lineno) for name in names if name in MODULES)  # type: ignore[attr-defined]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def walk(node: ast.AST, *, at_runtime: bool) -> Iterator[ast.AST]:
    if at_runtime and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    if at_runtime and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from walk(child, at_runtime=at_runtime)


def room(module: str) -> str | None:
    """The room of a module: the longest name of the order that it begins with."""
    while module and module not in RANK:
        module = module.rpartition(".")[0]
    return module or None


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module: str) -> None:
    own = room(module)
    if own is None:
        assert module == "webhook", f"{module} stands in no room: give it a line in ORDER"
        return
    upward = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {name}"
        for name, line in imported(MODULES[module])
        if room(name) not in (None, own) and RANK[room(name) or ""] >= RANK[own] and (module, name) not in FORWARD
    ]
    assert not upward, "\n".join([f"{own} stands below:", *upward])


def test_an_upward_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def late():\n    from webhook.policy import matching\n")
    monkeypatch.setitem(MODULES, "webhook.cel.tree.wrong", wrong)
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    with pytest.raises(AssertionError, match=r"wrong.py:2 imports webhook.policy.matching"):
        test_imports_point_down("webhook.cel.tree.wrong")
    by_name = tmp_path / "by_name.py"
    by_name.write_text("PROGRAM = 'webhook.policy.matching'\n")
    monkeypatch.setitem(MODULES, "webhook.cel.tree.wrong", by_name)
    with pytest.raises(AssertionError, match=r"by_name.py:1 imports webhook.policy.matching"):
        test_imports_point_down("webhook.cel.tree.wrong")


def test_what_points_up_all_the_same_is_there() -> None:
    there = {(module, name) for module, path in MODULES.items() for name, _ in imported(path)}
    assert not FORWARD - there


def test_no_module_is_imported_in_a_circle() -> None:
    """Of what is imported when a module is; types alone (TYPE_CHECKING) and imports within functions do not count."""
    graph = {module: {name for name, _ in imported(path, at_runtime=True)} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, chain: tuple[str, ...]) -> None:
        assert module not in chain, " -> ".join((*chain[chain.index(module) :], module))
        if module not in done:
            for name in sorted(graph[module]):
                visit(name, (*chain, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_every_room_says_what_belongs_in_it() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for module, path in MODULES.items()
        if path.name == "__init__.py" and not ast.get_docstring(parsed(path))
    ]
    assert not silent
