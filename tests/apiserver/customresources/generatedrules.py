"""Random schemas, bounded and unbounded, and rules over them with every function, operator and macro. A rule is well
typed, by the overloads that Gatewright's libraries declare; one in five is then spoiled, and most of these do not
compile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

from msgspec import Struct

from tests.apiserver.customresources import corpus
from tests.cel.boundaries import every_overload
from webhook.cel.library.declaring import Overload
from webhook.cel.tree import types
from webhook.cel.tree.types import Type

_FORMATS: Final = ("date", "date-time", "duration", "byte", *corpus.FORMATS)
_BOUNDS: Final = (0, 1, 2, 3, 5, 7, 10, 20, 63, 253, 1000, 5000, 100_000, 10_000_000)
_NAMES: Final = ("a", "b", "name", "in", "a-b", "c.d", "x__y", "kind", "spec", "tags", "n")
_ESCAPED: Final = {"in": "__in__", "a-b": "a__dash__b", "c.d": "c__dot__d", "x__y": "x__underscores__y"}
_STRUCT: Final = "struct"
_LITERALS: Final = {
    "bool": ("true", "false"),
    "int": ("0", "1", "3", "10", "-1", "9223372036854775807"),
    "uint": ("1u", "0u"),
    "double": ("1.5", "0.0"),
    "string": ("''", "'a'", "'abc'", "'[a-z]+'", "'a/b,c'", "'é\\U0001f600'", "'1.2.3.4'", "'10.0.0.0/8'", "'%s'"),
    "bytes": ("b''", "b'abc'", "b'\\xff'"),
    "duration": ("duration('1h')",),
    "timestamp": ("timestamp('2026-01-02T03:04:05Z')",),
    "null": ("null",),
    "type": ("int", "string", "list", "net.IP"),
}
_ELEMENTS: Final = tuple(map(Type, ("int", "string", "bool", "double", "uint", "bytes", "duration", "timestamp")))
_RARE: Final = (
    *map(Type, ("kubernetes.NamedFormat", "kubernetes.URL", "net.IP", "net.CIDR", "kubernetes.Semver")),
    *(types.list_of(each) for each in _ELEMENTS),
    types.list_of(types.list_of(types.STRING)),
    types.map_of(types.STRING, types.list_of(types.STRING)),
    Type("type", (types.INT,)),
    *(Type("optional_type", (each,)) for each in (types.list_of(types.STRING), Type("kubernetes.NamedFormat"))),
)
_FUNCTIONS: Final = tuple(
    overload
    for _, overload in every_overload()
    if not overload.name.startswith("@") and "authorization" not in " ".join(map(str, overload.params))
)
_MACROS: Final = ("all", "exists", "exists_one", "existsOne")


class Rule(Struct, frozen=True):
    """A rule and the schema that it is for."""

    text: str
    spoiled: bool


class Seen(Struct, frozen=True):
    """A value that an expression can use. schema: of a struct, what it is made of."""

    text: str
    type: Type
    schema: dict[str, Any] | None = None


class Schemas:
    """A source of schemas; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def bounded(self, schema: dict[str, Any], keyword: str, chance: float = 0.6) -> dict[str, Any]:
        return {**schema, keyword: self.random.choice(_BOUNDS)} if self.random.random() < chance else schema

    def scalar(self) -> dict[str, Any]:
        match self.random.randrange(9):
            case 0:
                return {"type": "integer"}
            case 1:
                return {"type": self.random.choice(("number", "boolean"))}
            case 2:
                return self.bounded({"x-kubernetes-int-or-string": True}, "maxLength", 0.3)
            case 3:
                return {"type": "string", "enum": self.random.sample(["a", "abc", "é", "a-long-one", ""], 3)}
            case 4 | 5:
                return self.bounded({"type": "string", "format": self.random.choice(_FORMATS)}, "maxLength", 0.3)
        return self.bounded({"type": "string"}, "maxLength")

    def any(self, depth: int) -> dict[str, Any]:
        chance = self.random.random()
        if depth <= 0 or chance < 0.35:
            made = self.scalar()
        elif chance < 0.55:
            made = self.bounded({"type": "array", "items": self.any(depth - 1)}, "maxItems")
        elif chance < 0.7:
            made = self.bounded({"type": "object", "additionalProperties": self.any(depth - 1)}, "maxProperties")
        elif chance < 0.75:
            made = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            if self.random.random() < 0.5:
                made["x-kubernetes-embedded-resource"] = True
        else:
            made = self.struct(depth)
        if self.random.random() < 0.1:
            made["nullable"] = True
        return made

    def struct(self, depth: int) -> dict[str, Any]:
        names = self.random.sample(_NAMES, self.random.randint(1, 5))
        made: dict[str, Any] = {"type": "object", "properties": {name: self.any(depth - 1) for name in names}}
        required = [name for name in names if self.random.random() < 0.4]
        return {**made, "required": required} if required else made


