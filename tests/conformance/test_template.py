"""Every recorded fact about ``${{ }}`` templates."""

from __future__ import annotations

from typing import Any

import pytest
from facts import case_id, cases, load_facts
from go_values import canonical, decode

from freightway.errors import ExpressionError
from freightway.expr import render, render_json
from freightway.expr.functions import semver_functions

ENV = decode(load_facts("template-env"))


def answer(case: dict[str, Any]) -> object:
    if "json" in case:
        return render_json(case["json"], ENV, functions=semver_functions())
    return render(case["template"], ENV, functions=semver_functions())


@pytest.mark.parametrize("case", cases("template"), ids=case_id)
def test_template_gives_what_was_recorded(case: dict[str, Any]) -> None:
    expected = case["expect"]
    if expected.get("error"):
        with pytest.raises(ExpressionError):
            answer(case)
    elif "json" in expected:
        assert answer(case) == expected["json"]
    else:
        assert canonical(answer(case)) == canonical(expected["value"])
