"""Every example of ``docs/expressions.md`` gives what the page says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from freightway.errors import ExpressionError
from freightway.expr import evaluate, render, to_plain
from freightway.expr.functions import semver_functions
from freightway.expr.grammar import BUILTINS

PAGE = (Path(__file__).parents[3] / "docs" / "expressions.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ENV = next(yaml.safe_load(body) for kind, body in BLOCKS if kind == "yaml")
EXAMPLES = [
    (kind, *line.rsplit(" => ", 1))
    for kind, body in BLOCKS
    if kind in {"expr", "template"}
    for line in body.splitlines()
    if line
]


def answer(kind: str, source: str) -> object:
    source = source.rstrip()
    if kind == "template":
        return to_plain(render(source, ENV, functions=semver_functions()))
    return to_plain(evaluate(source, ENV, functions=semver_functions()))


@pytest.mark.parametrize(
    ("kind", "source", "expected"), EXAMPLES, ids=[source.strip() for _, source, _ in EXAMPLES]
)
def test_example_gives_what_the_page_says(kind: str, source: str, expected: str) -> None:
    if expected.startswith("error: "):
        with pytest.raises(ExpressionError) as caught:
            answer(kind, source)
        assert caught.value.message == expected.removeprefix("error: ")
    else:
        assert answer(kind, source) == json.loads(expected)


def test_page_has_examples() -> None:
    assert len(EXAMPLES) > 80


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_every_builtin_is_on_the_page(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE)
