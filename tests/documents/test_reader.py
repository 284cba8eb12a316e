import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from webhook.documents import reader, syntax
from webhook.documents.reader import Position, parse, parsed, read


def values(content: str | bytes, file: str = "f.yaml") -> list[Any]:
    parsed, problems = parse(content, file)
    assert [str(problem) for problem in problems] == []
    return [document.value for document in parsed]


def problems(content: str | bytes, file: str = "f.yaml") -> list[str]:
    return [str(problem) for problem in parse(content, file)[1]]


# What is read


def test_a_stream_is_one_document_each() -> None:
    content = "# a comment\n---\na: 1\n--- # next\nb: 2\n---\n---\nnull\n---\n- c\n"
    assert values(content) == [{"a": 1}, {"b": 2}, ["c"]]
    assert [document.line for document in parse(content, "f")[0]] == [3, 5, 10]


def test_plain_quoted_and_block_scalars() -> None:
    content = "a: yes\nb: 'yes'\nc: |\n  x\n  y\nd: >-\n  x\n  y\ne: ! 4\nf: !!str 5\non: 1\n8080: x\n"
    assert values(content) == [
        {"a": True, "b": "yes", "c": "x\ny\n", "d": "x y", "e": "4", "f": "5", "true": 1, "8080": "x"}
    ]


def test_json_is_read_as_json() -> None:
    assert values('{"a": [1, 1.0, 1.5, true, null, "\\ud83d\\ude00\\/"]}\n{"b": 12345678901234567890}', "f.json") == [
        {"a": [1, 1, 1.5, True, None, "😀/"]},
        {"b": 12345678901234567890.0},
    ]


def test_half_a_surrogate_pair_in_json_becomes_the_replacement_character() -> None:
    assert values('{"a\\udc00": ["\\ud800x"]}') == [{"a\ufffd": ["\ufffdx"]}]


def test_flow_mappings_that_are_no_json_are_yaml() -> None:
    assert values("{a: 1, b: [x, z]}") == [{"a": 1, "b": ["x", "z"]}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(encoding: str) -> None:
    assert values("a: é\n".encode(encoding)) == [{"a": "é"}]


def test_aliases_are_copies() -> None:
    (value,) = values("a: &x {b: [1]}\nc: *x\nd: *x\n")
    value["c"]["b"].append(2)
    assert value == {"a": {"b": [1]}, "c": {"b": [1, 2]}, "d": {"b": [1]}}


def test_an_anchor_may_be_given_again() -> None:
    assert values("a: &x 1\nb: &x 2\nc: *x\n*x : d\n") == [{"a": 1, "b": 2, "c": 2, "2": "d"}]


def test_merge_keys_go_in_the_order_of_the_text_as_in_kubectl() -> None:
    base = "base: &a {p: 1, q: 2}\n"
    assert values(base + "x:\n  <<: *a\n  p: 3\n")[0]["x"] == {"p": 3, "q": 2}
    assert values(base + "x:\n  p: 3\n  <<: *a\n")[0]["x"] == {"p": 1, "q": 2}
    assert values(base + "x: {<<: [*a, {p: 9, r: 5}]}\n")[0]["x"] == {"p": 1, "q": 2, "r": 5}
    assert values(base + "x: {'<<': *a}\n")[0]["x"] == {"<<": {"p": 1, "q": 2}}


def test_lists_are_expanded() -> None:
    content = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: a}
- apiVersion: v1
  kind: List
  items:
  - kind: ConfigMap
