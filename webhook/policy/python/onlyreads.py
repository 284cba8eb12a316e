"""Proves from the source of a policy that it does not change its arguments.

Such a policy receives the request's own objects, at no cost; any other receives views (webhook.policy.readonly). The
proof is conservative: code that it cannot analyze counts as writing.

A dict or list is changed by a statement (`x[…] = …`, `del x[…]`, `x += …`), by a mutating method, or by a function from
elsewhere. So a policy passes if its file

- uses such statements and methods only on dicts and lists that the same function has created;
- imports only names, and uses only builtins, that do not change their arguments or find functions by name;
- reads no attribute that leads to other code: special and private ones, those of frames and of modules' modules;
- has no `global`, which could keep an object for a later policy that writes.

Other policies of the same file do not matter, unless the file calls them.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

# ruff: noqa: SIM905  # words are easier to read than lists of quoted words
_TYPING: Final = """
    Annotated Any Callable ClassVar Final Generic Iterable Iterator Literal Mapping NamedTuple Never NoReturn
    NotRequired Optional Protocol Required Self Sequence TypeAlias TypeGuard TypeVar TypedDict Union TYPE_CHECKING
    assert_never cast
"""
MODULES: Final = {
    module: frozenset(names.split())
    for module, names in {
        "__future__": "annotations",
        "base64": "b64decode b64encode urlsafe_b64decode urlsafe_b64encode",
        "binascii": "Error hexlify unhexlify",
        "collections": "Counter OrderedDict defaultdict deque namedtuple",
        "collections.abc": "Callable Collection Container Generator Iterable Iterator Mapping Sequence Set",
        "copy": "deepcopy",
        "dataclasses": "dataclass field",
        "datetime": "UTC date datetime time timedelta timezone",
        "decimal": "Decimal InvalidOperation",
        "enum": "Enum Flag IntEnum IntFlag StrEnum auto unique",
        "fnmatch": "fnmatch fnmatchcase translate",
        "fractions": "Fraction",
        "functools": "cache lru_cache partial reduce",
        "gatewright": "Access AccessDecision Cluster Found GroupVersionKind GroupVersionResource JSONObject Operation "
        "ReadOnlyError Reason Request UndeclaredLookup User Violation mutate selects validate",
        "hashlib": "md5 sha1 sha256 sha512",
        "ipaddress": "IPv4Address IPv4Network IPv6Address IPv6Network ip_address ip_interface ip_network",
        "itertools": "accumulate chain combinations count groupby islice pairwise permutations product repeat starmap "
        "takewhile dropwhile zip_longest",
        "json": "JSONDecodeError dumps loads",
        "logging": "DEBUG ERROR INFO WARNING debug error getLogger info warning",
        "math": "ceil floor gcd inf isclose isfinite isinf isnan lcm log log10 log2 nan prod sqrt trunc",
        "msgspec": "Meta Struct ValidationError field",
        "orjson": "JSONDecodeError dumps loads",
        "pydantic": "AfterValidator BaseModel BeforeValidator ConfigDict Field PositiveInt NonNegativeInt "
        "ValidationError field_validator model_validator",
        "pydantic.alias_generators": "to_camel to_pascal to_snake",
        "re": "A ASCII I IGNORECASE M MULTILINE Match Pattern S DOTALL X VERBOSE compile error escape findall finditer "
        "fullmatch match search split sub",
        "statistics": "fmean mean median",
        "textwrap": "dedent indent shorten",
        "time": "monotonic time",
        "typing": _TYPING,
        "typing_extensions": _TYPING,
        "unicodedata": "category name normalize",
        "urllib.parse": "parse_qs parse_qsl quote unquote urlencode urljoin urlparse urlsplit",
        "uuid": "UUID",
        "yaml": "YAMLError safe_dump safe_load",
        "zoneinfo": "ZoneInfo",
    }.items()
}
"""What a file may import, and use of it: nothing of it changes an argument, nor finds a function by its name.

Left out are, among others, `operator` and `string.Formatter` (attributes by name), `functools.update_wrapper` (updates
a dict), `typing.get_type_hints`, `pydantic.TypeAdapter` and `ImportString` (evaluate text), `yaml.load`, private names,
and modules that a module has imported (`re.functools`).
"""

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
    add addFilter addHandler append appendleft clear difference_update discard extend extendleft insert
    intersection_update move_to_end pop popitem popleft register remove reverse rotate send setdefault sort subtract
    symmetric_difference_update update
    """.split()
)
"""Methods that change their object, or keep a reference to an argument."""

FRAMES: Final = frozenset("ag_frame cr_frame f_back f_builtins f_globals f_locals gi_frame tb_frame tb_next".split())
"""Attributes through which code reaches the variables of other code, and all builtins."""

PRIVATE: Final = frozenset("_asdict _fields _replace".split())
"""Attributes with an underscore that a file may use of any object; of `self` and `cls` it may use all."""

