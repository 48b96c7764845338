"""Repository URLs are normalised as recorded."""

from __future__ import annotations

from typing import Any

import pytest
from facts import case_id, cases

from freightway.urls import normalize_chart, normalize_git, normalize_image

NORMALIZE = {"git": normalize_git, "image": normalize_image, "chart": normalize_chart}


@pytest.mark.parametrize("case", cases("urls"), ids=case_id)
def test_url_is_normalised_as_recorded(case: dict[str, Any]) -> None:
    assert NORMALIZE[case["kind"]](case["url"]) == case["expect"]["value"]
