"""Every recorded fact about the expression language."""

from __future__ import annotations

from typing import Any

import pytest
from facts import case_id, cases, load_facts
from go_values import canonical, decode

from freightway.errors import ExpressionError
from freightway.expr import evaluate

ENV = decode(load_facts("expr-env"))


@pytest.mark.parametrize("case", cases("expr"), ids=case_id)
def test_expression_gives_what_was_recorded(case: dict[str, Any]) -> None:
    expected = case["expect"]
    if not expected.get("error"):
        assert canonical(evaluate(case["expr"], ENV)) == canonical(expected["value"])
        return
    with pytest.raises(ExpressionError) as caught:
        evaluate(case["expr"], ENV)
    assert caught.value.stage == expected["stage"]
