"""What is said of a problem after the API server's text."""

from __future__ import annotations

import pytest

from webhook.apiserver.problems import FieldProblem


@pytest.mark.parametrize(
    ("found", "go", "said"),
    [
        ("number", "string", "; text is expected, and this is a number: quote it"),
        ("bool", "string", "; text is expected, and this is true or false: quote it"),
        ("object", "string", "; text is expected, and this is a mapping"),
        ("string", "int32", "; a whole number is expected, and this is text"),
        ("number 1.5", "int64", "; a whole number is expected, and this is a number"),
        ("string", "bool", "; true or false is expected, and this is text"),
        ("object", "[]v1.Container", "; a list is expected, and this is a mapping"),
        ("array", "map[string]string", "; a mapping is expected, and this is a list"),
        ("string", "v1.PodSpec", ""),
        ("string", "[]uint8", ""),
    ],
)
def test_a_wrong_type_is_told_in_plain_words(found: str, go: str, said: str) -> None:
    message = f"json: cannot unmarshal {found} into Go struct field Pod.spec.x of type {go}"
    assert FieldProblem(("spec", "x"), message).afterword == said


def test_the_nearest_name_is_told() -> None:
    problem = FieldProblem(("spec", "hostpath"), 'unknown field "spec.hostpath"', known=("hostPath", "image"))
    assert problem.afterword == "; did you mean hostPath?"
    assert FieldProblem(("spec",), "spec: Required value").afterword == ""
