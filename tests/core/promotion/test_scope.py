"""What the expressions of a promotion can see."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from freightway.promotion.model import (
    FreightReference,
    Origin,
    PlannedStep,
    StepRequest,
)
from freightway.promotion.scope import floats, promotion_scope, step_scope

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def request(alias: str, **fields: Any) -> StepRequest:
    return StepRequest(
        project="demo",
        stage="test",
        promotion="test.01.abc",
        freight=FreightReference(name="f00dfeed", alias="fancy-ferret", origin=Origin(name="wh")),
        created_at=NOW,
        step=PlannedStep(alias=alias, uses="x"),
        **fields,
    )


def test_the_variables_of_a_promotion_do_not_see_outputs() -> None:
    scope = promotion_scope(request("a", outputs={"b": {"n": 1}}))
    assert set(scope) == {"ctx", "vars"}
    assert scope["ctx"]["meta"] == {"promotion": {"actor": "", "rollback": False}, "step": {"alias": "a"}}
    assert scope["ctx"]["targetFreight"]["origin"] == {"name": "wh"}


def test_a_step_sees_all_outputs_and_only_a_task_has_outputs_of_its_own() -> None:
    outputs = {"plain": {"a": 1}, "tk::one": {"b": 2}, "tk": {"c": 3}, "other::one": None, "x::y::z": {}}
    inside = step_scope(request("tk::two", outputs=outputs))
    assert inside["outputs"] == outputs
    assert inside["task"] == {"outputs": {"one": {"b": 2}}}
    assert "task" not in step_scope(request("plain", outputs=outputs))


def test_numbers_of_outputs_are_floats_and_truth_values_are_not_numbers() -> None:
    seen = floats({"n": 7, "deep": [1, {"m": 2}], "yes": True, "none": None})
    assert seen == {"n": 7.0, "deep": [1.0, {"m": 2.0}], "yes": True, "none": None}
    assert type(seen["n"]) is float
    assert seen["yes"] is True