class Rules:
    """A source of rules for one schema."""

    def __init__(self, random: Random, schema: dict[str, Any]) -> None:
        self.random = random
        self.seen: list[Seen] = []
        self.depth = 0
        self.walk("self", schema)
        self.transition = list(self.seen)
        self.walk("oldSelf", schema)

    def one(self) -> Rule:
        """A rule; one in six may look at the old value."""
        everything = self.seen
        if self.random.random() > 0.17:
            self.seen = self.transition
        depth = self.random.randint(1, 3)
        text = self.tested(depth) if self.random.random() < 0.6 else self.called(types.BOOL, depth)
        self.seen = everything
        if self.random.random() < 0.2:
            return Rule(self.spoiled(text), spoiled=True)
        return Rule(text, spoiled=False)

    def message(self) -> str:
        """A messageExpression."""
        return self.value(types.STRING, self.random.randint(0, 3))

    # ------------------------------------------------------------------------------------------------- what is there

    def walk(self, text: str, schema: dict[str, Any], depth: int = 4) -> Type:
        """Adds what a value of a schema holds; gives its type."""
        found = self.type_of(schema)
        if found is None:
            return types.DYN
        self.seen.append(Seen(text, found, schema))
        if depth <= 0:
            return found
        for name, below in schema.get("properties", {}).items():
            self.walk(f"{text}.{_ESCAPED.get(name, name)}", below, depth - 1)
        if found.name == "list":
            self.walk(f"{text}[{self.random.choice(('0', '1'))}]", schema["items"], depth - 1)
        if found.name == "map":
            self.walk(f"{text}['a']", schema["additionalProperties"], depth - 1)
        return found

    def type_of(self, schema: dict[str, Any]) -> Type | None:
        if schema.get("x-kubernetes-int-or-string"):
            return types.DYN
        match schema.get("type"):
            case "integer":
                return types.INT
            case "number":
                return types.DOUBLE
            case "boolean":
                return types.BOOL
            case "string":
                named = {"date": "timestamp", "date-time": "timestamp", "duration": "duration", "byte": "bytes"}
                return Type(named.get(schema.get("format", ""), "string"))
            case "array":
                below = self.type_of(schema["items"])
                return None if below is None else types.list_of(below)
            case "object" if "additionalProperties" in schema:
                below = self.type_of(schema["additionalProperties"])
                return None if below is None else types.map_of(types.STRING, below)
        return Type(f"{_STRUCT}{id(schema)}")

    def held(self, wanted: Type) -> list[Seen]:
        return [each for each in self.seen if each.type == wanted]

    # ------------------------------------------------------------------------------------------------- expressions

    def pick(self, *choices: str) -> str:
        return self.random.choice(choices)

    def value(self, wanted: Type, depth: int) -> str:
        """An expression of a type."""
        chance = self.random.random()
        held = self.held(wanted)
        if held and (depth <= 0 or chance < 0.3):
            return self.random.choice(held).text
        if wanted == types.DYN:
            return f"dyn({self.value(self.some(), depth - 1)})"
        if depth <= 0 or chance < 0.35:
            return self.leaf(wanted, depth)
        if chance < 0.4:
            one, other = self.value(wanted, depth - 1), self.value(wanted, depth - 1)
            return f"({self.value(types.BOOL, depth - 1)} ? {one} : {other})"
        if chance < 0.44:
            return f"dyn({self.value(wanted, depth - 1)})"
        if chance < 0.7:
            found = self.operated(wanted, depth - 1)
            if found:
                return found
        return self.called(wanted, depth - 1) or self.operated(wanted, depth - 1) or self.leaf(wanted, depth)

    def some(self) -> Type:
        """A type that something is of."""
        chance = self.random.random()
        if self.seen and chance < 0.55:
            return self.random.choice(self.seen).type
        if chance > 0.85:
            return self.random.choice(_RARE)
        return self.random.choice(_ELEMENTS)

    def leaf(self, wanted: Type, depth: int) -> str:
        below = max(depth - 1, 0)
        match wanted.name:
            case "list":
                count = self.random.choice((0, 1, 2, 3)) if depth > -3 else 0
                return f"[{', '.join(self.value(wanted.params[0], below) for _ in range(count))}]" if count else "[]"
            case "map":
                if depth <= -3:
                    return "{}"
                return f"{{{self.value(wanted.params[0], below)}: {self.value(wanted.params[1], below)}}}"
            case "optional_type":
                return self.pick(f"optional.of({self.value(wanted.params[0], below)})", "optional.none()")
            case "type":
                return self.random.choice(_LITERALS["type"])
        if wanted.name in _LITERALS:
            return self.random.choice(_LITERALS[wanted.name])
        return self.called(wanted, depth - 1) or f"dyn({self.value(types.STRING, 0)})"

    def called(self, wanted: Type, depth: int) -> str:
        """A call of a function with such a result; "" if there is none."""
        fitting: list[tuple[Overload, dict[str, Type]]] = []
        for overload in _FUNCTIONS:
            bound: dict[str, Type] = {}
            if fits(overload.result, wanted, bound):
                fitting.append((overload, bound))
        if depth <= 0:
            fitting = [each for each in fitting if _is_simple(each[0])]
        if not fitting:
            return ""
        overload, bound = self.random.choice(fitting)
        element = self.some()
        args = [
            self.value(_filled(param, bound, element), min(depth, 1) if depth <= 0 else depth - 1)
            for param in overload.params
        ]
        if self.random.random() < 0.06 and args:
            place = self.random.randrange(len(args))
            args[place] = f"dyn({args[place]})"
        if overload.member:
            return f"{_receiver(args[0])}.{overload.name}({', '.join(args[1:])})"
        return f"{overload.name}({', '.join(args)})"

    def operated(self, wanted: Type, depth: int) -> str:
        match wanted.name:
            case "bool":
                return self.tested(depth)
            case "int" | "uint" | "double":
                return self.binary(wanted, depth, self.pick(*"+-*/%") if wanted != types.DOUBLE else self.pick(*"+-*/"))
            case "string" | "bytes":
                return self.binary(wanted, depth, "+")
            case "duration":
                return self.binary(wanted, depth, self.pick(*"+-"))
            case "list":
                return self.listed(wanted, depth)
            case "map":
                return self.mapped(wanted, depth)
            case "optional_type":
                return self.optional(wanted, depth)
        return ""

    def binary(self, wanted: Type, depth: int, operator: str) -> str:
        return f"({self.value(wanted, depth)} {operator} {self.value(wanted, depth)})"

    def tested(self, depth: int) -> str:
        kind = self.some()
        match self.random.randrange(8):
            case 0 | 1:
                return self.binary(types.BOOL, depth, self.pick("&&", "||", "&&"))
            case 2:
                return self.binary(kind, depth, self.pick("==", "!="))
            case 3:
                ordered = self.random.choice(_ELEMENTS)
                return self.binary(ordered, depth, self.pick("<", "<=", ">", ">="))
            case 4:
                if self.random.random() < 0.6:
                    return f"({self.value(kind, depth)} in {self.value(types.list_of(kind), depth)})"
                return f"({self.value(types.STRING, depth)} in {self.value(types.map_of(types.STRING, kind), depth)})"
            case 5:
                selected = [each.text for each in self.seen if re.search(r"\.\w+$", each.text)]
                return f"has({self.random.choice(selected)})" if selected else f"!({self.value(types.BOOL, depth)})"
        return self.quantified(depth)

    def container(self, depth: int) -> tuple[str, Type, dict[str, Any] | None]:
        """A list or map, with its type, and its schema."""
        held = [each for each in self.seen if each.type.name in ("list", "map")]
        if held and self.random.random() < 0.75:
            chosen = self.random.choice(held)
            return chosen.text, chosen.type, chosen.schema
        kind = types.list_of(self.some())
        return self.value(kind, depth), kind, None

    def looped(self, depth: int, two: bool, wanted: Sequence[Type]) -> tuple[str, str, list[str]]:
        """(a container, variables, expressions of types with them)."""
        text, kind, schema = self.container(depth)
        self.depth += 1
        first, second = f"e{self.depth}", f"v{self.depth}"
        before = len(self.seen)
        is_list = kind.name == "list"
        within = None if schema is None else schema["items"] if is_list else schema["additionalProperties"]
        element = kind.params[0 if is_list else 1]
        held = second if two else first
        if two:
            self.seen.append(Seen(first, types.INT if is_list else types.STRING))
        if not two and not is_list:
            self.seen += [Seen(first, types.STRING)] * 2
            self.seen.append(Seen(f"{text}[{first}]", element, within))
        elif within is not None:
            self.walk(held, within, 2)
        else:
            self.seen += [Seen(held, element)] * 2
        made = [self.value(each, depth) for each in wanted]
        del self.seen[before:]
        self.depth -= 1
        return _receiver(text), f"{first}, {second}" if two else first, made

    def quantified(self, depth: int) -> str:
        text, variables, (body,) = self.looped(depth, self.random.random() < 0.3, [types.BOOL])
        return f"{text}.{self.pick(*_MACROS) if ',' in variables else self.pick(*_MACROS[:3])}({variables}, {body})"

    def listed(self, wanted: Type, depth: int) -> str:
        match self.random.randrange(5):
            case 0:
                return self.binary(wanted, depth, "+")
            case 1:
                text, variables, (body, test) = self.looped(depth, False, [wanted.params[0], types.BOOL])
                return f"{text}.map({variables}, {self.pick(body, f'{test}, {body}')})"
            case 2:
                text, variables, (body, test) = self.looped(depth, True, [wanted.params[0], types.BOOL])
                return f"{text}.transformList({variables}, {self.pick(body, f'{test}, {body}')})"
            case 3:
                held = self.random.choice(self.held(wanted) or [Seen(self.leaf(wanted, depth), wanted)])
                key = self.pick("s", "size(string(s))", "1", "'a'") if wanted.params[0] in _ELEMENTS else "1"
                return f"{held.text}.sortBy(s, {key})"
        held = self.random.choice(self.held(wanted) or [Seen(self.leaf(wanted, depth), wanted)])
        self.depth += 1
        name, before = f"f{self.depth}", len(self.seen)
        self.seen += [Seen(name, wanted.params[0])] * 3
        text = f"{held.text}.filter({name}, {self.value(types.BOOL, depth)})"
        del self.seen[before:]
        self.depth -= 1
        return text

    def mapped(self, wanted: Type, depth: int) -> str:
        text, variables, (body, test) = self.looped(depth, True, [wanted.params[1], types.BOOL])
        return f"{text}.transformMap({variables}, {self.pick(body, f'{test}, {body}')})"

    def optional(self, wanted: Type, depth: int) -> str:
        held = [each for each in self.held(wanted.params[0]) if re.search(r"\.\w+$", each.text)]
        if held and self.random.random() < 0.6:
            parent, _, name = self.random.choice(held).text.rpartition(".")
            return f"{parent}.?{name}"
        of = self.some()
        inner = self.value(Type("optional_type", (of,)), depth)
        self.depth += 1
        name, before = f"o{self.depth}", len(self.seen)
        self.seen += [Seen(name, of)] * 2
        body = self.value(wanted.params[0], depth)
        flat = self.random.random() < 0.3
        text = f"{inner}.optFlatMap({name}, optional.of({body}))" if flat else f"{inner}.optMap({name}, {body})"
        del self.seen[before:]
        self.depth -= 1
        return text

    # ------------------------------------------------------------------------------------------------------ spoiling

    def spoiled(self, text: str) -> str:
        """The rule with a fault."""
        tokens = re.findall(r"'[^']*'|\w+|\W", text)
        place = self.random.randrange(len(tokens))
        match self.random.randrange(6):
            case 0:
                tokens[place] = ""
            case 1:
                tokens.insert(place, self.pick(*"()[].,'+", "nope", "1", "'a'", "&&"))
            case 2 | 3:
                words = [at for at, token in enumerate(tokens) if token[0].isalpha()]
                if words:
                    tokens[self.random.choice(words)] = self.pick("nope", "size", "self", "ip", "format", "e1", "true")
            case 4:
                values = [at for at, token in enumerate(tokens) if re.match(r"'|\d+$", token)]
                if values:
                    at = self.random.choice(values)
                    tokens[at] = self.pick("'a'", "1", "1.5", "[1]", "null", "'['", "true")
            case _:
                return self.pick(f"{text} ", f"{text} && self.nope == 1", f"size({text}) > 1", f"({text}).nope()", "1")
        return "".join(tokens)


