"""Proves from the source of a policy that a timer can stop it, so that the server may run it in its own process.

Python handles a signal between two instructions. A call into C is one instruction, however long it takes:
`sum(range(10**12))`, `10**10**8`, `values * count`. So a policy is tame if each of its instructions takes at most time
and memory that is linear in the values that exist already, and if it cannot catch the exception of the timer. Its loops
and recursions need no bound. Every other policy runs in a process of its own (webhook.policy.python.apart), where it
costs more but can do anything.

Values that hold one value many times can be larger than their memory: twenty lists, each of which holds the one before
twice, take a million steps to compare. So a tame policy does not put a variable into a value that the variable is made
of again, and has no recursive functions.

The analysis is conservative: what it does not know is not tame. It is made against mistakes and against what users
send, not against an author who looks for its gaps; `--policy-isolation all` does without it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from typing import Final

from webhook.policy.python.onlyreads import BUILTINS as READERS
from webhook.policy.python.onlyreads import DEFINED, FRAMES, MODULES, PRIVATE, WRITERS, children, walk

# ruff: noqa: SIM905  # words are easier to read than lists of quoted words
_LEFT_OUT: Final = {
    "decimal": None,  # int(Decimal("1e999999999")) makes a number of as many digits
    "fractions": None,
    "functools": "cache lru_cache reduce partial",  # caches grow with the requests
    # Endless, or much of little; or they call any function on each element.
    "itertools": "accumulate combinations count dropwhile groupby permutations product repeat starmap takewhile",
    "logging": None,  # it has locks, which the timer's exception might leave locked
    "math": "prod lcm",
    "re": "findall finditer search split sub",  # quadratic in the text, and deaf to signals in between
    "statistics": None,
    "textwrap": None,  # searches regular expressions
    "time": None,
    "zoneinfo": None,  # reads files
}
_IMPORTS: Final = {
    module: names - frozenset((_LEFT_OUT.get(module) or "").split())
    for module, names in MODULES.items()
    if _LEFT_OUT.get(module, "") is not None
}

_BUILTINS: Final = READERS - frozenset(
    "BaseException BaseExceptionGroup GeneratorExit KeyboardInterrupt SystemExit bytes divmod hash iter map filter "
    "pow print range reversed type".split()
)
_LIMITED: Final = {
    "range": "the numbers of range may be many; use it as `for … in range(…)` only",
    "map": "write map as a comprehension: Python can be stopped between two of its elements",
    "filter": "write filter as a comprehension: Python can be stopped between two of its elements",
}

_SIZED = "center encode expandtabs format format_map ljust rjust to_bytes translate zfill"
_SEARCHING = "findall finditer search sub subn"
_METHODS: Final = {
    **dict.fromkeys(_SIZED.split(), "makes text of any size"),
    **dict.fromkeys(_SEARCHING.split(), "searches in time that grows with the square of the text"),
    "mro": "leads to classes that the source does not name",
}

# As a value, the method of a large list could be called on each of its elements by one instruction.
_BUILTIN_METHODS: Final = frozenset(
    name for kind in (str, bytes, list, dict, set, frozenset, tuple, int, float) for name in vars(kind)
) - {"real", "imag", "numerator", "denominator"}

_CONSTANT_MAKERS: Final = frozenset({"frozenset", "tuple", "compile", "TypeVar", "NewType", "namedtuple", "Field"})

_Function = ast.FunctionDef | ast.Lambda


def untamed(source: bytes | str) -> str | None:
    """Why the policies of a file are not tame, with the line; None if they are."""
    try:
        module = ast.parse(source)
        found = min(_untame(module), key=lambda each: each[0], default=None)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "its source cannot be analyzed"
    return None if found is None else f"line {found[0]}: {found[1]}"


def _untame(module: ast.Module) -> Iterator[tuple[int, str]]:
    parents = {child: node for node in walk(module) for child in children(node)}
    with_re = any(
        (isinstance(node, ast.Import) and any(alias.name == "re" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "re")
        for node in walk(module)
    )
    mutable, bound = _of_module(module)
    functions = {node.name: node for node in walk(module) if isinstance(node, ast.FunctionDef)}
    for name, function in functions.items():
        if name in _reached(_calls(functions), name):
            yield function.lineno, f"{name} calls itself"
    for node in walk(module):
        for why in _reasons(node, parents, with_re):
            yield getattr(node, "lineno", 0), why
        if isinstance(node, ast.FunctionDef) and (line := _nests(node, parents)):
            yield line, "a value is put into itself, or into what it is made of, so it might grow with each round"
        if not _in_function(node, parents):
            continue
        if isinstance(node, ast.Name) and node.id in mutable and not _only_looked_up(node, parents):
            yield node.lineno, f"{node.id} belongs to the module: what is added to it stays for all requests"
        if isinstance(node, ast.Attribute) and node.attr in WRITERS and _root(node.value) in bound:
            yield node.lineno, f"{node.attr} changes what stays for all requests"


def _reasons(node: ast.AST, parents: dict[ast.AST, ast.AST], with_re: bool) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                if alias.name not in _IMPORTS:
                    yield f"{alias.name} is not among the modules whose functions end soon"
        case ast.ImportFrom(module=module, names=names):
            for alias in names:
                if alias.name not in _IMPORTS.get(module or "", ()) and f"{module}.{alias.name}" not in _IMPORTS:
                    yield f"{module}.{alias.name} is not among the functions that end soon"
        case ast.Name(id=name, ctx=ast.Load()):
            parent = parents.get(node)
            if name == "range" and _looped_over(node, parents):
                return
            if name in _LIMITED:
                yield _LIMITED[name]
            elif name == "type" and isinstance(parent, ast.Call) and parent.func is node and len(parent.args) == 1:
                return
            elif name.startswith("__") or (hasattr(builtins, name) and name not in _BUILTINS):
                yield f"{name} is not among the functions that end soon"
        case ast.Attribute(attr=name):
            yield from _attribute(node, name, parents, with_re)
        case ast.Call(func=ast.Name(id="sum"), args=args, keywords=keywords) if len(args) != 1 or keywords:
            yield "sum with a start copies what it has at each step"
        case (
            ast.BinOp(op=ast.Mult() | ast.Pow() | ast.LShift() | ast.Mod() | ast.MatMult())
            | ast.AugAssign(op=ast.Mult() | ast.Pow() | ast.LShift() | ast.Mod() | ast.MatMult())
        ):
            if not (isinstance(node, ast.BinOp) and _is_small(node.left) and _is_small(node.right)):
                yield "an operator whose result may be far larger than its operands"
        case ast.FormattedValue(format_spec=ast.JoinedStr(values=values)):
            if not all(_is_short(each) for each in values):
                yield "the width of a format may be anything"
        case ast.ExceptHandler(type=None):
            yield "`except:` catches the timer's exception"
        case ast.ExceptHandler(type=caught) if not _names_exceptions(caught):
            yield "what this `except` catches is not named"
        case ast.Try(finalbody=final) if final:
            yield "`finally` may hold up the timer's exception"
        case ast.With():
            yield "`with` may hold up the timer's exception"
        case ast.Global() | ast.Nonlocal():
            yield "a variable that stays for all requests"
        case ast.TryStar() | ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await():
            yield "a statement that the analysis does not know"
        case ast.FunctionDef(name=name) if name.startswith("__") and name not in DEFINED:
            yield f"{name} may be called by any instruction"
        case ast.arguments(defaults=defaults, kw_defaults=kw_defaults):
            if not all(each is None or _is_constant(each) for each in (*defaults, *kw_defaults)):
                yield "a default that stays for all requests"


def _attribute(node: ast.Attribute, name: str, parents: dict[ast.AST, ast.AST], with_re: bool) -> Iterator[str]:
    parent = parents.get(node)
    called = parent if isinstance(parent, ast.Call) and parent.func is node else None
    own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    if name.startswith("__") or name in FRAMES or (name.startswith("_") and name not in PRIVATE and not own):
        yield f"the attribute {name}"
    elif name in _METHODS:
        yield f"{name} {_METHODS[name]}"
    elif not isinstance(node.ctx, ast.Load):
        if not own:
            yield "an attribute is set, which may stay for all requests"
    elif isinstance(node.value, ast.Name) and node.value.id in _IMPORTS:
        if name not in _IMPORTS[node.value.id] and f"{node.value.id}.{name}" not in _IMPORTS:
            yield f"{node.value.id}.{name} is not among the functions that end soon"
    elif called is None:
        if (
            name in _BUILTIN_METHODS
            and isinstance(parent, ast.Call | ast.keyword | ast.Assign)
            and not _is_data(parent)
        ):
            yield f"the method {name} as a value"
    elif name == "join" and not isinstance(node.value, ast.Constant):
        yield "join with a separator that is no constant"
    elif name == "replace" and not (len(called.args) >= 2 and isinstance(called.args[1], ast.Constant)):
        yield "replace by text that is no constant"
    elif name in ("split", "rsplit") and with_re and not all(isinstance(each, ast.Constant) for each in called.args):
        yield "split of a regular expression searches in time that grows with the square of the text"


def _is_data(call: ast.AST) -> bool:
    """Whether a call takes data only: no builtin that a tame policy may use calls its positional arguments."""
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in _BUILTINS


def _calls(functions: dict[str, ast.FunctionDef]) -> dict[str, set[str]]:
    """The functions of the file that each of them names."""
    return {
        name: {node.id for node in walk(function) if isinstance(node, ast.Name) and node.id in functions}
        | {
            node.attr
            for node in walk(function)
            if isinstance(node, ast.Attribute) and _root(node) in ("self", "cls") and node.attr in functions
        }
        for name, function in functions.items()
    }


def _reached(edges: dict[str, set[str]], start: str) -> set[str]:
    """What can be reached from a node over at least one edge."""
    found: set[str] = set()
    pending = [start]
    while pending:
        more = edges.get(pending.pop(), set()) - found
        found |= more
        pending += more
    return found


def _nests(function: ast.FunctionDef, parents: dict[ast.AST, ast.AST]) -> int | None:
    """The line of a loop that puts a variable into a value of which the variable is made again; None without one."""
    edges: dict[str, set[str]] = {}  # what becomes part of what, or stands for it
    puts: list[tuple[str, str, int]] = []
    for node in walk(function):
        match node:
            case ast.Assign(targets=targets, value=value):
                pass
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value):
                targets = [target]
            case ast.NamedExpr(target=target, value=value):
                targets = [target]
            case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
                targets = [target]
            case ast.Call(func=ast.Attribute(value=target, attr=attr), args=args) if attr in WRITERS:
                targets, value = [target], ast.Tuple(elts=args)
            case _:
                continue
        into = {name for target in targets for name in _bound_in(target)}
        put = _put(value)
        if any(isinstance(each, ast.Subscript) for each in targets):
            put |= _names(value) if not isinstance(value, ast.List | ast.Tuple | ast.Dict | ast.BinOp) else set()
        for name in _names(value):
            edges.setdefault(name, set()).update(into)
        if _in_loop(node, function, parents):
            puts += [(name, each, getattr(node, "lineno", function.lineno)) for name in put for each in into]
    return min((line for name, into_, line in puts if name == into_ or name in _reached(edges, into_)), default=None)


def _bound_in(target: ast.expr) -> set[str]:
    """The variables that an assignment to the target changes."""
    if isinstance(target, ast.Tuple | ast.List):
        return {name for each in target.elts for name in _bound_in(each)}
    root = _root(target.value if isinstance(target, ast.Starred) else target)
    return set() if root is None else {root}


def _names(value: ast.AST) -> set[str]:
    return {each.id for each in walk(value) if isinstance(each, ast.Name)}


def _put(value: ast.AST) -> set[str]:
    """The variables whose values an expression puts into a new list, tuple, mapping, set or instance."""
    found: set[str] = set()
    for node in walk(value):
        match node:
            case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
                found.update(*(_names(each) for each in elements if not isinstance(each, ast.Starred)))
            case ast.Dict(values=elements):
                found.update(*map(_names, elements))
            case ast.ListComp(elt=element) | ast.SetComp(elt=element) | ast.DictComp(value=element):
                found |= _names(element)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if not hasattr(builtins, name):
                found.update(*map(_names, args), *(_names(each.value) for each in keywords))
    return found


def _in_loop(node: ast.AST, function: ast.FunctionDef, parents: dict[ast.AST, ast.AST]) -> bool:
    while node is not function:
        if isinstance(node, ast.For | ast.While | ast.comprehension):
            return True
        node = parents[node]
    return False


def _of_module(module: ast.Module) -> tuple[set[str], set[str]]:
    """The names of the module's variables that can be changed in place, and all names that it binds."""
    mutable: set[str] = set()
    bound: set[str] = set()
    for node in module.body:
        match node:
            case ast.Assign(targets=targets, value=value):
                names = {each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                names = {name}
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
                continue
            case ast.For() | ast.While() | ast.If() | ast.Try() | ast.Match():
                names = {
                    each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
                }
                value = None
            case _:
                continue
        bound |= names
        if value is None or not _is_constant(value):
            mutable |= names
    return mutable, bound


def _is_constant(value: ast.expr) -> bool:
    """Whether the value of an expression cannot be changed in place."""
    match value:
        case ast.Constant() | ast.JoinedStr() | ast.Name() | ast.Lambda() | ast.Subscript() | ast.Attribute():
            return True
        case ast.Tuple(elts=elements):
            return all(map(_is_constant, elements))
        case ast.BinOp(left=left, right=right):
            return _is_constant(left) and _is_constant(right)
        case ast.UnaryOp(operand=operand):
            return _is_constant(operand)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in _CONSTANT_MAKERS
    return False


def _only_looked_up(name: ast.Name, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether the use of a module's dict or list only reads from it."""
    parent = parents.get(name)
    match parent:
        case ast.Subscript(value=value, ctx=ast.Load()):
            return value is name
        case ast.Attribute(attr="get" | "items" | "keys" | "values" | "fullmatch" | "match"):
            return True
        case ast.Compare() | ast.For() | ast.comprehension():
            return True
        case ast.Call(func=ast.Name(id="len" | "sorted" | "list" | "set" | "dict" | "tuple" | "any" | "all")):
            return True
    return False


def _in_function(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether the node belongs to the body of a function, which runs for each request."""
    below, above = node, parents.get(node)
    while above is not None:
        if isinstance(above, ast.FunctionDef) and below in above.body:
            return True
        if isinstance(above, ast.Lambda) and below is above.body:
            return True
        below, above = above, parents.get(above)
    return False


def _looped_over(name: ast.Name, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether `range` is called to loop over its numbers in Python."""
    call = parents.get(name)
    loop = parents.get(call) if isinstance(call, ast.Call) and call.func is name else None
    return isinstance(loop, ast.For | ast.comprehension) and loop.iter is call


def _root(value: ast.expr) -> str | None:
    while isinstance(value, ast.Attribute | ast.Subscript):
        value = value.value
    return value.id if isinstance(value, ast.Name) else None


def _is_small(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, int) and 0 <= value.value <= 1 << 20


def _is_short(part: ast.expr) -> bool:
    """Whether a part of a format's specification is text with a width of at most three digits."""
    return isinstance(part, ast.Constant) and not re.search(r"[0-9]{4}", str(part.value))


def _names_exceptions(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return all(map(_names_exceptions, caught.elts))
    if isinstance(caught, ast.Attribute):  # json.JSONDecodeError
        return caught.attr.endswith(("Error", "Exception"))
    return isinstance(caught, ast.Name)
