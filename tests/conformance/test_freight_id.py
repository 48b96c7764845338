"""Freight is named as recorded."""

from __future__ import annotations

from typing import Any

import pytest
from facts import case_id, cases

from freightway.selection.freight_id import freight_id


@pytest.mark.parametrize("case", cases("freight-id"), ids=case_id)
def test_freight_is_named_as_recorded(case: dict[str, Any]) -> None:
    assert freight_id(case["freight"]) == case["expect"]["value"]
