"""Every recorded fact about the functions that find Freight."""

from __future__ import annotations

from typing import Any

import pytest
from facts import case_id, cases, load_facts
from go_values import canonical

from freightway.errors import ExpressionError
from freightway.expr import render
from freightway.expr.functions import promotion_functions

SCENARIOS = load_facts("freight-functions-env")


def answer(case: dict[str, Any]) -> object:
    scenario = SCENARIOS[case["scenario"]]
    functions = promotion_functions(
        project="demo",
        freight=scenario["freight"],
        freight_requests=scenario["freightRequests"],
        warehouses=scenario["warehouses"],
    )
    return render(case["template"], {}, functions=functions)


@pytest.mark.parametrize("case", cases("freight-functions"), ids=case_id)
def test_function_gives_what_was_recorded(case: dict[str, Any]) -> None:
    expected = case["expect"]
    if expected.get("error"):
        with pytest.raises(ExpressionError):
            answer(case)
    else:
        assert canonical(answer(case)) == canonical(expected["value"])
