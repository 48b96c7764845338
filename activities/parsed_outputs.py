"""What yaml-parse, json-parse and toml-parse share: their configuration, and outputs taken by expressions."""

from __future__ import annotations

import json
from typing import Any, cast

from pydantic import Field

from freightway import expr
from freightway.activities.steps.registry import StepConfig
from freightway.errors import ExpressionError, StepErrored
from freightway.expr.failure import Failure
from freightway.expr.gojson import encode_json
from freightway.expr.limits import DEFAULT_LIMITS
from freightway.expr.run import Run


class ParsedOutput(StepConfig):
    """A value taken from the document."""

    name: str = Field(min_length=1, description="Name of the output.")
    from_expression: str = Field(
        min_length=1, description="Expression over the document that gives it, without `${{ }}`."
    )


class ParseConfig(StepConfig):
    """Configuration of the steps that read a file."""

    path: str = Field(min_length=1, description="The file.")
    outputs: tuple[ParsedOutput, ...] = Field(min_length=1, description="Values for later steps.")


def take_outputs(config: ParseConfig, document: Any) -> dict[str, Any]:
    """Return the outputs; the document's top-level keys are the names that the expressions see.

    Raises:
        StepErrored: if an expression does not compile or evaluate, or gives what cannot be stored.
    """
    outputs = {}
    for wanted in config.outputs:
        try:
            outputs[wanted.name] = json.loads(encode_json(_evaluate(wanted.from_expression, document)))
        except (ExpressionError, Failure) as error:
            raise StepErrored(f"output {wanted.name!r} of {config.path!r}: {error}") from error
    return outputs


def _evaluate(source: str, document: Any) -> object:
    program = expr.compile(source)
    if isinstance(document, dict):
        return program.run(document)
    # A list or a single value has no names: it is read as a whole, by $env.
    return program.run_metered(cast("Any", document), {}, Run({}, {}, 0, DEFAULT_LIMITS, None))


def as_floats(value: Any) -> Any:
    """Return plain JSON as expressions see it in Kargo: every number is a floating one."""
    if isinstance(value, bool) or not isinstance(value, (int, dict, list)):
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, dict):
        return {key: as_floats(item) for key, item in value.items()}
    return [as_floats(item) for item in value]