"""
    parsed, _ = parse(content, "f")
    assert [(document.value["kind"], document.line) for document in parsed] == [("Pod", 4), ("ConfigMap", 10)]
    assert parsed[0].position(("metadata", "name")) == Position(6, 14)


@pytest.mark.parametrize("items", ["[]", "null"])
def test_an_empty_list_holds_nothing(items: str) -> None:
    assert values(f"apiVersion: v1\nkind: List\nitems: {items}\n") == []


def test_items_of_a_typed_list_have_its_kind() -> None:
    assert values('{"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [{"metadata": {}}]}') == [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}}
    ]


def test_helm_output_names_the_template_and_counts_lines_in_the_stream() -> None:
    content = "---\n# Source: demo/templates/a.yaml\napiVersion: v1\n---\n# x\n# Source: demo/templates/b.yaml\na: 1\n"
    parsed, _ = parse(content, reader.STDIN)
    assert [(document.file, document.stream, document.line) for document in parsed] == [
        ("demo/templates/a.yaml", "<stdin>", 3),
        ("demo/templates/b.yaml", "<stdin>", 7),
    ]


# Positions


YAML = """\
spec:
  containers:
  - name: web
    "image": x
  -   name: side
      ports: [{port: 1}, {port: 2}]
  base: &b
    key: 1
  alias: *b
  merged: {<<: *b}
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ((), 1, 1),
        (("spec",), 1, 1),
        (("spec", "containers"), 2, 3),
        (("spec", "containers", 0), 3, 5),
        (("spec", "containers", 0, "image"), 4, 5),
        (("spec", "containers", 1, "ports", 1, "port"), 6, 27),
        (("spec", "alias"), 9, 3),
        (("spec", "alias", "key"), 8, 5),
        (("spec", "merged", "key"), 8, 5),
    ],
)
def test_positions_in_yaml(path: Any, line: int, column: int) -> None:
    (document,), _ = parse("---\n" + YAML, "f")
    assert document.position(path) == Position(line + 1, column)
    assert document.exact(path)


@pytest.mark.parametrize(
    ("path", "place"),
    [(("spec", "containers", 0, "nope", "x"), Position(3, 5)), (("spec", "containers", 7), Position(2, 3))],
)
def test_where_nothing_stands_the_nearest_ancestor_is_named(path: Any, place: Position) -> None:
    (document,), _ = parse(YAML, "f")
    assert document.position(path) == place
    assert not document.exact(path)


def test_positions_in_json() -> None:
    (document,), _ = parse('{"a": [1, {"b\\"{c": [true,\n  "x{", {"k": null}]}]}', "f.json")
    assert document.position(("a", 1, 'b"{c', 1)) == Position(2, 3)
    assert document.position(("a", 1, 'b"{c', 2, "k")) == Position(2, 10)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner)
    ),
    max_leaves=20,
)


def paths(value: Any) -> list[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((step, *path) for step, item in steps for path in paths(item))]


@given(PLAIN)
def test_json_round_trips_with_every_position_known(value: Any) -> None:
    text = json.dumps({"value": value}, indent=1)
    (document,), _ = parse(text, "f.json")
    assert document.value == {"value": value}
    assert all(document.exact(path) for path in paths(document.value))


@given(PLAIN)
def test_yaml_round_trips_with_every_position_known(value: Any) -> None:
    # All quoted, with tags for what is no text: PyYAML leaves text plain that kubectl reads as a number, such as 0E0.
    text = yaml.safe_dump({"value": value}, default_style='"')
    (document,), _ = parse(text, "f.yaml")
    assert document.value == {"value": value}
    assert all(document.exact(path) for path in paths(document.value))


@given(st.text(alphabet="abc:-? []{}&*!|>'\"%@`#,\n\t~<0", max_size=40))
def test_any_text_gives_values_or_a_problem_with_a_line(text: str) -> None:
    parsed, wrong = parse(text, "f.yaml")
    assert all(problem.line is not None and problem.line >= 1 for problem in wrong)
    for document in parsed:
        assert all(document.exact(path) for path in paths(document.value))


@given(st.binary(max_size=60))
def test_any_bytes_give_values_or_problems(content: bytes) -> None:
    parse(content, "f.yaml")


# As kubectl reads it


def test_a_byte_order_mark_within_a_document_is_an_error() -> None:
    found = parsed("---\n# c\n\ufeffkind: Pod\napiVersion: v1\n", "f.yaml")
    assert found.documents == []
    assert [(str(each.problem), each.grammar) for each in found.unread] == [
        ("f.yaml:3:1: a byte order mark within a document; remove it", False)
    ]
    assert len(parsed("a: \ufeffb\n...\nc: d\n", "f.yaml").documents) == 2


