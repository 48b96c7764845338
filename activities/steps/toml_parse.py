"""toml-parse: take values from a TOML file.

Source: Kargo pkg/promotion/runner/builtin/toml_parser.go.
"""

from __future__ import annotations

import tomllib
from datetime import date, datetime, time
from typing import Any

from freightway.activities.files import in_thread, read_text
from freightway.activities.parsed_outputs import ParseConfig, take_outputs
from freightway.activities.steps.registry import Workspace, step
from freightway.errors import StepErrored


class TomlParseConfig(ParseConfig):
    """Configuration of toml-parse."""


@step("toml-parse", config=TomlParseConfig)
async def toml_parse(config: TomlParseConfig, workspace: Workspace) -> dict[str, Any]:
    """Return the outputs.

    Raises:
        StepErrored: if the file is not TOML, or an expression is wrong.
    """
    text = await in_thread(read_text, workspace, config.path)
    return await in_thread(_parse, config, text)


def _parse(config: TomlParseConfig, text: str) -> dict[str, Any]:
    try:
        document = tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StepErrored(f"file {config.path!r} is not TOML: {error}") from error
    return take_outputs(config, _dates_as_text(document))


def _dates_as_text(value: Any) -> Any:
    """Dates and times without a zone are no instants: expressions see them as they are written."""
    if isinstance(value, dict):
        return {key: _dates_as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dates_as_text(item) for item in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    return value.isoformat() if isinstance(value, (date, time)) else value
