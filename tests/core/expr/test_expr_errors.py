"""Errors say what is wrong, where, and whether it shows before the expression runs."""

from __future__ import annotations

import pytest

from freightway import expr
from freightway.errors import AdapterError, ExpressionError
from freightway.expr import Function, evaluate, render

CASES = [
    ("1 +", "compile", 1, 3, "unexpected token EOF"),
    ("ctx.stage ==\n  == 'a'", "compile", 2, 3, 'unexpected token Operator("==")'),
    ("'a' + 1", "compile", 1, 5, "invalid operation: + (mismatched types string and int)"),
    ("vars.missing.tag", "run", 1, 14, "cannot fetch tag from <nil>"),
    ("[1, 2][7]", "run", 1, 7, "index out of range: 7 (array length is 2)"),
    ("nope()", "run", 1, 1, "invalid operation: cannot call nil"),
    ("map([1], # + 'a')", "compile", 1, 12, "invalid operation: + (mismatched types int and string)"),
    ("map(vars.list, # + 'a')", "run", 1, 18, "invalid operation: int + string"),
    ("'a' matches '['", "compile", 1, 5, "error parsing regexp: missing ]: ["),
]


@pytest.mark.parametrize(("source", "stage", "line", "column", "message"), CASES)
def test_error_carries_stage_and_place(source: str, stage: str, line: int, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, {"vars": {"list": [1]}})
    error = caught.value
    assert (error.stage, error.line, error.column, error.message) == (stage, line, column, message)


def test_snippet_has_a_caret_below_the_place() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("vars.tag + nope.name", {"vars": {"tag": "a"}})
    assert caught.value.snippet == "vars.tag + nope.name\n                ^"
    assert str(caught.value) == f"cannot fetch name from <nil> (1:17)\n{caught.value.snippet}"


def test_compile_finds_mistakes_without_an_environment() -> None:
    with pytest.raises(ExpressionError) as caught:
        expr.compile("1 ? 2 : 3")
    assert caught.value.stage == "compile"


def test_failure_of_a_function_keeps_its_cause() -> None:
    def broken() -> object:
        raise AdapterError("no answer", host="vault", retryable=True)

    with pytest.raises(ExpressionError, match="no answer") as caught:
        evaluate("broken()", {}, functions={"broken": Function("broken", broken)})
    assert isinstance(caught.value.__cause__, AdapterError)


def test_unexpected_failure_of_a_function_becomes_an_expression_error() -> None:
    def broken() -> object:
        raise KeyError("secret text")

    with pytest.raises(ExpressionError) as caught:
        evaluate("broken()", {}, functions={"broken": broken})
    assert "secret text" not in str(caught.value)


def test_template_points_at_the_expression_without_end() -> None:
    with pytest.raises(ExpressionError) as caught:
        render("tag: ${{ vars.tag", {})
    assert (caught.value.stage, caught.value.column) == ("compile", 6)
