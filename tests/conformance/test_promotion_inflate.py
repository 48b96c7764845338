"""Templates and tasks become the list of steps that Kargo makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from facts import case_id, cases

from freightway.errors import InvalidResource
from freightway.promotion.model import PlannedStep
from freightway.promotion.plan import inflate


def kargo_form(step: PlannedStep) -> dict[str, Any]:
    """The step as Kargo writes it: empty fields left out."""
    plain = step.model_dump(mode="json", by_alias=True)
    plain["as"] = plain.pop("alias")
    del plain["facts"]
    plain["vars"] = [{key: value for key, value in item.items() if value} for item in plain["vars"]]
    plain["retry"] = {key: value for key, value in plain["retry"].items() if value}
    return {key: value for key, value in plain.items() if value}


@pytest.mark.parametrize("case", cases("promotion-inflate"), ids=case_id)
def test_steps_are_inflated_as_recorded(case: dict[str, Any]) -> None:
    arguments = (
        case["steps"],
        case.get("vars") or [],
        case.get("tasks") or {},
        case.get("clusterTasks") or {},
    )
    if case["expect"].get("error"):
        with pytest.raises(InvalidResource) as caught:
            inflate(*arguments)
        assert caught.value.problems[0].message == case["expect"]["message"]
        return
    assert [kargo_form(step) for step in inflate(*arguments)] == case["expect"]["value"]
