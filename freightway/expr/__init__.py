"""The expr-lang expression language and Kargo's templates, in pure Python.

Everything goes through :func:`evaluate`, :func:`compile` and :func:`render`; whatever goes wrong comes out as
``ExpressionError``, and nothing an expression says can reach a Python attribute, a file or the network.
"""

from __future__ import annotations

from collections.abc import Mapping

from freightway.errors import ExpressionError
from freightway.expr.limits import DEFAULT_LIMITS, Limits
from freightway.expr.program import Functions, Program, as_functions, compile_program, signatures_of
from freightway.expr.run import Now
from freightway.expr.template import has_expression, render, render_config, render_json, to_plain
from freightway.expr.values import Function

__all__ = [
    "ExpressionError",
    "Function",
    "Limits",
    "Program",
    "compile",
    "evaluate",
    "has_expression",
    "render",
    "render_config",
    "render_json",
    "to_plain",
]


def compile(  # noqa: A001 - the name that expr-lang has for it
    source: str, *, functions: Functions | None = None, limits: Limits | None = None
) -> Program:
    """Return an expression compiled, ready to run many times.

    Args:
        functions: functions it may call besides the builtins; only names and signatures matter here.
    Raises:
        ExpressionError: if it does not compile (``stage`` is ``compile``).
    """
    signatures = signatures_of(as_functions(functions)) if functions else ()
    return compile_program(source, signatures, limits or DEFAULT_LIMITS)


def evaluate(
    source: str,
    env: Mapping[str, object],
    *,
    now: Now | None = None,
    limits: Limits | None = None,
    functions: Functions | None = None,
) -> object:
    """Return the value of an expression.

    Args:
        source: one bare expression, without ``${{ }}``.
        env: names and values; an unknown name is nil.
        now: what ``now()`` gives; the machine's clock if left out.
        functions: functions it may call besides the builtins.
    Raises:
        ExpressionError: if it does not compile or its evaluation fails.
    """
    program = compile(source, functions=functions, limits=limits)
    return program.run(env, now=now, limits=limits, functions=functions)
