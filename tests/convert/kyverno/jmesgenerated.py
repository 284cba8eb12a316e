"""Generated conditions in JMESPath and the objects that they are asked about. Deterministic for a seed.

An expression is put together of paths, literals, projections, filters, operators and functions, by the types that
these take and give. It is about one shape of spec.v: a text, a number, a list of texts, a list of maps, or a map.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, Final

from tests.convert.kyverno import jmesquestions
from tests.convert.kyverno.jmesquestions import Question

_TEXTS: Final = ["a", "b", "ab", "a-b", "", "B", "5", "true", "a,b"]
_NUMBERS: Final = [0, 1, 2, 5, 1.5, -1]
_DEEPEST: Final = 3
_ASKED: Final = 12  # objects of a condition
V: Final = "request.object.spec.v"


class Generator:
    """Expressions, and values of spec.v. shape: text, number, texts, maps or map."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.shape = "text"

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def text(self, depth: int = 0) -> str:
        """An expression that is meant to be a text."""
        if depth >= _DEEPEST or self.random.random() < 0.3:
            return self.path("text")
        return str(
            self.pick(
                lambda: f"to_upper({self.text(depth + 1)})",
                lambda: f"to_lower({self.text(depth + 1)})",
                lambda: f"trim({self.text(depth + 1)}, '-')",
                lambda: f"trim_prefix({self.text(depth + 1)}, 'a')",
                lambda: f"truncate({self.text(depth + 1)}, `1`)",
                lambda: f"replace_all({self.text(depth + 1)}, 'a', 'b')",
                lambda: f"split({self.text(depth + 1)}, '-')[{self.pick(0, 1, -1)}]",
                lambda: f"join('-', {self.list(depth + 1)})",
                lambda: f"({self.path('text')} || '{self.pick('', 'a', 'x')}')",
                lambda: f"({self.path('text')} || {self.path('text')})",
                lambda: f"({self.truth(depth + 1)} && {self.path('text')})",
                lambda: f"not_null({self.path('text')}, 'a')",
                lambda: f"to_string({self.path(self.pick('text', 'number'))})",
                lambda: f"type({self.path(self.pick('text', 'list'))})",
                lambda: f"({self.list(depth + 1)} | [{self.pick(0, 1, -1)}])",
                lambda: f"({self.text(depth + 1)} | to_upper(@))",
                lambda: f"'{{{{ {self.path('text')} }}}}'",
            )()
        )

    def number(self, depth: int = 0) -> str:
        """An expression that is meant to be a number."""
        if depth >= _DEEPEST or self.random.random() < 0.2:
            return self.path("number")
        return str(
            self.pick(
                lambda: f"length({self.pick(self.text, self.list)(depth + 1)})",
                lambda: f"length({self.list(depth + 1)} || `[]`)",
                lambda: f"to_number({self.path(self.pick('text', 'number'))})",
                lambda: f"add({self.number(depth + 1)}, `1`)",
                lambda: f"subtract(`5`, {self.number(depth + 1)})",
                lambda: f"multiply({self.number(depth + 1)}, `2`)",
                lambda: f"sum({self.path('numbers')})",
                lambda: f"max({self.path('numbers')})",
                lambda: f"({self.path('number')} || `2`)",
                lambda: f"floor({self.number(depth + 1)})",
            )()
        )

    def list(self, depth: int = 0) -> str:
        """An expression that is meant to be a list of texts."""
        if depth >= _DEEPEST or self.random.random() < 0.4:
            return self.path("list")
        return str(
            self.pick(
                lambda: f"split({self.text(depth + 1)}, '{self.pick('-', ',')}')",
                lambda: f"({self.path('list')} || `[]`)",
                lambda: f'({self.path("list")} || `["a"]`)',
                lambda: f"({self.list(depth + 1)})[?{self.condition('@')}]",
                lambda: f"({self.list(depth + 1)} | [?{self.condition('@')}])",
                lambda: f"({self.list(depth + 1)})[0:2]",
                lambda: f"[{self.text(depth + 1)}, {self.text(depth + 1)}]",
                lambda: f"to_array({self.path(self.pick('text', 'list'))})",
                lambda: f"map(&to_upper(@), {self.path('list')})",
            )()
        )

    def truth(self, depth: int = 0) -> str:
        """An expression that is meant to be true or false."""
        return str(
            self.pick(
                lambda: f"{self.text(depth + 1)} {self.pick('==', '!=')} '{self.pick(*_TEXTS)}'",
                lambda: f"{self.path('text')} == {self.path('text')}",
                lambda: f"{self.path('text')} == `null`",
                lambda: f"{self.path('number')} {self.pick('<', '<=', '>', '>=')} `{self.pick(*_NUMBERS)}`",
                lambda: f"{self.number(depth + 1)} {self.pick('<', '>=', '==')} `{self.pick(*_NUMBERS)}`",
                lambda: f"contains({self.pick(self.text, self.list)(depth + 1)}, 'a')",
                lambda: f"starts_with({self.text(depth + 1)}, 'a')",
                lambda: f"ends_with({self.text(depth + 1)}, 'b')",
                lambda: f"regex_match('^a', {self.text(depth + 1)})",
                lambda: f"pattern_match('a*', {self.text(depth + 1)})",
                lambda: f"equal_fold({self.text(depth + 1)}, 'b')",
                lambda: f"!({self.pick(self.path('text'), self.path('list'))})",
                *(
                    [
                        lambda: f"({self.truth(depth + 1)} && {self.truth(depth + 1)})",
                        lambda: f"({self.truth(depth + 1)} || {self.truth(depth + 1)})",
                        lambda: f"!({self.truth(depth + 1)})",
                    ]
                    if depth < _DEEPEST - 1
                    else []
                ),
            )()
        )

    def condition(self, subject: str) -> str:
        """The condition of a filter about elements that are texts, or about their field."""
        return str(
            self.pick(
                f"{subject} == '{self.pick('a', 'b')}'",
                f"{subject} != 'a'",
                f"starts_with({subject}, 'a')",
                f"contains({subject}, 'b')",
                f"length({subject}) > `1`",
                subject,
                f"!({subject})",
                f"{subject} == 'a' || {subject} == 'b'",
                f"{subject} && {subject} != 'a'",
            )
        )

    def path(self, wanted: str) -> str:
        """A path into spec.v that fits its shape."""
        options = {
            ("text", "text"): [V],
            ("text", "number"): [f"length({V})", "`2`"],
            ("text", "numbers"): [f"[length({V}), `1`]"],
            ("text", "list"): [f"split({V}, '-')"],
            ("number", "text"): ["request.object.spec.w", f"to_string({V})"],
            ("number", "number"): [V],
            ("number", "numbers"): [f"[{V}, `1`]"],
            ("number", "list"): [f"to_array(to_string({V}))"],
            ("texts", "text"): [f"{V}[0]", f"{V}[-1]", f"{V}[1]"],
            ("texts", "number"): [f"length({V})"],
            ("texts", "numbers"): [f"map(&length(@), {V})"],
            ("texts", "list"): [V, f"{V}[]", f"{V}[*]", f"{V}[?{self.condition('@')}]"],
            ("maps", "text"): [f"{V}[0].a", f"{V}[1].a", f"{V}[?b].a | [0]", f"{V}[?a == 'a'] | [0].a"],
            ("maps", "number"): [f"{V}[0].b", f"length({V}[?a == 'a'])", f"length({V}[?b > `1`])"],
            ("maps", "numbers"): [f"{V}[].b", f"{V}[*].b"],
            ("maps", "list"): [
                f"{V}[].a", f"{V}[*].a", f"{V}[?b].a", f"{V}[?{self.condition('a')}].a", f"{V}[].c[]",
                f"{V}[?b > `1`].c[]", f"{V}[].[a, d][]",
            ],
            ("map", "text"): [f"{V}.a", f"{V}.d.a", f"{V}.{{x: a}}.x", f"{V}.\"{{{{ request.object.spec.w }}}}\""],
            ("map", "number"): [f"{V}.b", f"length({V})", f"length({V}.c)"],
            ("map", "numbers"): [f"[{V}.b, `1`]"],
            ("map", "list"): [f"keys({V})", f"{V}.c", f"{V}.c[]", f"{V}.[a, d.a]", f"{V}.c[?{self.condition('@')}]"],
        }  # fmt: skip
        return str(self.pick(*options[self.shape, wanted]))

    def value(self, shape: str) -> Any:
        """A value of spec.v."""
        if shape == "text":
            return self.pick(*_TEXTS)
        if shape == "number":
            return self.pick(*_NUMBERS)
        if shape == "texts":
            return [self.pick(*_TEXTS) for _ in range(self.random.randrange(4))]
        if shape == "maps":
            return [self.map() for _ in range(self.random.randrange(4))]
        return self.map()

    def map(self) -> dict[str, Any]:
        made: dict[str, Any] = {
            "a": self.pick(*_TEXTS), "b": self.pick(*_NUMBERS), "c": self.value("texts"),
            "d": {"a": self.pick(*_TEXTS)}, "x": self.pick(*_TEXTS),
        }  # fmt: skip
        return {key: each for key, each in made.items() if self.random.random() < 0.7}

    def question(self, name: str) -> Question:
        """A condition, with values of its shape and of others."""
        self.shape = self.pick("text", "number", "texts", "maps", "maps", "map")
        kind = self.pick("text", "number", "list", "truth")
        expression = {"text": self.text, "number": self.number, "list": self.list, "truth": self.truth}[kind]()
        operator, value = self.operator(kind)
        values: list[Any] = []
        while len(values) < _ASKED:
            one = self.value(self.shape)
            if json.dumps(one) not in map(json.dumps, values) or len(values) >= 6:
                values.append(one)
        return jmesquestions.condition(name, expression, operator, value, values)

    def operator(self, kind: str) -> tuple[str, Any]:
        """An operator for a type, and its value."""
        if kind == "number":
            orders = ("GreaterThan", "LessThan", "GreaterThanOrEquals", "LessThanOrEquals", "Equals", "NotEquals")
            return self.pick(*orders), self.pick(0, 1, 2, 5)
        if kind == "truth":
            return self.pick("Equals", "NotEquals"), self.pick(True, False)
        if kind == "list":
            return self.pick("AnyIn", "AllIn", "AnyNotIn", "AllNotIn"), self.pick(["a"], ["a", "b"], ["A"], "a*")
        return self.pick("Equals", "NotEquals", "AnyIn", "AnyNotIn"), self.pick("a", "a*", "b", "", "A")


def questions(seed: int, amount: int) -> Iterator[Question]:
    """So many conditions."""
    made = Generator(seed)
    for number in range(amount):
        yield made.question(f"generated-{seed}-{number}")
