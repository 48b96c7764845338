"""Every recorded fact about the expression language.

One rule is answered differently on purpose: ``findLast`` and ``findLastIndex`` of expr-lang 1.17.8 leave a bool on
its stack for each element they look at, so that an operation which takes them as a later operand reads those bools
in place of its earlier operands. Here such an operation gets its operands.
"""

from __future__ import annotations

from typing import Any

import pytest
from facts import case_id, cases, load_facts
from go_values import canonical, decode

from freightway.errors import ExpressionError
from freightway.expr import evaluate
from freightway.expr import nodes as n
from freightway.expr.optimizer import optimize
from freightway.expr.parser import parse

ENV = decode(load_facts("expr-env"))
LEAVING = frozenset({"findLast", "findLastIndex"})
SHORT_CIRCUIT = frozenset({"and", "&&", "or", "||", "??"})


def loses_operands(source: str) -> bool:
    """Whether an operation of the expression has a later operand that leaves bools on the stack of expr-lang."""

    def leaves(node: n.Node) -> bool:
        return n.contains(node, lambda part: isinstance(part, n.Builtin) and part.name in LEAVING)

    def loses(node: n.Node) -> bool:
        if isinstance(node, n.Map):
            operands = [part for pair in node.pairs for part in n.children(pair)]
        elif isinstance(node, (n.Array, n.Member, n.Slice, n.Call, n.Builtin)) or (
            isinstance(node, n.Binary) and node.operator not in SHORT_CIRCUIT
        ):
            operands = [part for part in n.children(node) if not isinstance(part, n.Predicate)]
        else:
            return False
        return any(leaves(operand) for operand in operands[1:])

    return n.contains(optimize(parse(source)), loses)


def failing_stage(source: str) -> str | None:
    """When the expression fails, None if it gives a value."""
    try:
        evaluate(source, ENV)
    except ExpressionError as error:
        return error.stage
    return None


@pytest.mark.parametrize("case", cases("expr"), ids=case_id)
def test_expression_gives_what_was_recorded(case: dict[str, Any]) -> None:
    expected = case["expect"]
    if not expected.get("error"):
        assert canonical(evaluate(case["expr"], ENV)) == canonical(expected["value"])
        return
    stage = failing_stage(case["expr"])
    assert stage == expected["stage"] or (stage is None and loses_operands(case["expr"]))
