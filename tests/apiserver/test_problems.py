"""What is said of a problem after the API server's text."""

from __future__ import annotations

from webhook.apiserver.problems import FieldProblem


def test_the_nearest_name_is_told() -> None:
    problem = FieldProblem(("spec", "hostpath"), 'unknown field "spec.hostpath"', known=("hostPath", "image"))
    assert problem.afterword == "; did you mean hostPath?"
    assert FieldProblem(("spec",), "spec: Required value").afterword == ""


def test_words_and_other_versions_follow_the_text() -> None:
    words = "a list is expected, and this is text"
    assert FieldProblem(("spec",), "json: cannot unmarshal", words=words).afterword == f"; {words}"
    assert FieldProblem(("spec", "x"), "unknown field", known=("xx",), versions="known since 1.34").afterword == (
        "; known since 1.34"
    )
