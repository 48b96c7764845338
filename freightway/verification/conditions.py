"""What a measurement means: success and failure conditions over the result of a provider.

A condition is checked against the type of the actual result before it runs, so that comparing a text with a number
is an error and not false. Below the result itself nothing is known of the types, and such a comparison is false.

Source: Argo Rollouts ``utils/evaluate``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from freightway import expr
from freightway.errors import ExpressionError
from freightway.expr.checker import check
from freightway.expr.failure import Failure, expression_error
from freightway.expr.gofloat import parse_float
from freightway.expr.gotime import Time
from freightway.expr.natures import (
    ANY,
    BOOL,
    FLOAT,
    FLOATS,
    INT,
    INT64,
    LIST,
    MAP,
    NIL,
    STRING,
    Nature,
    Signature,
    function_of,
)
from freightway.expr.parser import parse
from freightway.expr.signatures import BUILTIN_NATURES
from freightway.expr.values import Function, Int64, type_name
from freightway.resources.analysis import AnalysisPhase, Metric

NO_DATA = "metric result is nil or empty: no data returned from the metric provider"

_INTEGER = re.compile(r"[-+]?[0-9]+")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])_(?=[0-9])")
_LIMIT = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def judge(metric: Metric, result: Any, *, now: datetime) -> tuple[AnalysisPhase, str]:
    """Return the phase of a measurement and, for an Error, why.

    Both conditions are evaluated when both are given, the success condition first.

    Args:
        metric: the metric with its arguments put in.
        result: decoded JSON with float numbers, a float, a text, None, or a tuple for a list of floats.
        now: what ``now()`` gives in a condition.
    """
    succeeded = failed = False
    for name, condition in (
        ("successCondition", metric.success_condition),
        ("failureCondition", metric.failure_condition),
    ):
        if not condition:
            continue
        try:
            holds = evaluate_condition(condition, result, now=now)
        except ExpressionError as error:
            reason = NO_DATA if result is None or result in ([], ()) else error.message
            return AnalysisPhase.ERROR, f'could not evaluate {name} "{condition}": {reason}'
        if name == "successCondition":
            succeeded = holds
        else:
            failed = holds
    return _phase(metric, succeeded=succeeded, failed=failed), ""


def _phase(metric: Metric, *, succeeded: bool, failed: bool) -> AnalysisPhase:
    if failed:
        return AnalysisPhase.FAILED
    if succeeded:
        return AnalysisPhase.SUCCESSFUL
    if metric.success_condition:
        return AnalysisPhase.INCONCLUSIVE if metric.failure_condition else AnalysisPhase.FAILED
    return AnalysisPhase.SUCCESSFUL


def evaluate_condition(source: str, result: Any, *, now: datetime) -> bool:
    """Return whether a condition holds for a result.

    Args:
        source: the expression; it sees ``result``, ``asInt``, ``asFloat``, ``isNaN``, ``isInf``, ``isNil``, ``default``.
        result: as for ``judge``.
        now: what ``now()`` gives.
    Raises:
        ExpressionError: if the condition does not compile for this result, does not evaluate, or yields no boolean.
    """
    functions = _functions(result)
    names = _Environment({"result": _nature_of(result), **_NATURES})
    nature = _checked(source, names)
    if not nature.is_bool and not nature.is_unknown:
        raise ExpressionError(f"expected bool, but got {_type_name(nature)}", stage="compile")
    value = expr.evaluate(source, {"result": _plain(result)}, functions=functions, now=now)
    if not isinstance(value, bool):
        raise ExpressionError(f"expected bool, but got {type_name(value)}")
    return value


def evaluate_time(source: str, *, now: datetime) -> datetime:
    """Return the instant that an expression such as ``now() - duration("5m")`` yields.

    Raises:
        ExpressionError: if it does not evaluate, or yields no time.
    """
    nature = _checked(source, _Environment({}))
    if not nature.is_time and not nature.is_unknown:
        raise ExpressionError(f"expected time.Time, but got {_type_name(nature)}", stage="compile")
    value = expr.evaluate(source, {}, now=now)
    if not isinstance(value, Time):
        raise ExpressionError(f"expected time.Time, but got {type_name(value)}")
    try:
        return _EPOCH + timedelta(microseconds=value.nanoseconds // 1000)
    except OverflowError as error:
        raise ExpressionError("the time is outside the years 1 to 9999") from error


class _Environment(Mapping[str, Nature]):
    """The types of the names that a condition sees; any other name is refused."""

    def __init__(self, natures: Mapping[str, Nature]) -> None:
        self._natures = natures

    def __getitem__(self, name: str) -> Nature:
        nature = self._natures.get(name)
        if nature is None and name not in BUILTIN_NATURES and not name.startswith("$"):
            raise Failure(f"unknown name {name}")
        if nature is None:
            raise KeyError(name)
        return nature

    def __iter__(self) -> Iterator[str]:
        return iter(self._natures)

    def __len__(self) -> int:
        return len(self._natures)

    def __contains__(self, name: object) -> bool:
        return name in self._natures


def _checked(source: str, names: _Environment) -> Nature:
    try:
        return check(parse(source, functions=tuple(names)), names)
    except Failure as failure:
        raise expression_error(failure, source, "compile") from failure


_SIGNATURES: dict[str, tuple[Signature, ...]] = {
    "asInt": (Signature((ANY,), INT64),),
    "asFloat": (Signature((ANY,), FLOAT),),
    "isNaN": (Signature((FLOAT,), BOOL),),
    "isInf": (Signature((FLOAT,), BOOL),),
    "isNil": (Signature((ANY,), BOOL),),
    "default": (Signature((ANY, ANY), ANY),),
}
_NATURES = {name: function_of(*signatures) for name, signatures in _SIGNATURES.items()}


def _nature_of(result: Any) -> Nature:
    match result:
        case None:
            return NIL
        case bool():
            return BOOL
        case int():
            return INT
        case float():
            return FLOAT
        case str():
            return STRING
        case tuple():
            return FLOATS
        case list():
            return LIST
        case dict():
            return MAP
        case _:
            return ANY


def _type_name(nature: Nature) -> str:
    return "nil" if nature.is_nil else str(nature)


def _plain(result: Any) -> Any:
    return list(result) if isinstance(result, tuple) else result


def _functions(result: Any) -> dict[str, Function]:
    plain = _plain(result)
    calls: dict[str, Callable[..., object]] = {
        "asInt": _as_int,
        "asFloat": _as_float,
        "isNaN": lambda number: math.isnan(float(number)),
        "isInf": lambda number: math.isinf(float(number)),
        # Argo Rollouts looks at the whole result, whatever the argument is.
        "isNil": lambda _: plain is None,
        "default": lambda _, fallback: fallback if plain is None else plain,
    }
    return {name: Function(name, call, _SIGNATURES[name]) for name, call in calls.items()}


def _as_int(value: object) -> object:
    match value:
        case bool():
            pass
        case int():
            return Int64(value)
        case float():
            # Go's conversion of what does not fit is the smallest integer.
            fits = math.isfinite(value) and -_LIMIT <= value < _LIMIT
            return Int64(int(value) if fits else -_LIMIT)
        case str():
            if not _INTEGER.fullmatch(value):
                raise Failure(f"strconv.ParseInt: parsing {json.dumps(value)}: invalid syntax")
            if not -_LIMIT <= int(value) < _LIMIT:
                raise Failure(f"strconv.ParseInt: parsing {json.dumps(value)}: value out of range")
            return Int64(int(value))
    raise Failure(f"asInt() not supported on {type_name(value)}")


def _as_float(value: object) -> object:
    match value:
        case bool():
            pass
        case int() | float():
            return float(value)
        case str():
            try:
                return parse_float(_BETWEEN_DIGITS.sub("", value))
            except ValueError as error:
                raise Failure(f"strconv.ParseFloat: parsing {json.dumps(value)}: invalid syntax") from error
    raise Failure(f"asFloat() not supported on {type_name(value)}")
