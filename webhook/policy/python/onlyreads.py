"""Proves from the source of a policy that it does not change its arguments.

Such a policy receives the request's own objects, at no cost; any other receives views (webhook.policy.readonly). The
proof is conservative: code that it cannot analyze counts as writing.

A dict or list is changed by a statement (`x[…] = …`, `del x[…]`, `x += …`), by a mutating method, or by a function from
elsewhere. So a policy passes if its file

- uses such statements and methods only on dicts and lists that the same function has created;
- imports only modules, and uses only builtins, that do not change their arguments;
- has no `global`, which could keep an object for a later policy that writes.

Other policies of the same file do not matter, unless the file calls them.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from typing import Final

# ruff: noqa: SIM905  # words are easier to read than lists of quoted words
MODULES: Final = frozenset(
    """
    __future__ base64 binascii collections copy dataclasses datetime decimal enum fnmatch fractions functools gatewright
    hashlib ipaddress itertools json logging math orjson pydantic re statistics string textwrap time typing
    typing_extensions unicodedata urllib uuid yaml zoneinfo
    """.split()
)
"""The modules, with their submodules, that a file may import: none of their functions changes an argument."""

BUILTINS: Final = frozenset(
    """
    Ellipsis NotImplemented abs all any ascii bin bool bytes callable chr classmethod complex dict divmod
    enumerate filter float format frozenset hasattr hash hex id int isinstance issubclass iter len list map
    max min next object oct ord pow print property range repr reversed round set slice sorted staticmethod str
    sum super tuple type zip
    """.split()
) | {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)}
"""The builtins that a file may use."""

MAKERS: Final = frozenset({"dict", "list", "set", "sorted"})
"""The builtins whose result is a new dict, list or set."""

WRITERS: Final = frozenset(
    """
    add append appendleft clear extend extendleft insert move_to_end pop popitem remove reverse send setdefault sort
    subtract update
    """.split()
)
"""Methods that change their object, or keep a reference to an argument."""

DEFINED: Final = frozenset(
    "__bool__ __contains__ __eq__ __hash__ __init__ __iter__ __len__ __lt__ __post_init__ __repr__ __str__".split()
)
"""The special methods that a class in the file may define. None of them is called by `+=`."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def only_reading(source: bytes | str) -> frozenset[int]:
    """The policies that only read, each identified by the line of its decorator. Empty if `source` is not Python."""
    try:
        module = ast.parse(source)
        names = _decorators(module)
        policies = [node for node in module.body if isinstance(node, ast.FunctionDef) and _is_policy(node, names)]
        used = {node.id for node in ast.walk(module) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        left_out = [policy for policy in policies if policy.name not in used]
        bound = set(_bound(ast.walk(module)))
        own_copy = "copy" in {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}
        rest = [node for node in module.body if node not in left_out]
        if bound & MAKERS or any(_writes(rest, _fresh(module, own_copy), own_copy)):
            return frozenset()
        return frozenset(
            policy.decorator_list[0].lineno for policy in policies if not any(_writes([policy], frozenset(), own_copy))
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()


def _decorators(module: ast.Module) -> frozenset[str]:
    """The names under which a file imports `validate` and `mutate`."""
    return frozenset(
        alias.asname or alias.name
        for node in module.body
        if isinstance(node, ast.ImportFrom) and node.module == "gatewright" and not node.level
        for alias in node.names
        if alias.name in ("validate", "mutate")
    )


def _is_policy(function: ast.FunctionDef, decorators: frozenset[str]) -> bool:
    """Whether the function has exactly one decorator, and it is `validate` or `mutate`."""
    match function.decorator_list:
        case [ast.Call(func=ast.Name(id=name))]:
            return name in decorators
    return False


def _writes(nodes: Iterable[ast.AST], fresh: frozenset[str], own_copy: bool) -> Iterator[ast.AST]:
    """The nodes that may write, in the nodes of one scope. `fresh`: names of values that the scope has created."""
    for node in nodes:
        match node:
            case ast.Attribute(value=value, attr=attr, ctx=ast.Load()):
                if attr.startswith("__") or (attr in WRITERS and not _is_name(value, fresh)):
                    yield node
            case ast.Attribute() | ast.Global() | ast.Nonlocal():
                yield node
            case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
                if not _is_name(value, fresh):
                    yield node
            case ast.AugAssign(target=target, value=value):  # changes its target in place if that is a list
                if not (_is_name(target, fresh) or _is_number(value)):
                    yield node
            case ast.Name(id=name):
                if name.startswith("__") or (hasattr(builtins, name) and name not in BUILTINS):
                    yield node
            case ast.Import(names=names):
                if not all(_allowed(alias.name) for alias in names):
                    yield node
            case ast.ImportFrom(module=module, names=names, level=level):
                if level or not _allowed(module or "") or any(alias.name == "*" for alias in names):
                    yield node
            case ast.FunctionDef(name=name):
                if name.startswith("__") and name not in DEFINED:
                    yield node
        if isinstance(node, _Function):
            inner = _fresh(node, own_copy)
            body = node.body if isinstance(node.body, list) else [node.body]
            yield from _writes(body, inner, own_copy)
            outside = [child for child in ast.iter_child_nodes(node) if child not in body]  # defaults, decorators
            yield from _writes(outside, fresh, own_copy)
        else:
            inner = frozenset() if isinstance(node, ast.ClassDef) else fresh
            yield from _writes(ast.iter_child_nodes(node), inner, own_copy)


def _allowed(module: str) -> bool:
    return module.partition(".")[0] in MODULES


def _is_name(node: ast.AST, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _is_number(node: ast.AST) -> bool:
    """Whether `x += node` cannot change a list, because it raises for one."""
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _fresh(scope: ast.Module | _Function, own_copy: bool) -> frozenset[str]:
    """The names that the scope assigns only values to which it has created itself."""
    fresh: set[str] = set()
    other: set[str] = set() if isinstance(scope, ast.Module) else set(_bound(ast.walk(scope.args)))
    pending: list[ast.AST] = list(scope.body) if isinstance(scope.body, list) else [scope.body]
    while pending:
        node = pending.pop()
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if _makes(value, own_copy):
                fresh.add(name)
                pending.append(value)
            case ast.AugAssign(target=ast.Name(), value=value):  # does not bind another object to a fresh name
                pending.append(value)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():  # scopes of their own
                other.update(_bound([node]))
            case _:
                other.update(_bound([node]))
                pending.extend(ast.iter_child_nodes(node))
    return frozenset(fresh - other)


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that these nodes bind, without their child nodes."""
    for node in nodes:
        match node:
            case (
                ast.Name(id=name, ctx=ast.Store() | ast.Del())
                | ast.arg(arg=name)
                | ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
                | ast.MatchMapping(rest=str(name))
            ):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name.partition(".")[0]


def _makes(value: ast.expr, own_copy: bool) -> bool:
    """Whether the value of an expression is a new object, or immutable."""
    match value:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.Constant() | ast.JoinedStr() | ast.Tuple():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in MAKERS
        case ast.Call(func=ast.Attribute(attr="copy"), args=[], keywords=[]):
            return not own_copy  # a `copy` method that the file defines may return anything
    return False
