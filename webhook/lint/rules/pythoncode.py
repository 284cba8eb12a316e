"""GW501 to GW505: policies in Python that depend on more than the request."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Final

from webhook.lint.alarms import Alarm, Rule
from webhook.lint.subject import Module, Subject

# ruff: noqa: SIM905  # words are easier to read than lists of quoted words
IO: Final = "GW501"
SLEEP: Final = "GW502"
CLOCK: Final = "GW503"
RANDOM: Final = "GW504"
STATE: Final = "GW505"

RULES: Final = (
    Rule(IO, "python-io", "error", "a policy reads files, or speaks with others"),
    Rule(SLEEP, "python-sleep", "error", "a policy waits"),
    Rule(CLOCK, "python-clock", "warning", "a policy reads a clock"),
    Rule(RANDOM, "python-random", "warning", "a policy uses chance"),
    Rule(STATE, "python-state", "warning", "a policy keeps something from one request to the next"),
)

_IO_MODULES: Final = frozenset(
    """
    aiohttp asyncio boto3 botocore concurrent.futures ctypes fcntl ftplib glob grpc http httpx imaplib io kubernetes
    mmap multiprocessing os paramiko pathlib poplib psycopg psycopg2 pymongo redis requests selectors shelve shutil
    signal smtplib socket socketserver sqlite3 ssl subprocess telnetlib tempfile threading urllib.request urllib3
    webbrowser xmlrpc
    """.split()
)
_IO_BUILTINS: Final = frozenset({"open", "input", "breakpoint"})
_SLEEPS: Final = frozenset({"time.sleep", "asyncio.sleep", "signal.pause"})
_CLOCKS: Final = frozenset(
    """
    time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns time.process_time
    time.process_time_ns time.clock_gettime time.localtime time.gmtime time.ctime
    datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today
    """.split()
)
_WITH_A_TIME: Final = frozenset({"time.localtime", "time.gmtime", "time.ctime"})
"""These read a clock only without an argument."""
_CHANCE: Final = frozenset({"uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getrandom"})
_CHANCE_MODULES: Final = frozenset({"random", "secrets"})
_CHANGES: Final = frozenset(
    """
    add append appendleft clear discard extend extendleft insert pop popitem popleft remove setdefault sort update
    """.split()
)
_CACHES: Final = frozenset({"functools.cache", "functools.lru_cache"})
_MAKERS: Final = frozenset(
    {"dict", "list", "set", "collections.defaultdict", "collections.Counter", "collections.deque"}
)
_MUTABLE: Final = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def check(subject: Subject) -> Iterator[Alarm]:
    """Also runs on trees that do not load: loading refuses much of this with other messages."""
    for module in subject.modules:
        names = {**dict.fromkeys(_defined(module.tree), ""), **_imported(module.tree)}
        for node in ast.walk(module.tree):
            for rule, message in _found(node, names):
                yield subject.in_module(rule, module, node, message)
        yield from _state(subject, module, names)


def _imported(tree: ast.Module) -> dict[str, str]:
    """Name in the file -> the qualified name that it was imported from: `datetime.datetime`, `time`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                found[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _defined(tree: ast.Module) -> set[str]:
    """The names of built-in functions that a file redefines."""
    found = {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.ClassDef)}
    found |= {each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    found |= {each.arg for each in ast.walk(tree) if isinstance(each, ast.arg)}
    return found & _IO_BUILTINS


def _dotted(node: ast.AST, names: Mapping[str, str]) -> str:
    """The qualified name of an expression, with the imports resolved; "" if it is not imported."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join((names[node.id], *reversed(parts)))


def _found(node: ast.AST, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Import(names=aliases):
            for alias in aliases:
                if (module := _of_modules(alias.name, _IO_MODULES)) is not None:
                    yield IO, _io(module)
        case ast.ImportFrom(module=str(module), names=aliases, level=0):
            for name in dict.fromkeys((module, *(f"{module}.{alias.name}" for alias in aliases))):
                if (known := _of_modules(name, _IO_MODULES)) is not None:
                    yield IO, _io(known)
                    break
        case ast.Name(id=name, ctx=ast.Load()) if name in _IO_BUILTINS and name not in names:
            yield (
                IO,
                f"{name} reads files or waits for input; a policy may use only the request and what `reads` declares",
            )
        case ast.Call(func=function, args=arguments) if called := _dotted(function, names):
            if called in _WITH_A_TIME and not arguments:
                yield CLOCK, _clock(called)
            elif called == "random.Random" and arguments:
                return  # with a seed it gives the same numbers each time
        case ast.Attribute() | ast.Name(ctx=ast.Load()) if named := _dotted(node, names):
            if named in _SLEEPS:
                yield SLEEP, f"{named} delays the API server: a review has only seconds, and other reviews wait for it"
            elif named in _CLOCKS and named not in _WITH_A_TIME:
                yield CLOCK, _clock(named)
            elif named in _CHANCE or (
                _of_modules(named, _CHANCE_MODULES) and named.count(".") == 1 and named != _SEEDED
            ):
                yield RANDOM, f"{named} gives another value each time, so the same request gets different verdicts"


_SEEDED: Final = "random.Random"


def _io(module: str) -> str:
    return (
        f"{module} accesses files, processes or the network; look objects up with request.cluster, and declare them in "
        "`reads`"
    )


def _clock(name: str) -> str:
    return f"{name} reads a clock, so the verdict in a pull request may differ from the one in the cluster"


def _of_modules(name: str, modules: frozenset[str]) -> str | None:
    """The module among those given that a dotted name names, or lies in; None for none."""
    parts = name.split(".")
    return next((each for n in range(1, len(parts) + 1) if (each := ".".join(parts[:n])) in modules), None)


# State


def _state(subject: Subject, module: Module, names: Mapping[str, str]) -> Iterator[Alarm]:
    kept = _mutable(module.tree, names)
    functions = [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    reported: set[tuple[int, int]] = set()
    for function in functions:
        for decorator in function.decorator_list:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            if _dotted(target, names) in _CACHES:
                message = f"{_dotted(target, names)} keeps the arguments of every call as long as the server runs"
                yield subject.in_module(STATE, module, decorator, message)
        defaults = _default_names(function)
        own = _bound(function)
        for node in ast.walk(function):
            at = (getattr(node, "lineno", 0), getattr(node, "col_offset", 0))
            name = _changed(node)
            if isinstance(node, ast.Global):
                if at not in reported:
                    reported.add(at)
                    message = (
                        f"{', '.join(node.names)} keeps its value for later requests, and each process has its own"
                    )
                    yield subject.in_module(STATE, module, node, message)
            elif name is not None and at not in reported and ((name in kept and name not in own) or name in defaults):
                reported.add(at)
                message = f"{name} is changed for all later requests, and each process has its own"
                yield subject.in_module(STATE, module, node, message)


def _mutable(tree: ast.Module, names: Mapping[str, str]) -> set[str]:
    """The names of the module's own lists, dicts and sets."""
    found: set[str] = set()
    for node in tree.body:
        value = getattr(node, "value", None)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if _is_mutable(value, names):
            found.update(each.id for each in targets if isinstance(each, ast.Name))
    return found


def _is_mutable(value: ast.AST | None, names: Mapping[str, str]) -> bool:
    if isinstance(value, ast.Call):
        name = value.func.id if isinstance(value.func, ast.Name) and value.func.id not in names else ""
        return (name or _dotted(value.func, names)) in _MAKERS
    return isinstance(value, _MUTABLE)


def _default_names(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The parameters with a list, dict or set as default, which all calls share."""
    taken = [*function.args.posonlyargs, *function.args.args]
    pairs = [*zip(reversed(taken), reversed(function.args.defaults), strict=False)]
    pairs += [
        (arg, value) for arg, value in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True) if value
    ]
    return {arg.arg for arg, value in pairs if isinstance(value, _MUTABLE)}


def _bound(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names that a function binds itself."""
    arguments = function.args
    own = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    own |= {each.arg for each in (arguments.vararg, arguments.kwarg) if each is not None}
    return own | {
        node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _changed(node: ast.AST) -> str | None:
    """The name of the value that a statement or call changes in place."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in _CHANGES:
            return name
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store() | ast.Del()):
            return name
        case ast.AugAssign(target=ast.Subscript(value=ast.Name(id=name))):
            return name
        case _:
            return None
