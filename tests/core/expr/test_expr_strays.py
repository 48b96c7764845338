"""``findLast`` and its like leave bools on the stack of expr-lang; every value here was recorded from version 1.17.8."""

from __future__ import annotations

import pytest

from freightway.errors import ExpressionError
from freightway.expr import evaluate

ENV = {"ints": [5, 3, 9, 1, 3], "nope": None}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("findLast(ints, # > 3) + 1", 10),
        ("[findLast(ints, # > 3), 1]", [9, 1]),
        ("let found = findLast(ints, # > 3); [1, found]", [1, 9]),
        ("[1, findLast(ints, # > 3)]", [True, 9]),
        ("[1, 2, findLast([], true)]", [2, False, None]),
        ("[7, (let x = findLast(ints, # > 3); x)]", [True, 9]),
        ("len([1, findLast(ints, # > 3)])", 2),
        ("any(ints, findLast(ints, # > 3) == 9) ? 1 : 2", 1),
    ],
)
def test_later_operand_hides_earlier_ones(source: str, expected: object) -> None:
    assert evaluate(source, ENV) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[1, first(filter(ints, # > 3))]", [1, 5]),
        ("[1, last(filter(ints, # > 3))]", [True, 9]),
        ("[1, filter(ints, # > 3)[-1]]", [True, 9]),
    ],
)
def test_end_of_a_filtered_list_is_a_find(source: str, expected: object) -> None:
    assert evaluate(source, ENV) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("map(ints, findLast(ints, # > 3))", [9, True, True, True, 9]),
        ("filter(ints, findLast(ints, # > 3) == 9)", [1, True, True, True, 3]),
        ("map(filter(ints, # > 4), findLast([#], true))", [True, 9]),
    ],
)
def test_loop_gathers_what_its_predicate_left(source: str, expected: object) -> None:
    assert evaluate(source, ENV) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("nope?.method(2)", None),
        ("[1, nope?.method(2)]", [2, None]),
        ("[0, nope?.method(2).other(3)]", [2, None]),
    ],
)
def test_skipped_call_leaves_its_arguments(source: str, expected: object) -> None:
    assert evaluate(source, ENV) == expected


@pytest.mark.parametrize(
    "source",
    [
        "1 + findLastIndex(ints, # > 3)",
        "{a: 1, b: findLast(ints, # > 3)}",
        "max(1, findLast(ints, # == 9))",
        "ints[findLastIndex([1], true):]",
    ],
)
def test_bool_where_another_value_is_needed_is_an_error(source: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, ENV)
    assert caught.value.stage == "run"
