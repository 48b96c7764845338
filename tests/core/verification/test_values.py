"""Durations, JSON and numbers are those of Go."""

from __future__ import annotations

from datetime import timedelta

import pytest

from freightway.verification.durations import go_duration
from freightway.verification.values import decode_json, json_text, number_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90s", 90),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("-2m", -120),
        ("+1ms", 0.001),
        ("5µs", 5e-6),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert go_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'time: invalid duration ""'),
        ("60", 'time: missing unit in duration "60"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("5 m", 'time: unknown unit " m" in duration "5 m"'),
        ("m", 'time: invalid duration "m"'),
        (".s", 'time: invalid duration ".s"'),
        ("1h-2m", 'time: unknown unit "h-" in duration "1h-2m"'),
        ("99999999h", 'time: invalid duration "99999999h"'),
    ],
)
def test_mistake_in_a_duration_is_named_as_in_go(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        go_duration(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10.0, "10"),
        (0.95, "0.95"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
    ],
)
def test_number_has_no_exponent(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-7, "1e-7"),
        (0.00001, "0.00001"),
        ({"b": 1.0, "a": [None, True, "<&>"]}, '{"a":[null,true,"\\u003c\\u0026\\u003e"],"b":1}'),
        ("é\u2028", '"é\\u2028"'),
    ],
)
def test_json_is_written_as_in_go(value: object, text: str) -> None:
    assert json_text(value) == text


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "", "{} x", "{'a':1}", "[" * 100_000])
def test_what_go_does_not_take_for_json_is_none(text: str) -> None:
    with pytest.raises(ValueError):
        decode_json(text)


def test_numbers_are_floats_and_half_characters_are_replaced() -> None:
    decoded = decode_json('{"a": 100000000000000000001, "b": "\\ud800x", "c": "\\ud83d\\ude00"}')
    assert decoded == {"a": 1e20, "b": "\ufffdx", "c": "😀"}
    assert isinstance(decoded["a"], float)
