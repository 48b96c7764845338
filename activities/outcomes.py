"""What a step gave or raised, as an outcome: statuses, messages in Kargo's words, and JSON.

Source: Kargo ``pkg/promotion/local_executor.go`` (messages) and ``local_orchestrator.go`` (status and error).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_jsonable_python

from freightway.activities.steps.registry import Result, StepOutput, Waiting
from freightway.errors import AdapterError, FreightwayError, StepErrored, StepFailed
from freightway.promotion.model import StepOutcome, StepStatus

_BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    SyntaxError,
    TypeError,
)
"""What Go would panic for: a further attempt would end the same way."""


@dataclass(frozen=True, slots=True)
class RunnerResult:
    """A result in Kargo's own terms, with a status and an error side by side, for steps taken over from there.

    Attributes:
        status: any of Kargo's statuses; another text is reported as invalid.
        error: text of the error that came with it, None for none.
        terminal: the error is final.
    """

    status: str = "Succeeded"
    message: str = ""
    error: str | None = None
    terminal: bool = False
    output: Mapping[str, Any] | None = None


def outcome_of(alias: str, value: Any) -> StepOutcome:
    """Return the outcome for what a step function returned.

    Raises:
        StepErrored: if its output is not plain JSON.
        TypeError: if it returned something that no step may return.
    """
    if isinstance(value, Waiting):
        return StepOutcome(
            status=StepStatus.RUNNING,
            message=value.why,
            retry_after=value.after,
            output=plain_output(value.output),
        )
    if isinstance(value, RunnerResult):
        return _reconciled(alias, value)
    if isinstance(value, Result):
        return StepOutcome(
            status=StepStatus(value.status),
            message=value.message,
            output=plain_output(value.output),
            health_check=value.health_check,
            metadata=value.metadata,
            retry_after=value.after,
        )
    return StepOutcome(status=StepStatus.SUCCEEDED, output=plain_output(value))


def outcome_of_error(alias: str, error: Exception) -> StepOutcome:
    """Return the outcome for what a step function raised."""
    text = str(error) or type(error).__name__
    if isinstance(error, StepFailed):
        return _error(StepStatus.FAILED, f'step "{alias}": {text}', terminal=True)
    prefix = f'error running step "{alias}"'
    if isinstance(error, StepErrored):
        return _error(StepStatus.ERRORED, f"{prefix}: {text}", terminal=error.terminal)
    if isinstance(error, AdapterError):
        outcome = _error(StepStatus.ERRORED, f"{prefix}: {text}", terminal=False)
        return outcome.model_copy(update={"retry_after": error.retry_after})
    if not isinstance(error, FreightwayError) and isinstance(error, _BUGS):
        return _error(StepStatus.ERRORED, f"{prefix}: step panicked: {text}", terminal=True)
    return _error(StepStatus.ERRORED, f"{prefix}: {text}", terminal=False)


def unknown_kind(kind: str) -> StepOutcome:
    """Return Kargo's outcome for a step whose kind no worker knows."""
    return StepOutcome(
        status=StepStatus.ERRORED,
        message=(
            f'step kind "{kind}" is not registered; verify the kind is correct; if you are a Kargo '
            "Enterprise user, you may need to enable the promotion controller"
        ),
        ran=False,
        error=True,
        counted=False,
    )


def invalid_config(alias: str, kind: str, error: ValidationError) -> StepOutcome:
    """Return the outcome for a configuration that its model refuses, in the words of Kargo's schemas."""
    problems = "\n".join(f"{path}: {text}" for path, text in map(config_problem, error.errors()))
    return _error(StepStatus.FAILED, f'step "{alias}": invalid {kind} config: {problems}', terminal=True)


def config_problem(error: ErrorDetails) -> tuple[str, str]:
    """Return where in the configuration a problem is (``(root)`` for the whole) and what it is."""
    location, kind, context = list(error["loc"]), error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _path(location[:-1]), f"Additional property {location[-1]} is not allowed"
    if kind == "missing":
        return _path(location[:-1]), f"{location[-1]} is required"
    path = _path(location)
    if kind in _EXPECTED:
        return path, f"Invalid type. Expected: {_EXPECTED[kind]}, given: {json_type(error['input'])}"
    if kind == "string_too_short":
        return path, f"String length must be greater than or equal to {context['min_length']}"
    if kind == "string_pattern_mismatch":
        return path, f"Does not match pattern '{context['pattern']}'"
    if kind == "too_short":
        what = "properties" if context.get("field_type") == "Dictionary" else "items"
        return path, f"{_CONTAINERS[what]} at least {context['min_length']} {what}"
    if kind in ("literal_error", "enum"):
        name = location[-1] if location else "(root)"
        return (
            path,
            f"{name} must be one of the following: {str(context['expected']).replace(chr(39), chr(34))}",
        )
    return path, error["msg"].removeprefix("Value error, ")


_EXPECTED = {
    "string_type": "string",
    "int_type": "integer",
    "int_from_float": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "list_type": "array",
    "tuple_type": "array",
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "none_required": "null",
}
_CONTAINERS = {"properties": "Must have", "items": "Array must have"}


def json_type(value: Any) -> str:
    """Return the name that JSON schema gives to the type of a plain value."""
    if value is None:
        return "null"
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string")):
        if isinstance(value, kind):
            return name
    return "object" if isinstance(value, Mapping) else "array" if isinstance(value, Sequence) else "unknown"


def plain_output(value: StepOutput | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a step's output as plain JSON; fields of a model that are None are left out.

    Raises:
        StepErrored: if it holds something that JSON cannot.
        TypeError: if it is not a map.
    """
    if value is None:
        return None
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not isinstance(value, Mapping):
        raise TypeError(f"a step must return a map, a Result, Waiting or None, not {type(value).__name__}")
    try:
        plain = to_jsonable_python(value, by_alias=True)
        json.dumps(plain, allow_nan=False)
    except (PydanticSerializationError, ValueError) as error:
        raise StepErrored(f"the output is not plain JSON: {error}", terminal=True) from error
    return {str(key): item for key, item in plain.items()}


def _reconciled(alias: str, result: RunnerResult) -> StepOutcome:
    output = plain_output(result.output)
    if result.status not in StepStatus.__members__.values():
        text = f'step "{alias}" returned an invalid status: {result.status}'
        return StepOutcome(status=StepStatus.ERRORED, message=text, terminal=True, output=output)
    status = StepStatus(result.status)
    if result.error is not None:
        prefix = "error running step" if status is StepStatus.ERRORED else "step"
        final = status if status is StepStatus.FAILED else StepStatus.ERRORED
        outcome = _error(final, f'{prefix} "{alias}": {result.error}', terminal=result.terminal)
        return outcome.model_copy(update={"output": output})
    if status is StepStatus.ERRORED:
        text = f'step "{alias}" errored: {result.message or "no details provided"}'
        outcome = _error(status, result.message, terminal=False)
        return outcome.model_copy(update={"output": output, "error_text": text})
    return StepOutcome(status=status, message=result.message, output=output)


def _error(status: StepStatus, message: str, *, terminal: bool) -> StepOutcome:
    return StepOutcome(status=status, message=message, error=True, terminal=terminal)


def _path(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location) or "(root)"
