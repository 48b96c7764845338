"""json-update does what Kargo does: the same data, and errors for the same inputs.

One rule differs: a text that is not JSON is refused (Kargo edits around it and writes what no reader takes).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from facts import case_id, cases
from pydantic import ValidationError

from freightway.edits.config import UpdateConfig
from freightway.edits.errors import EditError
from freightway.edits.json_update import update_json
from freightway.edits.messages import json_update_message

CASES = cases("json-update")


def run(case: dict[str, Any], folder: Path) -> tuple[str, str]:
    file = folder / "v.json"
    if case["before"] is not None:
        file.write_bytes(case["before"].encode())
    config = UpdateConfig.model_validate({"path": "v.json", "updates": case["updates"]})
    return update_json(file.read_bytes().decode(), config.pairs), json_update_message(
        config.path, config.pairs
    )


def ordered(text: str) -> Any:
    return json.loads(text, object_pairs_hook=lambda members: ("object", members))


def is_not_json(text: str | None) -> bool:
    if not (text or "").strip():
        return False
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_json_update(case: dict[str, Any], tmp_path: Path) -> None:
    rule_not_json_is_refused = is_not_json(case["before"])
    if case["expect"].get("error") or rule_not_json_is_refused:
        with pytest.raises((EditError, ValidationError, FileNotFoundError)):
            run(case, tmp_path)
        return
    text, message = run(case, tmp_path)
    assert ordered(text) == ordered(case["expect"]["value"])
    if all(isinstance(update["value"], str | bool) for update in case["updates"]):
        assert message == case["expect"]["commitMessage"]