@pytest.mark.parametrize("separator", ["---", "--- ", "---\t# c", "---\r"])
def test_a_byte_order_mark_after_a_separator_is_skipped(separator: str) -> None:
    content = f'a: 1\n{separator}\n\ufeffb: 2\nc: [\n---\n\ufeff{{"d": 4}}\n'.replace("c: [\n", "c: 3\n")
    documents, problems = parse(content.encode(), "f.yaml")
    assert ([document.value for document in documents], problems) == ([{"a": 1}, {"b": 2, "c": 3}, {"d": 4}], [])
    assert [document.position(()) for document in documents] == [Position(1, 1), Position(3, 1), Position(6, 1)]


@pytest.mark.parametrize(
    ("content", "value", "warning"),
    [
        ("a: 1\nb: 2\na: 3\n", {"a": 3, "b": 2}, "f.yaml:3:1: duplicate key 'a' (first in line 1)"),
        ("m: {a: {x: 1}, a: {w: 2}}\n", {"m": {"a": {"w": 2}}}, "f.yaml:1:16: duplicate key 'a' (first in line 1)"),
        ("1: a\n0x1: b\n", {"1": "b"}, "f.yaml:2:1: duplicate key '1' (first in line 1)"),
        ("&k a: 1\n*k : 2\n", {"a": 2}, "f.yaml:2:1: duplicate key 'a' (first in line 1)"),
        ('{"a": {"x": 1},\n "a": {"y": 2}}', {"a": {"y": 2}}, "f.yaml:2:2: duplicate key 'a' (first in line 1)"),
        (
            "a: &a {p: 1}\nb: &b {p: 2}\nc:\n  <<: *a\n  <<: *b\n",
            {"a": {"p": 1}, "b": {"p": 2}, "c": {"p": 2}},
            "f.yaml:5:3: duplicate key '<<' (first in line 4)",
        ),
    ],
)
def test_of_a_key_that_a_mapping_has_twice_the_last_counts_with_a_warning(
    content: str, value: Any, warning: str
) -> None:
    found = parsed(content, "f.yaml")
    assert [document.value for document in found.documents] == [value]
    assert [str(each) for each in found.warnings] == [warning]
    assert found.unread == []
    (document,) = found.documents
    assert all(document.exact(path) for path in paths(document.value))


def test_the_place_of_a_key_that_stands_twice_is_that_of_the_last() -> None:
    (document,) = parsed("m:\n  a: {x: 1, z: 5}\n  a: {w: {q: 2}}\n", "f.yaml").documents
    assert document.position(("m", "a", "w", "q")) == Position(3, 11)
    assert not document.exact(("m", "a", "x"))
    (document,) = parsed('{"m": {"a": {"x": 1},\n"a": {"y": [2]}}}', "f.json").documents
    assert document.position(("m", "a", "y", 0)) == Position(2, 13)
    assert not document.exact(("m", "a", "x"))


def test_in_a_policy_tree_only_the_document_with_the_key_is_lost() -> None:
    documents, problems = parse("a: 1\n---\nb: 1\nb: 2\n---\nc: 3\n", "f.yaml")
    assert [document.value for document in documents] == [{"a": 1}, {"c": 3}]
    assert list(map(str, problems)) == ["f.yaml:4:1: duplicate key 'b' (first in line 3)"]


def test_keys_that_are_equal_in_json_only_are_an_error() -> None:
    for content in ("1: a\n'1': b\n", "on: a\n'true': b\n", "'1': &a x\n? 1\n: *a\n"):
        found = parsed(content, "f.yaml")
        assert (found.documents, len(found.unread), found.unread[0].grammar) == ([], 1, False)


@pytest.mark.parametrize(
    "content",
    [
        "a: 1\n...\nb: [\n",
        "a: 1\n...\nb: {{ x }}\n",
        '{"a": 1}\nb: [\n',
        '{"a": 1}\n{"b": \n',
    ],
)
def test_what_stands_before_an_error_is_read_where_kubectl_reads_it(content: str) -> None:
    found = parsed(content, "f.yaml")
    assert [document.value for document in found.documents] == [{"a": 1}]
    assert len(found.unread) == 1


def test_yaml_after_json_is_read() -> None:
    assert values('{"a": 1}\nb: 2\n') == [{"a": 1}, {"b": 2}]
    assert values("a: 1\n...\nb: 2\n") == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("content", "grammar"),
    [
        ("a: [\n", True),
        ("a: {{ x }}\n", True),
        ("? [a]\n: b\n", True),
        ("{a: 1", True),
        ("a: " + "[" * 300, False),
        ("a: .inf\n", False),
        ("~: 1\n", False),
        ("a: *b\n", False),
        ("---a: 1\n", False),
        ("a: x\x1b\n", False),
    ],
)
def test_only_what_is_in_no_grammar_is_said_to_be_readable_by_nobody(content: str, grammar: bool) -> None:
    (unread,) = parsed(content, "f.yaml").unread
    assert unread.grammar is grammar


