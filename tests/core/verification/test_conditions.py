"""Conditions are typed by the actual result."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from freightway.errors import ExpressionError, InvalidResource
from freightway.resources.analysis import AnalysisPhase, Argument, Metric
from freightway.verification.conditions import evaluate_condition, evaluate_time, judge
from freightway.verification.kargo_args import evaluate_argument, stage_arguments

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("result == [1, 2]", [1.0, 2.0]),
        ("result == [1, 2]", (1.0, 2.0)),
        ("default(result, 0) < 1", None),
        ("result == nil && isNil(result)", None),
        ("isNaN(asFloat(result))", "NaN"),
        ("asFloat(result) == 1000", "1_000"),
        ("asFloat(result) == 16", "0x1p4"),
        ("asInt(result) < -9000000000000000000", float("inf")),
        ("isInf(result)", float("-inf")),
        ("let x = result; x > 1", 2.0),
        ("$env.result == 1", 1.0),
        ("all(result, .v > 1)", [{"v": 2.0}]),
        ("now() == date('2024-05-01T12:00:00Z')", 1.0),
    ],
)
def test_condition_holds(source: str, result: Any) -> None:
    assert evaluate_condition(source, result, now=NOW) is True


@pytest.mark.parametrize(
    ("source", "result", "message"),
    [
        ("result == 'a'", 1.0, "mismatched types float64 and string"),
        ("result == 1", (1.0,), "mismatched types []float64 and int"),
        ("result[0] == 'a'", (1.0,), "mismatched types float64 and string"),
        ("isNil(result) || result < 1", None, "mismatched types"),
        ("isNaN(result.x)", {"x": "a"}, "cannot use string as argument"),
        ("result % 2 == 0", 4.0, "invalid operation: %"),
        ("result.v > 1", {"v": None}, "invalid operation"),
        ("other", 1.0, "unknown name other"),
        ("default(result, 0)", 5.0, "expected bool, but got float64"),
        ("asInt(result)", 1.0, "expected bool, but got int64"),
        ("asInt(result) == 7", "7_0", 'parsing "7_0": invalid syntax'),
        ("asInt(result) == 7", "99999999999999999999", "value out of range"),
        ("asInt(result) == 7", True, "asInt() not supported on bool"),
        ("asFloat(result) == 7", [1.0], "asFloat() not supported on"),
    ],
)
def test_condition_is_an_error(source: str, result: Any, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate_condition(source, result, now=NOW)
    assert message in caught.value.message


@pytest.mark.parametrize("result", [None, [], ()])
def test_error_on_no_data_says_that_there_is_none(result: Any) -> None:
    metric = Metric.model_validate({"name": "m", "provider": {}, "successCondition": "result[0] > 1"})
    phase, message = judge(metric, result, now=NOW)
    assert phase is AnalysisPhase.ERROR
    assert message.startswith(
        'could not evaluate successCondition "result[0] > 1": metric result is nil or empty: '
    )


@pytest.mark.parametrize(
    "source", ["1", "now() - now()", "date('nonsense')", "'2024-01-01T00:00:00Z'", "", "x"]
)
def test_what_is_no_time_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate_time(source, now=NOW)


def test_argument_keeps_its_text_with_quote() -> None:
    environment = {"ctx": {"stage": "dev"}, "vars": {"tag": "1.2"}}
    assert evaluate_argument("42", environment) == "42"
    assert evaluate_argument("v${{ vars.tag }}-${{ ctx.stage }}", environment) == "v1.2-dev"
    assert evaluate_argument('"${{ vars.tag }}"', environment) == "1.2"
    assert (
        evaluate_argument("${{ twice('a') }}", environment, functions={"twice": lambda text: text * 2})
        == "aa"
    )
    with pytest.raises(InvalidResource, match="not a string but float64"):
        evaluate_argument("${{ vars.tag }}", environment)
    with pytest.raises(InvalidResource, match="not a string but <nil>"):
        evaluate_argument("${{ vars.missing }}", environment)


def test_empty_argument_counts_as_not_given_and_a_bad_one_is_named() -> None:
    environment = {"ctx": {"stage": "dev"}, "vars": {}}
    given = [("a", ""), ("b", "${{ ctx.stage }}")]
    assert stage_arguments(given, environment) == (Argument(name="b", value="dev"),)
    with pytest.raises(InvalidResource, match="error evaluating argument 'c': "):
        stage_arguments([("c", "${{ 1 + }}")], environment)
