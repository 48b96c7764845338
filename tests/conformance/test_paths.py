"""Include and exclude paths select commits as recorded."""

from __future__ import annotations

from typing import Any

import pytest
from facts import case_id, cases

from freightway.errors import InvalidResource
from freightway.selection.paths import PathFilter


@pytest.mark.parametrize("case", cases("paths"), ids=case_id)
def test_paths_are_selected_as_recorded(case: dict[str, Any]) -> None:
    include, exclude = case.get("include") or [], case.get("exclude") or []
    if case["expect"].get("error"):
        with pytest.raises(InvalidResource):
            PathFilter.parse(include, exclude)
        return
    paths = case.get("paths") or []
    wanted = PathFilter.parse(include, exclude)
    assert [path for path in paths if wanted.matches(path)] == (case["expect"].get("matched") or [])
    assert wanted.selects(paths) is case["expect"]["value"]