DEFINED: Final = frozenset(
    "__bool__ __contains__ __eq__ __hash__ __init__ __iter__ __len__ __lt__ __post_init__ __repr__ __str__".split()
)
"""The special methods that a class in the file may define. None of them is called by `+=`."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class _File(Struct, frozen=True):
    """Facts on a whole file. `modules`: the modules by the names that they have in the file. `requests`: the policies
    that only Gatewright calls, and the names of their first parameter, which no statement of them binds again."""

    modules: Mapping[str, str]
    requests: Mapping[ast.AST, str]


def only_reading(source: bytes | str | ast.Module) -> frozenset[int]:
    """The policies that only read, each identified by the line of its decorator. Empty if `source` is not Python."""
    try:
        module = source if isinstance(source, ast.Module) else ast.parse(source)
        names = _decorators(module)
        policies = [node for node in module.body if isinstance(node, ast.FunctionDef) and _is_policy(node, names)]
        nodes = walk(module)
        used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        left_out = [policy for policy in policies if policy.name not in used]
        bound = Counter(_bound(nodes))
        file = _File(_modules(nodes), {policy: name for policy in left_out if (name := _request(policy))})
        rest = [node for node in module.body if node not in left_out]
        # A name of a module, a maker or a decorator must have that meaning everywhere in the file.
        rebound = bound.keys() & MAKERS or any(bound[name] > 1 for name in {*names, *file.modules})
        if rebound or any(_writes(rest, _fresh(module, None), file)):
            return frozenset()
        return frozenset(
            policy.decorator_list[0].lineno for policy in policies if not any(_writes([policy], frozenset(), file))
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()


def _modules(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """The modules that a file imports, by the names that they have in it. nodes: all nodes of the file."""
    found = {}
    for node in nodes:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            case ast.ImportFrom(module=str(package), names=names):
                for alias in names:
                    if f"{package}.{alias.name}" in MODULES:
                        found[alias.asname or alias.name] = f"{package}.{alias.name}"
    return found


def _request(policy: ast.FunctionDef) -> str | None:
    """The name of a policy's first parameter, if nothing else in the function has this name."""
    parameters = [*policy.args.posonlyargs, *policy.args.args]
    name = parameters[0].arg if parameters else None
    return name if list(_bound(walk(policy))).count(name or "") == 1 else None


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


def _writes(nodes: Iterable[ast.AST], fresh: frozenset[str], file: _File) -> Iterator[ast.AST]:
    """The nodes that may write, in the nodes of one scope. `fresh`: names of values that the scope has created."""
    for node in nodes:
        match node:
            case ast.Attribute(value=value, attr=attr, ctx=ast.Load()):
                module = _module(value, file)
                if module is not None:
                    if attr not in MODULES.get(module, ()) and f"{module}.{attr}" not in MODULES:
                        yield node
                    if _is_deepcopy(node, file):  # as a value, which may be called in any way
                        yield node
                    continue  # the module's name has been checked with its attribute
                if _reaches(attr) or (attr in WRITERS and not _is_name(value, fresh)):
                    yield node
                if attr.startswith("_") and attr not in PRIVATE and not _is_name(value, frozenset({"self", "cls"})):
                    yield node
            case ast.Attribute() | ast.Global() | ast.Nonlocal():
                yield node
            case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
                if not _is_name(value, fresh):
                    yield node
            case ast.Subscript(slice=text) | ast.AnnAssign(annotation=text) if _has_code(text):
                yield node
            case ast.AugAssign(target=target, value=value):  # changes its target in place if that is a list
                if not (_is_name(target, fresh) or _is_number(value)):
                    yield node
            case ast.MatchClass(kwd_attrs=attributes):  # `case dict(clear=f)` reads an attribute
                if any(_reaches(name) or name in WRITERS or name.startswith("_") for name in attributes):
                    yield node
            case ast.Name(id=name):
                if name.startswith("__") or (hasattr(builtins, name) and name not in BUILTINS):
                    yield node
                if name in file.modules:  # a module as a value
                    yield node
            case ast.Call(func=function, args=args, keywords=keywords) if _is_deepcopy(function, file):
                # Its second argument is a dict that it writes to. It is allowed only where it is called.
                if len(args) != 1 or keywords or isinstance(args[0], ast.Starred):
                    yield node
                yield from _writes(args, fresh, file)
                continue
            case ast.Import(names=names):
                if not all(alias.name in MODULES for alias in names):
                    yield node
            case ast.ImportFrom(module=module, names=names, level=level):
                if level or not all(
                    alias.name in MODULES.get(module or "", ()) or f"{module}.{alias.name}" in MODULES
                    for alias in names
                ):
                    yield node
                if module == "copy":  # `copy.deepcopy(…)` shows what is called
                    yield node
            case ast.FunctionDef(name=name):
                if name.startswith("__") and name not in DEFINED:
                    yield node
        if isinstance(node, _Function):
            inner = _fresh(node, file.requests.get(node))
            body = node.body if isinstance(node.body, list) else [node.body]
            yield from _writes(body, inner, file)
            outside = [child for child in children(node) if child not in body]  # defaults, decorators
            yield from _writes(outside, fresh, file)
        else:
            inner = frozenset() if isinstance(node, ast.ClassDef) else fresh
            yield from _writes(children(node), inner, file)


