"""yaml-update does what Kargo does: the same data, and errors for the same inputs.

Ours differs from Kargo's text by rule, so the data is compared with a model: the first document of the file with the
addressed scalars replaced by the values as given. Kargo's own text is held against the model where Kargo wrote what
it was told (it does not where its text is no YAML, or where it left a string unquoted that a reader takes for
something else).
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from facts import Loader, case_id, cases
from pydantic import ValidationError

from freightway.edits.config import UpdateConfig
from freightway.edits.errors import EditError
from freightway.edits.keys import split_key
from freightway.edits.messages import yaml_update_message
from freightway.edits.yaml_update import update_yaml

CASES = cases("yaml-update")


def run(case: dict[str, Any]) -> tuple[str, str]:
    config = UpdateConfig.model_validate({"path": "values.yaml", "updates": case["updates"]})
    return update_yaml(case["before"], config.pairs), yaml_update_message(config.path, config.pairs)


def compose(text: str) -> yaml.Node | None:
    loader = Loader(text)
    return loader.get_node() if loader.check_node() else None


def pairs(node: yaml.Node | None, changed: dict[int, object]) -> Any:
    """The data of a node; aliases, repeated names and merge keys as they are written."""
    if node is None:
        return None
    if id(node) in changed:
        return ("given", comparable(changed[id(node)]))
    if isinstance(node, yaml.MappingNode):
        return [(pairs(key, changed), pairs(value, changed)) for key, value in node.value]
    if isinstance(node, yaml.SequenceNode):
        return [pairs(item, changed) for item in node.value]
    return (node.tag, node.value)


def comparable(value: object) -> object:
    return (
        ("number", float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value
    )


def find(node: Any, key: str) -> Any:
    for part in split_key(key):
        if isinstance(node, yaml.MappingNode):
            node = next(value for name, value in node.value if name.value == part)
        else:
            node = node.value[int(part)]
    return node


def data_at(node: Any) -> object:
    constructor = yaml.SafeLoader("")
    return comparable(constructor.construct_document(node))


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_yaml_update(case: dict[str, Any]) -> None:
    if case["expect"].get("error"):
        with pytest.raises((EditError, ValidationError)):
            run(case)
        return
    text, message = run(case)
    before, after = compose(case["before"]), compose(text)
    last = {update["key"]: update["value"] for update in case["updates"]}
    changed = {id(find(before, key)): value for key, value in last.items()}
    new = {id(find(after, key)): data_at(find(after, key)) for key in last}
    assert pairs(after, new) == pairs(before, changed)
    if all(isinstance(update["value"], str | bool) for update in case["updates"]):
        assert message == case["expect"]["commitMessage"]


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_lines_without_an_addressed_value_stay(case: dict[str, Any]) -> None:
    if case["expect"].get("error"):
        return
    text, _ = run(case)
    root = compose(case["before"])
    places = [find(root, update["key"]) for update in case["updates"]]
    touched = {line for node in places for line in range(node.start_mark.line, node.end_mark.line + 1)}
    kept = [line for number, line in enumerate(case["before"].split("\n")) if number not in touched]
    remaining = iter(text.split("\n"))
    assert all(line in remaining for line in kept)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_second_run_changes_nothing(case: dict[str, Any]) -> None:
    single = all(not isinstance(update.get("value"), list | dict) for update in case["updates"])
    if case["expect"].get("error") or not single:
        return
    text, _ = run(case)
    assert run({**case, "before": text})[0] == text