# What is refused


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: duplicate key 'a' (first in line 1)"),
        ("x: 1\n---\nm:\n  a: 1\n  'a': 2\n", "f.yaml:5:3: duplicate key 'a' (first in line 4)"),
        ("1: a\n'1': b\n", "f.yaml:2:1: duplicate key '1' (first in line 1)"),
        ('{"a": 1,\n "a": 2}', "f.yaml:2:2: duplicate key 'a' (first in line 1)"),
        ("a: &a [*a]\n", "f.yaml:1:8: an alias inside of its own anchor's value"),
        ("a: *b\n", "f.yaml:1:4: alias of an unknown anchor; if it is text that begins with *, quote it"),
        ("a:\n\t- b\n", "f.yaml:2:1: not YAML: a tab cannot indent; use spaces"),
        ("a: .inf\n", "f.yaml:1:4: .inf is not a JSON value"),
        ("~: 1\n", "f.yaml:1:1: a key must not be null; quote it if it is meant as text"),
        ("? [a]\n: b\n", "f.yaml:1:3: a mapping's key must be a plain value, not a list or mapping"),
        ("a: {<<: 5}\n", "f.yaml:1:9: <<: expected a mapping or a list of mappings"),
        ("a: !!int x\n", "f.yaml:1:4: the tag !!int does not fit this value"),
        ("a: x\n b: [\n", "f.yaml:2:2: not YAML: indented by 1 space, which fits no line above: line 1 has 0"),
        ("a: é\nb: x\x1b[31m\n", "f.yaml:2:5: the character U+001B is not allowed in YAML"),
        (b"a: 1\nb\0", "f.yaml:2: binary, not YAML or JSON (it contains a NUL byte)"),
        ("a: é\nb: ".encode() + b"\xe9", "f.yaml:2:4: not UTF-8 (byte 0xe9); save the file as UTF-8"),
        (b"\xef\xbb\xbfa: \xff", "f.yaml:1:4: not UTF-8 (byte 0xff); save the file as UTF-8"),
        (b"\xff\xfe\x00", "f.yaml:1:1: invalid UTF-16; save the file as UTF-8"),
        (
            b"\xff\xfe" + "a\nbc".encode("utf-16-le") + b"\x00",
            "f.yaml:2:3: invalid UTF-16; save the file as UTF-8",
        ),
    ],
)
def test_bad_content_is_named_with_its_place(content: str | bytes, problem: str) -> None:
    assert problems(content) == [problem]


def test_bad_json_is_told_as_json() -> None:
    assert problems('{"a": "x" "b": 1}', "f.json") == ["f.json:1:11: not JSON: Expecting ',' delimiter"]


def test_an_unrendered_template_gets_advice() -> None:
    (problem,) = problems("a: {{ .Values.x }}\n")
    assert problem.endswith("render it first (helm template CHART | gatewright check -)")


@pytest.mark.parametrize(
    ("content", "column"),
    [
        ("---apiVersion: v1\nkind: Pod\n", 4),
        ("--- apiVersion: v1\nkind: Pod\n", 5),
        ("---\tkind: Pod\n", 5),
        ("---{kind: Pod}\n", 4),
    ],
)
def test_a_separator_that_does_not_stand_alone_is_named(content: str, column: int) -> None:
    documents, problems = parse(f"a: 1\n{content}---\nb: 2\n", "m.yaml")
    assert [document.value for document in documents] == [{"a": 1}, {"b": 2}]
    assert list(map(str, problems)) == [
        f"m.yaml:2:{column}: the separator --- must be alone on its line; move the text after it to the next line"
    ]


@pytest.mark.parametrize(
    "separator",
    ["--- # comment\n", "---# comment\n", "--- \n---\t\n", "---\n\n", "---  \n", "---\r\n", "--- {c: 3}\n---\n"],
)
def test_separators_as_kubectl_takes_them(separator: str) -> None:
    documents, problems = parse(f"a: 1\n{separator}b: 2\n", "m.yaml")
    values = [document.value for document in documents if document.value != {"c": 3}]
    assert (values, problems) == ([{"a": 1}, {"b": 2}], [])


