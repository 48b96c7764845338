"""What the public surface promises beside the language itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from freightway import expr
from freightway.errors import ExpressionError
from freightway.expr import evaluate, has_expression, render, render_config, render_json, to_plain

NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


def test_now_is_what_is_injected() -> None:
    assert evaluate("now().Format('2006-01-02 15:04')", {}, now=NOW) == "2026-05-01 12:30"
    assert evaluate("now().Year()", {}, now=lambda: NOW) == 2026
    assert evaluate("now(timezone('Europe/Zurich')).Hour()", {}, now=NOW) == 14
    assert render("${{ now() }}", {}, now=NOW) == "2026-05-01T12:30:00Z"


def test_times_and_durations_of_the_environment_are_those_of_the_language() -> None:
    env = {"at": NOW.astimezone(timezone(timedelta(hours=2))), "soak": timedelta(hours=1)}
    assert evaluate("at.Hour()", env) == 14
    assert evaluate("(at + soak).UTC().Hour()", env) == 13
    assert to_plain(evaluate("[at, soak]", env)) == ["2026-05-01T14:30:00+02:00", 3_600_000_000_000]


def test_program_runs_again_in_another_environment() -> None:
    program = expr.compile("map(items, # * factor)")
    assert program.run({"items": [1, 2], "factor": 2}) == [2, 4]
    assert program.run({"items": [1.5], "factor": 2}) == [3.0]


def test_constant_list_of_a_program_is_not_shared_between_runs() -> None:
    program = expr.compile("[1, 2, 3]")
    first = program.run({})
    assert isinstance(first, list)
    first.append(4)
    assert program.run({}) == [1, 2, 3]


def test_environment_is_not_changed() -> None:
    env = {"list": [3, 1, 2], "map": {"a": 1}}
    evaluate("sort(list) | concat(reverse(list)) | uniq()", env)
    assert env == {"list": [3, 1, 2], "map": {"a": 1}}


def test_keys_are_never_evaluated() -> None:
    assert render({"${{ a }}": ["${{ a }}", {"b": "x-${{ a }}"}]}, {"a": 1}) == {
        "${{ a }}": [1.0, {"b": "x-1"}]
    }


def test_config_has_whole_numbers_as_integers() -> None:
    config = render_config({"port": "${{ 8080 }}", "half": "${{ 0.5 }}", "tag": "1.20", "n": 3}, {})
    assert config == {"port": 8080, "half": 0.5, "tag": "1.20", "n": 3}
    assert isinstance(config["port"], int)


def test_infinity_has_no_place_in_a_config() -> None:
    with pytest.raises(ExpressionError, match="unsupported value"):
        render_config({"a": "${{ 'inf' }}"}, {})


def test_json_template_needs_an_object() -> None:
    assert render_json('{"b": "${{ 1 }}", "a": "<"}', {}) == '{"a":"\\u003c","b":1}'
    for text in ("[]", "1", "{", '{"a": 1} x'):
        with pytest.raises(ExpressionError):
            render_json(text, {})
    with pytest.raises(ExpressionError, match="reserved"):
        render_json("{}", {"quote": 1})


def test_has_expression_knows_both_delimiters() -> None:
    assert [has_expression(text) for text in ("a", "${ a }", "x ${{", "${% a %}")] == [
        False,
        False,
        True,
        True,
    ]


def test_zone_of_the_machine_does_not_matter() -> None:
    assert evaluate("timezone('Local').String()", {}) == "Local"
    assert evaluate("date('2026-01-01').In(timezone('Local')).Hour()", {}) == 0


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'é'[0:1] + 'é'[1:2]", "é"),
        ("len('é'[0:1])", 1),
        ("upper('straße')", "STRAßE"),
        ("lower('İ')", "i"),
        ("indexOf('héllo', 'l')", 3),
        ("'a' ?? 'b' | upper()", "A"),
        ("date('10:00:00').Year()", 0),
        ("date('2024-02-30', '2006-01-02') ", None),
        ("string(duration('1h30m') / 1)", None),
        ("findLastIndex([1, 2], # == 1) + 1", 1),
    ],
)
def test_corners_of_the_language(source: str, expected: object) -> None:
    if expected is None:
        with pytest.raises(ExpressionError):
            evaluate(source, {})
    else:
        assert evaluate(source, {}) == expected