def _reaches(attribute: str) -> bool:
    """Whether an attribute leads to functions or variables that the file does not name."""
    return attribute.startswith("__") or attribute in FRAMES


def _module(node: ast.AST, file: _File) -> str | None:
    """The module that an expression such as `collections.abc` names; None if it names none."""
    match node:
        case ast.Name(id=name):
            return file.modules.get(name)
        case ast.Attribute(value=value, attr=attr):
            name = f"{_module(value, file)}.{attr}"
            return name if name in MODULES else None
    return None


def _is_deepcopy(node: ast.AST, file: _File) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "deepcopy" and _module(node.value, file) == "copy"


def _has_code(annotation: ast.AST) -> bool:
    """Whether an annotation contains text with a call or comprehension: models evaluate the text of annotations."""
    return any(
        isinstance(node, ast.Constant) and isinstance(node.value, str) and re.search(r"\(|\bfor\b", node.value)
        for node in walk(annotation)
    )


def _is_name(node: ast.AST, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _is_number(node: ast.AST) -> bool:
    """Whether `x += node` cannot change a list, because it raises for one."""
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _fresh(scope: ast.Module | _Function, request: str | None) -> frozenset[str]:
    """The names that the scope assigns only values to which it has created itself. `request`: see _makes."""
    fresh: set[str] = set()
    other: set[str] = set() if isinstance(scope, ast.Module) else set(_bound(walk(scope.args)))
    pending: list[ast.AST] = list(scope.body) if isinstance(scope.body, list) else [scope.body]
    while pending:
        node = pending.pop()
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if _makes(value, request):
                fresh.add(name)
                pending.append(value)
            case ast.AugAssign(target=ast.Name(), value=value):  # does not bind another object to a fresh name
                pending.append(value)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():  # scopes of their own
                other.update(_bound([node]))
                # But `:=` in their defaults and decorators binds a name here.
                named = (each.target for each in walk(node) if isinstance(each, ast.NamedExpr))
                other.update(_bound(named))
            case _:
                other.update(_bound([node]))
                pending.extend(children(node))
    return frozenset(fresh - other)


def children(node: ast.AST) -> list[ast.AST]:
    """As ast.iter_child_nodes, in half of its time, without the marks of what an expression is for (Load, Store)."""
    if type(node) in _LEAVES:  # more than half of all nodes
        return []
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
            found.append(value)
    return found


_LEAVES: Final = frozenset({ast.Name, ast.Constant, ast.alias})


def walk(node: ast.AST) -> list[ast.AST]:
    """The node, and all nodes below it, in the order of ast.walk."""
    found = [node]
    for each in found:  # which grows
        if type(each) not in _LEAVES:
            found += children(each)
    return found


_BINDERS: Final = (
    ast.Name, ast.arg, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler,
    ast.MatchAs, ast.MatchStar, ast.MatchMapping, ast.alias,
)  # fmt: skip
"""The nodes that may bind a name: see _bound."""


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that these nodes bind, without their child nodes."""
    for node in nodes:
        if not isinstance(node, _BINDERS):
            continue
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


def _makes(value: ast.expr, request: str | None) -> bool:
    """Whether the value of an expression is a new object, or immutable. `request`: the name of the policy's request."""
    match value:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.Constant() | ast.JoinedStr() | ast.Tuple():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in MAKERS
        case ast.Call(func=ast.Attribute(value=copied, attr="copy"), args=[], keywords=[]):
            # Of an object of another class, `copy` may be any function, with any result.
            return _makes(copied, None) or (request is not None and _is_json(copied, request))
    return False


def _is_json(value: ast.expr, request: str) -> bool:
    """Whether an expression is a part of the request's object, such as `request.object["spec"].get("x", {})`."""
    match value:
        case ast.Attribute(value=ast.Name(id=name), attr="object" | "old_object"):
            return name == request
        case ast.Subscript(value=whole):
            return _is_json(whole, request)
        case ast.Call(func=ast.Attribute(value=whole, attr="get"), args=[key, *default], keywords=[]):
            return (
                _is_json(whole, request)
                and not isinstance(key, ast.Starred)
                and all(_is_empty(each) for each in default)
            )
        case ast.BoolOp(op=ast.Or(), values=[first, *others]):
            return _is_json(first, request) and all(_is_empty(each) for each in others)
    return False


def _is_empty(value: ast.expr) -> bool:
    """Whether an expression is a constant, `{}` or `[]`."""
    match value:
        case ast.Constant() | ast.Dict(keys=[]) | ast.List(elts=[]):
            return True
    return False
