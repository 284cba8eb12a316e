"""What is declared by Kubernetes version, and how what is not is refused."""

from __future__ import annotations

import pytest

from tests.cel.evaluating import VARIABLES
from webhook.cel import CompileError, Environment
from webhook.versions import NEWEST, OLDEST, Version, parse_version


def refused(expression: str, version: Version) -> list[str]:
    with pytest.raises(CompileError) as caught:
        Environment(VARIABLES, version=version).compile(expression)
    return [issue.message for issue in caught.value.issues]


# An expression, since when Kubernetes has it, and what that is called.
FEATURES: list[tuple[str, Version, str]] = [
    ("1 < 1.5", (1, 28), "Kubernetes compares numbers of different types since 1.28"),
    ("x.?a.hasValue()", (1, 28), "Kubernetes has optional types since 1.28"),
    ("x[?'a'].hasValue()", (1, 28), "Kubernetes has optional types since 1.28"),
    ("optional.of(1).hasValue()", (1, 28), "Kubernetes has optional.of() since 1.28"),
    ("isQuantity('1')", (1, 28), "Kubernetes has isQuantity() since 1.28"),
    ("'%d'.format([1]) == '1'", (1, 29), "Kubernetes has format() since 1.29"),
    ("strings.quote('a') == ''", (1, 29), "Kubernetes has strings.quote() since 1.29"),
    ("sets.contains([1], [1])", (1, 29), "Kubernetes has sets.contains() since 1.29"),
    ("ip('::1').isLoopback()", (1, 30), "Kubernetes has ip() since 1.30"),
    ("isCIDR('::/0')", (1, 30), "Kubernetes has isCIDR() since 1.30"),
    ("type(x) == net.IP", (1, 30), "Kubernetes has net.IP since 1.30"),
    ("format.uuid().validate('a').hasValue()", (1, 31), "Kubernetes has format.uuid() since 1.31"),
    (
        "authorizer.group('').resource('pods').labelSelector('a').check('list').allowed()",
        (1, 31),
        "Kubernetes has labelSelector() since 1.31",
    ),
    ("[1].all(i, e, e > i)", (1, 32), "Kubernetes has all() with two variables since 1.32"),
    ("[1].transformMap(i, e, e) == {0: 1}", (1, 32), "Kubernetes has transformMap() with two variables since 1.32"),
    ("isSemver('1.0.0')", (1, 33), "Kubernetes has isSemver() since 1.33"),
    ("lists.range(2) == [0, 1]", (1, 34), "Kubernetes has lists.range() since 1.34"),
    ("[2, 1].sortBy(e, e) == [1, 2]", (1, 34), "Kubernetes has sortBy() since 1.34"),
    ("[[1]].flatten() == [1]", (1, 34), "Kubernetes has flatten() since 1.34"),
    ("[1].includes(1)", (1, 37), "Kubernetes has includes() since 1.37"),
]


@pytest.mark.parametrize(("expression", "since", "text"), FEATURES)
def test_a_function_is_declared_from_its_version_on(expression: str, since: Version, text: str) -> None:
    Environment(VARIABLES, version=since).compile(expression)
    before = (1, since[1] - 1)
    found = refused(expression, before)
    assert found
    assert f"{text}; the target is 1.{before[1]}" in found[0]


def test_an_overload_that_came_later_leaves_the_function_as_it_was() -> None:
    for version in (OLDEST, NEWEST):
        Environment({}, version=version).compile("string(1) + string(true) + string(b'a') == '1truea'")


def test_of_a_macro_that_is_not_there_the_variables_are_no_errors() -> None:
    assert len(refused("[1].all(i, e, e > i) && [2].exists(k, v, v > k)", (1, 31))) == 2


def test_what_kubernetes_never_had_is_undeclared_without_a_version() -> None:
    assert refused("math.abs(-1) == 1", (1, 30))[0].startswith("undeclared reference to 'math.abs'; ")
    assert refused("[1].nope()", (1, 30)) == ["undeclared reference to 'nope'"]


def test_other_errors_are_told_beside_it() -> None:
    found = refused("isIP('::1') && nope", (1, 29))
    assert "Kubernetes has isIP() since 1.30; the target is 1.29" in found[0]


@pytest.mark.parametrize("text", ["1.30", "v1.30", "1.30.4", "v1.30.4-gke.1234", "1.30+"])
def test_versions_are_read_as_people_write_them(text: str) -> None:
    assert parse_version(text) == (1, 30)


@pytest.mark.parametrize("text", ["", "1", "1.3", "1.99", "2.0", "latest", "1.30 or so", "1.30\n1.31"])
def test_what_is_no_known_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a version of Kubernetes from 1\.26 to 1\.37"):
        parse_version(text)
