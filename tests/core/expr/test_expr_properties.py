"""Properties that hold for every expression, template and text."""

from __future__ import annotations

import contextlib
from contextlib import suppress

import yaml
from facts_of_expr import EXPRESSIONS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from freightway.errors import ExpressionError
from freightway.expr import evaluate, render
from freightway.expr import nodes as n
from freightway.expr.failure import Failure
from freightway.expr.parser import parse
from freightway.expr.unparse import unparse

ENV = {"a": 1, "b": "text", "c": [1, 2.5, "x", None], "d": {"e": {"f": True}}}
FRAGMENTS = st.sampled_from([
    "1", "2.5", "'x'", '"y"', "`z`", "true", "nil", "a", "b", "c", "d.e.f", "c[0]", "[1, 2]", "{k: 1}", "#", ".x",
    "filter(c, # != nil)", "map(1..3, #)", "reduce(c, #acc, 0)", "let x = 1; x", "if true { 1 } else { 2 }", "date('2026-01-01')",
    " + ", " - ", " * ", " / ", " % ", " ** ", " .. ", " ?? ", " ? ", " : ", " == ", " < ", " in ", " not in ", " and ",
    " or ", "not ", "!", "-", " | ", "?.", ".", "[", "]", "(", ")", "{", "}", ",", ";", "len(", "string(", "toJSON(",
    " matches ", " contains ", "::", "$env", "b'q'", "\\", "\n", "0x", "1e", "\ud800", "é",
])  # fmt: skip
SOURCES = st.one_of(
    st.lists(FRAGMENTS, max_size=12).map("".join), st.text(max_size=40), st.sampled_from(EXPRESSIONS)
)
NAMES = st.sampled_from(["a", "b", "x1", "_y", "$z", "if1", "item"])


def parsed(source: str) -> n.Node | None:
    try:
        return parse(source)
    except Failure:
        return None


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """Expressions that parse, nested and mixed."""
    if depth == 0:
        return draw(
            st.sampled_from(["1", "2.5", '"t\\n"', "a", "true", "nil", "[]", "{}", "d?.e", "c[0]", "b'x'"])
        )
    inner = expressions(depth - 1)
    one, two, three = draw(inner), draw(inner), draw(inner)
    operator = draw(
        st.sampled_from(
            [
                "+",
                "-",
                "*",
                "/",
                "%",
                "**",
                "??",
                "..",
                "==",
                "!=",
                "<",
                ">=",
                "in",
                "and",
                "or",
                "&&",
                "||",
                "contains",
            ]
        )
    )
    shapes = [
        f"({one}) {operator} ({two})", f"({one}) not in ({two})", f"-({one})", f"not ({one})", f"({one})?.{draw(NAMES)}",
        f"({one})?.[{two}].{draw(NAMES)}", f"({one})[{two}]", f"({one})[({two}):({three})]", f"({one}) ? ({two}) : ({three})",
        f"({one}) ?: ({two})", f"if ({one}) {{ {two} }} else {{ {three} }}", f"(let {draw(NAMES)} = ({one}); {two})",
        f"({one}; {two})", f"[{one}, {two}]", f"{{k: {one}, ({two}): {three}}}", f"filter({one}, {{ {two} }})",
        f"reduce({one}, #acc + #, {two})", f"({one}) | len()", f"f({one}, {two})", f"({one}).m({two})", f"1 < ({one}) <= ({two})",
        f"map({one}, {{ {{k: .x}} }})",
    ]  # fmt: skip
    return draw(st.sampled_from(shapes))


@given(expressions())
@settings(max_examples=300, deadline=None)
def test_printing_and_parsing_gives_the_same_tree(source: str) -> None:
    tree = parse(source)
    assert parse(unparse(tree)) == tree


def test_printing_the_recorded_expressions_gives_the_same_trees() -> None:
    for source in EXPRESSIONS:
        tree = parsed(source)
        if tree is not None:
            assert parse(unparse(tree)) == tree, source


@given(SOURCES)
@example("\ud800 + '\udc80'")
@settings(max_examples=500, deadline=None)
def test_nothing_but_expression_error_comes_out_of_an_evaluation(source: str) -> None:
    with suppress(ExpressionError):
        evaluate(source, ENV)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_template_without_a_delimiter_is_returned_unchanged(template: object) -> None:
    if "${{" not in str(template) and "${%" not in str(template):
        assert render(template, ENV) == template


@given(
    st.lists(st.one_of(FRAGMENTS, st.sampled_from(["${{", "}}", "${%", "%}", "text"])), max_size=12).map(
        "".join
    )
)
@settings(max_examples=300, deadline=None)
def test_nothing_but_expression_error_comes_out_of_a_template(template: str) -> None:
    with contextlib.suppress(ExpressionError):
        render(template, ENV)


@given(st.text())
def test_quoted_text_stays_the_text(text: str) -> None:
    rendered = render("${{ quote(t) }}", {"t": text})
    assert isinstance(rendered, str)
    if text.isascii() and text.isprintable() and "\\" not in text and '"' not in text:
        assert rendered == text


# PyYAML reads 1e-06, which go-yaml writes, as text.
WITHOUT_FLOATS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(WITHOUT_FLOATS)
def test_value_written_as_yaml_is_read_back(value: object) -> None:
    from freightway.expr.goyaml import encode_yaml

    text = encode_yaml(value)
    if "\x85" not in str(value):
        assert _normal(yaml.safe_load(text)) == _normal(value)


def _normal(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
