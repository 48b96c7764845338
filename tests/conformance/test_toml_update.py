"""toml-update does what Kargo does: the same data, and errors for the same inputs.

Three rules differ: a text that is not valid TOML is refused (Kargo takes repeated keys); a table below an element of
an array of tables is reached through its index (``workers.1.env.KEY``); comments in arrays are not counted as
elements.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from facts import case_id, cases
from pydantic import ValidationError

from freightway.edits.config import UpdateConfig
from freightway.edits.errors import EditError
from freightway.edits.keys import split_key
from freightway.edits.messages import toml_update_message
from freightway.edits.toml_update import update_toml

CASES = cases("toml-update")


def run(case: dict[str, Any], folder: Path) -> tuple[str, str]:
    file = folder / "v.toml"
    if case["before"] is not None:
        file.write_bytes(case["before"].encode())
    config = UpdateConfig.model_validate({"path": "v.toml", "updates": case["updates"]})
    return update_toml(file.read_bytes().decode(), config.pairs), toml_update_message(
        config.path, config.pairs
    )


def parse(text: str) -> Any:
    return tomllib.loads(text.replace("\r\n", "\n"), parse_float=lambda number: repr(float(number)))


def is_not_toml(text: str | None) -> bool:
    try:
        tomllib.loads(text or "")
    except tomllib.TOMLDecodeError:
        return True
    return False


def model(case: dict[str, Any]) -> Any:
    """The data with the values set along the paths of the data; None if a key leads to no single value."""
    data = parse(case["before"])
    for update in case["updates"]:
        value = update["value"]
        if not isinstance(value, str | int | float):
            return None
        node = {"": data}
        name: Any = ""
        for part in split_key(update["key"]):
            node = node[name]
            name = int(part) if isinstance(node, list) and part.isdigit() else part
            try:
                node[name]
            except (KeyError, IndexError, TypeError):
                return None
        if isinstance(node[name], list | dict):
            return None
        node[name] = repr(value) if isinstance(value, float) else value
    return data


def numbers(data: Any) -> Any:
    """The data with numbers and their texts alike: Kargo writes 5 as 5.0."""
    if isinstance(data, dict):
        return {key: numbers(value) for key, value in data.items()}
    if isinstance(data, list):
        return [numbers(value) for value in data]
    return repr(float(data)) if isinstance(data, int) and not isinstance(data, bool) else data


def passes_through_array_of_tables(case: dict[str, Any]) -> bool:
    return "[[" in (case["before"] or "") and any(
        re.search(r"\.\d+\.", update["key"]) for update in case["updates"]
    )


def has_comment_in_array(text: str | None) -> bool:
    return re.search(r"=\s*\[[^\]]*#", text or "") is not None


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_toml_update(case: dict[str, Any], tmp_path: Path) -> None:
    is_error = bool(case["expect"].get("error"))
    if not is_error and is_not_toml(case["before"]):
        is_error = True  # rule: what is not valid TOML is refused
    follows_data = passes_through_array_of_tables(case) or has_comment_in_array(case["before"])
    wanted = model(case) if follows_data and split_keys_are_valid(case) else None
    if wanted is not None:
        assert numbers(parse(run(case, tmp_path)[0])) == numbers(wanted)
        return
    if is_error:
        with pytest.raises((EditError, ValidationError, FileNotFoundError)):
            run(case, tmp_path)
        return
    text, message = run(case, tmp_path)
    assert numbers(parse(text)) == numbers(parse(case["expect"]["value"]))
    if all(isinstance(update["value"], str | bool) for update in case["updates"]):
        assert message == case["expect"]["commitMessage"]


def split_keys_are_valid(case: dict[str, Any]) -> bool:
    try:
        return all(split_key(update["key"]) for update in case["updates"]) and not is_not_toml(case["before"])
    except EditError:
        return False