def test_what_looks_like_a_separator_inside_a_text_is_text() -> None:
    [document], problems = parse("x: |\n  ---apiVersion: v1\n  -----BEGIN CERTIFICATE-----\n", "m.yaml")
    assert (document.value, problems) == ({"x": "---apiVersion: v1\n-----BEGIN CERTIFICATE-----\n"}, [])


def test_a_text_with_a_tag_of_no_meaning_is_read_as_kubectl_reads_it() -> None:
    [document], problems = parse("a: !x b\nc: [! d, !!str 1]\n", "m.yaml")
    assert (document.value, problems) == ({"a": "b", "c": ["d", "1"]}, [])
    tags = sorted((path, position.line, position.column, tag) for path, position, tag in document.tags())
    assert tags == [(("a",), 1, 4, "!x"), (("c", 0), 2, 5, "!")]


def test_one_bad_document_leaves_the_others() -> None:
    parsed, wrong = parse("a: 1\n---\nb: [\n---\nc: 3\n", "f")
    assert [document.value for document in parsed] == [{"a": 1}, {"c": 3}]
    assert [problem.line for problem in wrong] == [4]
    assert parsed[1].line == 5


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", '{"a":', "[[{a: "])
def test_endless_nesting_is_refused_at_once(opening: str) -> None:
    (problem,) = problems(opening * 100_000)
    assert "nested more than 250 levels deep" in problem


def test_nesting_through_aliases_counts() -> None:
    content = "a0: &a0 []\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 400))
    (problem,) = problems(content)
    assert "nested more than 250 levels deep" in problem


def test_deep_but_bounded_nesting_is_read() -> None:
    assert values("[" * 249 + "]" * 249) != []


@pytest.mark.parametrize(
    "empty", ["---\n", "--- \r\n", "---\n# why: nothing\n\n  # more\n", "---# a: b\n", "--- # Source: a/b.yaml\n\n"]
)
def test_no_parser_is_asked_of_documents_without_content(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    read_yaml = syntax.read_yaml

    def counting(text: str, *, with_places: bool = False) -> list[syntax.Root]:
        asked.append(text)
        return read_yaml(text, with_places=with_places)

    monkeypatch.setattr(syntax, "read_yaml", counting)
    found, problems = parse(empty * 1000 + "---\na: 1\n" + empty * 1000 + "--- # b\nb: 1\n", "in.yaml")
    assert [each.value for each in found] == [{"a": 1}, {"b": 1}]
    assert found[1].line == (empty.count("\n") * 2000) + 4
    assert not problems
    assert len(asked) == 2


@given(st.text("#a \t\r\n\x07\x85\u2028.%", max_size=12))
def test_where_nothing_is_found_a_parser_finds_nothing(text: str) -> None:
    text = f"---\n{text}\n"
    found = parsed(text, "in.yaml")
    if not found.documents and not found.unread:
        assert [root.value for root in syntax.read_yaml(text) if root.value is not None] == []


def test_aliases_that_explode_are_refused() -> None:
    levels = "".join(f"l{i}: &l{i} [{','.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 12))
    (problem,) = problems("l0: &l0 [x]\n" + levels)
    assert f"aliases repeat more than {syntax.MAX_ALIASED:,} values" in problem


def test_aliases_of_long_texts_count_by_length() -> None:
    (problem,) = problems(f"a: &a {'x' * 100_000}\nb: [{','.join(['*a'] * 1000)}]\n")
    assert "aliases repeat" in problem


# Kubernetes objects


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("- 1\n", 1, "expected a mapping with apiVersion and kind, found a list"),
        ("hello\n", 1, "found text"),
        ("a: 1\n", 1, "apiVersion is missing and kind is missing"),
        ("apiVersion: v1\nkind: 5\n", 2, "kind must be text"),
        ("kind: Pod\napiVersion: apps/v1/v2\n", 2, "apiVersion must be VERSION or GROUP/VERSION"),
        ("apiVersion: v1\nkind: Pod\nmetadata: x\n", 3, "metadata must be a mapping"),
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  name: 5\n", 4, "metadata.name must be text; quote it"),
        ("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels: []\n", 5, "metadata.labels must be a mapping"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    a: b\n    c: yes\n",
            6,
            "metadata.labels['c'] must be text; quote it",
        ),
        ("apiVersion: v1\nkind: List\n", 1, "the items of a List are missing"),
        ("apiVersion: v1\nkind: List\nitems: {a: b}\n", 3, "the items of a List must be a list"),
    ],
)
def test_documents_that_are_no_objects_are_problems_at_the_field_that_is_wrong(
    content: str, line: int, message: str
) -> None:
    good, wrong = reader.objects(parse(content, "f.yaml")[0])
    assert good == []
    assert [problem.line for problem in wrong] == [line]
    assert message in str(wrong[0])


def test_problems_in_helm_output_stand_in_the_stream_and_name_the_template() -> None:
    stream = "---\n# Source: a/templates/b.yaml\nkind: Pod\n---\n# Source: a/templates/c.yaml\na: [\n"
    parsed, problems = parse(stream, reader.STDIN)
    assert [str(problem) for problem in (*reader.objects(parsed)[1], *problems)] == [
        "<stdin>:3:1: not a Kubernetes object: apiVersion is missing (in a/templates/b.yaml)",
        "<stdin>:7:1: not YAML: did not find expected node content while parsing a flow node (in a/templates/c.yaml)",
    ]


# Files and folders


def test_folders_are_walked_in_order_without_hidden_entries(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/x.yml", "a/y.json", "c.txt", ".hidden.yaml", "_off.yaml", "_off/z.yaml", ".git/z.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"name": 1}')
    parsed, wrong = read([str(tmp_path)])
    assert wrong == []
    assert [os.path.relpath(document.file, tmp_path) for document in parsed] == ["a/x.yml", "a/y.json", "b.yaml"]


def test_a_named_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "_binding.warn.txt").write_text("a: 1")
    assert [document.value for document in read([str(tmp_path / "_binding.warn.txt")])[0]] == [{"a": 1}]


def test_a_file_that_is_reached_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    (tmp_path / "loop").symlink_to(".")
    parsed, wrong = read([str(tmp_path / "a.yaml"), str(tmp_path)])
    assert (len(parsed), wrong) == (1, [])


def test_missing_files_empty_folders_and_broken_links_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "good.yaml").write_text("a: 1")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "broken.yaml").symlink_to("nowhere")
    parsed, wrong = read([str(tmp_path / name) for name in ("missing.yaml", "empty", "good.yaml", "links")])
    assert len(parsed) == 1
    assert [str(problem).removeprefix(f"{tmp_path}/") for problem in wrong] == [
        "missing.yaml: cannot be read: No such file or directory",
        "empty: no *.yaml, *.yml or *.json files in this folder",
        "links/broken.yaml: cannot be read: a link to 'nowhere', which does not exist",
    ]


