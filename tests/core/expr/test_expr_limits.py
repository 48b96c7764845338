"""Whatever an expression says, it ends soon, with a value or with an ExpressionError."""

from __future__ import annotations

import contextlib

import pytest

from freightway import expr
from freightway.errors import ExpressionError
from freightway.expr import Limits, evaluate, render

ENV = {"s": "x" * 1000, "n": 7, "ints": [1, 2, 3]}
SHARED = "reduce(1..60, [#acc, #acc], [])"
LOOKS_LIKE_A_BOMB = {
    "deep parentheses": "(" * 5000 + "1" + ")" * 5000,
    "deep unary": "-" * 9000 + "1",
    "deep lists": "[" * 3000,
    "deep maps": "{a:" * 3000,
    "deep members": "a." * 4000 + "b",
    "deep optional members": "a?." * 4000 + "b",
    "deep indexes": "a" + "[0]" * 3000,
    "deep ternaries": "a ? " * 3000 + "1",
    "deep pipes": "n" + " | string()" * 900,
    "deep blocks": "if true {" * 500 + "1" + "} else {2}" * 500,
    "deep negations": "1" + " not in [1]" * 900,
    "too many nodes": "+".join(["n"] * 5100),
    "growing text": "reduce(1..100, #acc + #acc, 'x')",
    "growing text by replacing": "replace(repeat('a', 900000), '', repeat('b', 90000))",
    "growing text by joining": "join(map(1..100000, 'aaaa'), repeat('x', 10000))",
    "much text": "let a = repeat('x', 900000); a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a+a",
    "shared lists as value": SHARED,
    "shared lists as text": f"string({SHARED})",
    "shared lists as JSON": f"toJSON({SHARED})",
    "shared lists flattened": f"flatten({SHARED})",
    "shared lists compared": f"{SHARED} == {SHARED}",
    "shared lists in max": "max(reduce(1..60, [#acc, #acc], [1]))",
    "nested value": "reduce(1..20000, [#acc], [])",
    "nested loops": "all(1..999999, all(1..999999, true))",
    "quadratic uniq": "uniq(1..400000)",
    "huge range": "1..9223372036854775807",
    "huge repeat": "repeat(repeat('a', 999), 99999)",
    "huge pattern": "'a' matches '(a{1000}){1000}'",
    "deep JSON": "fromJSON(repeat('[', 100000))",
    "elvis doubled": "(" * 20 + "true" + " ?: true)" * 20 + " + 1",
    "comparison doubled": "f(" * 30 + "n < n < n" + ") < f(n) < n" * 30,
}
GIVES_A_VALUE = {
    "2 ** 99999": float("inf"),
    "9223372036854775807 + 1": -(2**63),
    "+".join(["1"] * 4900): 4900,
    "+".join(["n"] * 2000): 14000,
    "s[-9223372036854775807:9223372036854775807]": "x" * 1000,
    "repeat('a', 900000) matches '(a+)+$'": True,
    "repeat('a', 900000) matches '(x+x+)+y'": False,
    "bitshl(1, 9223372036854775807)": 0,
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("source", LOOKS_LIKE_A_BOMB.values(), ids=LOOKS_LIKE_A_BOMB)
def test_hostile_expression_ends_in_an_expression_error(source: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(source, ENV)


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("source", "expected"), GIVES_A_VALUE.items(), ids=lambda value: str(value)[:40])
def test_extreme_expression_gives_its_value(source: str, expected: object) -> None:
    assert evaluate(source, ENV) == expected


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "template",
    [
        "${{ n }}" * 50_000,
        "${{ repeat('a', 900000) }}" * 50,
        "".join(f"${{{{ n + {i} }}}}" for i in range(20_000)),
    ],
    ids=["many", "long", "distinct"],
)
def test_limits_hold_for_a_template_as_a_whole(template: str) -> None:
    with pytest.raises(ExpressionError):
        render(template, ENV)


def test_template_nested_without_end_is_refused() -> None:
    template: dict[str, object] = {}
    for _ in range(5000):
        template = {"a": template}
    with pytest.raises(ExpressionError, match="nested too deeply"):
        render(template, ENV)


def test_limits_are_those_given() -> None:
    assert evaluate("len(1..50)", {}) == 50
    with pytest.raises(ExpressionError, match="memory budget exceeded"):
        evaluate("len(1..50)", {}, limits=Limits(memory_budget=50))
    with pytest.raises(ExpressionError, match="too many steps"):
        evaluate("map(1..50, # * 2)", {}, limits=Limits(max_steps=20))
    with pytest.raises(ExpressionError, match="maximum allowed nodes"):
        expr.compile("1 + 2 + 3", limits=Limits(max_nodes=3))
    with pytest.raises(ExpressionError, match="too long"):
        evaluate("s + s", ENV, limits=Limits(max_text_length=1500))


def test_attributes_of_python_objects_cannot_be_reached() -> None:
    env = {"text": "a", "list": [1], "map": {"a": 1}, "when": __import__("datetime").datetime(2026, 1, 1)}
    for name in env:
        for attribute in (
            "__class__",
            "__len__",
            "append",
            "keys",
            "items",
            "year",
            "zone",
            "nanoseconds",
            "method",
        ):
            for source in (f"{name}.{attribute}", f'{name}["{attribute}"]', f'get({name}, "{attribute}")'):
                with contextlib.suppress(ExpressionError):
                    assert evaluate(source, env) is None, source


def test_callables_of_the_environment_are_refused() -> None:
    with pytest.raises(ExpressionError, match="cannot be used in expressions"):
        evaluate("open('/etc/passwd')", {"open": open})
    with pytest.raises(ExpressionError, match="cannot be used in expressions"):
        evaluate("a.b", {"a": {"b": object()}})
