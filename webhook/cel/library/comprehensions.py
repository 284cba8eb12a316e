"""The macros over lists and maps: all, exists, map, filter; with two variables also macros that build maps.

https://github.com/google/cel-spec/blob/master/doc/langdef.md#macros and, with two variables, cel-go's
ext.TwoVarComprehensions. The parser expands them all.
"""

from __future__ import annotations

from webhook.cel.library.declaring import Library, Macro

LIBRARY = Library(
    "macros",
    (1, 23),
    (),
    macros=(
        Macro(
            "has",
            "has(e.field) -> bool",
            "Whether the field is present.",
            "has({'a': 1}.a) && !has({'a': 1}.b)",
        ),
        Macro(
            "all",
            "list(T).all(e, condition) -> bool",
            "Whether the condition is true for every element, or every key of a map.",
            "[1, 2].all(e, e > 0)",
        ),
        Macro(
            "exists",
            "list(T).exists(e, condition) -> bool",
            "Whether the condition is true for an element or key.",
            "{'a': 1}.exists(key, key == 'a')",
        ),
        Macro(
            "exists_one",
            "list(T).exists_one(e, condition) -> bool",
            "Whether the condition is true for exactly one element or key.",
            "[1, 2, 2].exists_one(e, e == 1)",
        ),
        Macro(
            "map",
            "list(T).map(e, value) -> list(U)",
            "The values of all elements or keys.",
            "[1, 2].map(e, e * 2) == [2, 4]",
        ),
        Macro(
            "map",
            "list(T).map(e, condition, value) -> list(U)",
            "The same for those for which the condition is true.",
            "[1, 2].map(e, e > 1, e * 2) == [4]",
        ),
        Macro(
            "filter",
            "list(T).filter(e, condition) -> list(T)",
            "The elements or keys for which the condition is true.",
            "[1, 2].filter(e, e > 1) == [2]",
        ),
    ),
)

TWO_VARIABLES = Library(
    "two-variable comprehensions",
    (1, 32),
    (),
    extension="two-var-comprehensions",
    macros=(
        Macro(
            "all",
            "list(T).all(i, e, condition) -> bool",
            "Whether the condition is true for every index and element, or key and value of a map.",
            "[1, 2].all(i, e, e == i + 1)",
        ),
        Macro(
            "exists",
            "list(T).exists(i, e, condition) -> bool",
            "Whether the condition is true for an index and element, or a key and value of a map.",
            "{'a': 1}.exists(key, value, key == 'a' && value == 1)",
        ),
        Macro(
            "existsOne",
            "list(T).existsOne(i, e, condition) -> bool",
            "Whether the condition is true for exactly one.",
            "[0, 2].existsOne(i, e, e == i)",
        ),
        Macro(
            "exists_one",
            "list(T).exists_one(i, e, condition) -> bool",
            "Another name of existsOne.",
            "[0, 2].exists_one(i, e, e == i)",
            parser_name="existsOne",
        ),
        Macro(
            "transformList",
            "list(T).transformList(i, e, value) -> list(U)",
            "The values of all, as a list.",
            "{'a': 1}.transformList(key, value, key + string(value)) == ['a1']",
        ),
        Macro(
            "transformList",
            "list(T).transformList(i, e, condition, value) -> list(U)",
            "The same for those for which the condition is true.",
            "[3, 4].transformList(i, e, i > 0, e) == [4]",
        ),
        Macro(
            "transformMap",
            "map(K, V).transformMap(key, value, new) -> map(K, U)",
            "The map with new values; for a list, a map from its indexes.",
            "{'a': 1}.transformMap(key, value, value + 1) == {'a': 2} && ['x'].transformMap(i, e, e) == {0: 'x'}",
        ),
        Macro(
            "transformMap",
            "map(K, V).transformMap(key, value, condition, new) -> map(K, U)",
            "The same for those for which the condition is true.",
            "{'a': 1, 'b': 2}.transformMap(key, value, value > 1, value) == {'b': 2}",
        ),
        Macro(
            "transformMapEntry",
            "map(K, V).transformMapEntry(key, value, entries) -> map(J, U)",
            "A map of the entries of all; an error if two entries have the same key.",
            "{'a': 'x'}.transformMapEntry(key, value, {value: key}) == {'x': 'a'}",
            error=("[1, 1].transformMapEntry(i, e, {e: i})", "insert failed: key 1 already exists"),
        ),
        Macro(
            "transformMapEntry",
            "map(K, V).transformMapEntry(key, value, condition, entries) -> map(J, U)",
            "The same for those for which the condition is true.",
            "[1, 2].transformMapEntry(i, e, i == 1, {e: i}) == {2: 1}",
        ),
    ),
)