def test_a_helm_chart_is_one_problem_with_advice(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("name: x")
    (chart / "templates" / "a.yaml").write_text("a: {{ .Values.a }}")
    (tmp_path / "b.yaml").write_text("a: 1")
    parsed, wrong = read([str(tmp_path)])
    assert [document.value for document in parsed] == [{"a": 1}]
    assert [str(problem) for problem in wrong] == [
        f"{chart}: a Helm chart, not manifests; render it first: helm template {chart} | gatewright check -"
    ]


def test_standard_input() -> None:
    (document,), wrong = read(["-"], io.BytesIO(b"a: 1"))
    assert (document.file, document.value, wrong) == ("<stdin>", {"a": 1}, [])
    assert "no standard input" in str(read(["-"])[1][0])


def test_a_path_that_no_file_can_have_is_named() -> None:
    assert len(read(["a\0b"])[1]) == 1


@pytest.mark.parametrize("value", ["!hunter2 a: b", "!hunter2 || a", "*hunter2", "&hunter2 a: b", "'hunter2' hunter2"])
def test_what_is_wrong_with_a_text_does_not_repeat_it(value: str) -> None:
    _, problems = parse(f"kind: Secret\nstringData:\n  password: {value}\n", "m.yaml")
    assert len(problems) == 1
    assert "hunter2" not in str(problems[0])
