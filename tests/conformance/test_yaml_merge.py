"""yaml-merge does what Kargo does: the same data, and errors for the same inputs.

One rule differs: an alias stands for what it refers to (Kargo loses the fields of a merged mapping that are aliases).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from facts import Loader, case_id, cases
from pydantic import ValidationError

from freightway.edits.config import YamlMergeConfig
from freightway.edits.errors import EditError
from freightway.edits.messages import yaml_merge_message
from freightway.edits.yaml_merge import merge_yaml

NAMES = ("inFiles", "outFile", "ignoreMissingFiles")


def run(case: dict[str, Any], folder: Path) -> tuple[str, str]:
    config = YamlMergeConfig.model_validate({name: case[name] for name in NAMES if name in case})
    for name, text in case["files"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    there = [name for name in config.in_files if (folder / name).exists() or not config.ignore_missing_files]
    texts = [(name, (folder / name).read_bytes().decode()) for name in there]
    return merge_yaml(texts), yaml_merge_message(there, config.out_file)


def data(text: str) -> Any:
    """The data of the first document in order; a whole number and its text with a fraction differ, as in YAML."""
    loader = Loader(text)
    node = loader.get_node() if loader.check_node() else None
    return ordered(node)


def ordered(node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return ("map", [(ordered(key), ordered(value)) for key, value in node.value])
    if isinstance(node, yaml.SequenceNode):
        return [ordered(item) for item in node.value]
    return (node.tag, node.value) if node is not None else None


def has_alias(text: str) -> bool:
    return any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader))


@pytest.mark.parametrize("case", cases("yaml-merge"), ids=case_id)
def test_yaml_merge(case: dict[str, Any], tmp_path: Path) -> None:
    if case["expect"].get("error"):
        with pytest.raises((EditError, ValidationError, FileNotFoundError)):
            run(case, tmp_path)
        return
    text, message = run(case, tmp_path)
    assert message == case["expect"].get("commitMessage", "")
    if len(case["inFiles"]) > 1 and any(has_alias(case["files"].get(name, "")) for name in case["inFiles"]):
        written_out = [case["files"][name] for name in case["inFiles"] if name in case["files"]]
        assert data(text) == data(merge_yaml([("", without_aliases(one)) for one in written_out]))
        return
    assert data(text) == data(case["expect"]["value"])


def without_aliases(text: str) -> str:
    """The first document with every alias written out."""
    loader = Loader(text)
    node = loader.get_node() if loader.check_node() else None
    return "" if node is None else yaml.serialize(copied(node), Dumper=yaml.SafeDumper)


def copied(node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return yaml.MappingNode(node.tag, [(copied(key), copied(value)) for key, value in node.value])
    if isinstance(node, yaml.SequenceNode):
        return yaml.SequenceNode(node.tag, [copied(item) for item in node.value])
    return yaml.ScalarNode(node.tag, node.value, style='"' if node.tag.endswith(":str") else None)
