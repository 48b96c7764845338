"""json-parse: take values from a JSON file.

Source: Kargo pkg/promotion/runner/builtin/json_parser.go.
"""

from __future__ import annotations

import json
from typing import Any

from freightway.activities.files import in_thread, read_text
from freightway.activities.parsed_outputs import ParseConfig, as_floats, take_outputs
from freightway.activities.steps.registry import Workspace, step
from freightway.errors import StepErrored


class JsonParseConfig(ParseConfig):
    """Configuration of json-parse."""


@step("json-parse", config=JsonParseConfig)
async def json_parse(config: JsonParseConfig, workspace: Workspace) -> dict[str, Any]:
    """Return the outputs.

    Raises:
        StepErrored: if the file is not JSON, or an expression is wrong.
    """
    text = await in_thread(read_text, workspace, config.path)
    return await in_thread(_parse, config, text)


def _parse(config: JsonParseConfig, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StepErrored(f"file {config.path!r} is not JSON: {error}") from error
    return take_outputs(config, as_floats(document))


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
