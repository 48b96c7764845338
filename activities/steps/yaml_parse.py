"""yaml-parse: take values from a YAML file.

Source: Kargo pkg/promotion/runner/builtin/yaml_parser.go.
"""

from __future__ import annotations

import math
from typing import Any

import yaml

from freightway.activities.files import in_thread, read_text
from freightway.activities.parsed_outputs import ParseConfig, as_floats, take_outputs
from freightway.activities.steps.registry import Workspace, step
from freightway.errors import StepErrored

MOST_NODES = 1_000_000
"""Most values in a document with its aliases written out: a few lines of aliases can stand for billions."""


class YamlParseConfig(ParseConfig):
    """Configuration of yaml-parse."""


@step("yaml-parse", config=YamlParseConfig)
async def yaml_parse(config: YamlParseConfig, workspace: Workspace) -> dict[str, Any]:
    """Return the outputs.

    Raises:
        StepErrored: if the file is not one YAML document, or an expression is wrong.
    """
    text = await in_thread(read_text, workspace, config.path)
    return await in_thread(_parse, config, text)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads YAML as JSON would have it: dates stay text, a key may not stand twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to configure a loader
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> Any:
        seen = set()
        if isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                    if (key.tag, key.value) in seen:
                        raise yaml.constructor.ConstructorError(
                            None, None, f"key {key.value!r} is there twice", key.start_mark
                        )
                    seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


def _parse(config: YamlParseConfig, text: str) -> dict[str, Any]:
    if not text.strip():
        raise StepErrored(f"file {config.path!r} is empty: could not parse empty YAML file")
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise StepErrored(f"file {config.path!r} is not one YAML document: {error}") from error
    return take_outputs(config, as_floats(_Plain(config.path).plain(document)))


class _Plain:
    """Makes plain JSON of what YAML gave."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.left = MOST_NODES

    def plain(self, value: Any, depth: int = 0) -> Any:
        self.left -= 1
        if self.left < 0 or depth > 200:
            raise StepErrored(f"file {self.path!r} holds too much once its aliases are written out")
        if isinstance(value, dict):
            return {_key(key): self.plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple, set)):
            return [self.plain(item, depth + 1) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            raise StepErrored(f"file {self.path!r} holds the number {value}, which JSON has not")
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise StepErrored(f"file {self.path!r} holds a value of type {type(value).__name__}")


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    return "null" if key is None else str(key)