def _receiver(text: str) -> str:
    return text if re.fullmatch(r"[\w.]+|[\w.]*\(.*\)|\[.*\]", text) and text.count("(") <= 1 else f"({text})"


def fits(declared: Type, wanted: Type, bound: dict[str, Type]) -> bool:
    """Whether a declared type can be the wanted one; binds its parameters."""
    if declared.is_param:
        return bound.setdefault(declared.name, wanted) == wanted
    if declared.name != wanted.name or len(declared.params) != len(wanted.params):
        return False
    return all(fits(one, other, bound) for one, other in zip(declared.params, wanted.params, strict=True))


def _filled(declared: Type, bound: dict[str, Type], otherwise: Type) -> Type:
    if declared.is_param:
        return bound.setdefault(declared.name, otherwise)
    if declared.name == "map" and declared.params[0].is_param:
        bound.setdefault(declared.params[0].name, types.STRING)  # cel-go panics over a literal with keys of type bytes
    return Type(declared.name, tuple(_filled(each, bound, otherwise) for each in declared.params))


def _is_simple(overload: Overload) -> bool:
    return all(param.name in _LITERALS and not param.params for param in overload.params)


def definitions(seed: int, count: int, rules: int) -> Iterator[dict[str, Any]]:
    """So many definitions, each with so many rules for its spec, and as many for parts of it."""
    source = Schemas(seed)
    for _ in range(count):
        spec = source.struct(4) if source.random.random() < 0.7 else source.any(4)
        while not Rules(source.random, spec).seen:
            spec = source.any(4)
        parts = [part for part in below(spec) if Rules(source.random, part).seen]
        for part in [spec] * rules + source.random.choices(parts, k=rules):
            made = Rules(source.random, part)
            rule: dict[str, Any] = {"rule": made.one().text}
            if "oldSelf" in rule["rule"] and source.random.random() < 0.4:
                rule["optionalOldSelf"] = source.random.random() < 0.7
            if source.random.random() < 0.15:
                rule["messageExpression"] = made.message()
            part.setdefault("x-kubernetes-validations", []).append(rule)
        yield corpus.definition(corpus.of_spec(spec))


def below(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and its parts."""
    yield schema
    parts = [schema.get("items"), schema.get("additionalProperties"), *schema.get("properties", {}).values()]
    for part in parts:
        if isinstance(part, dict):
            yield from below(part)
