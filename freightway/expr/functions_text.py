"""Functions that every template has: ``quote``, ``unsafeQuote``, ``asJSON`` and ``asYAML``.

Source: Kargo pkg/expressions/json_templates.go at 1c764767.
"""

from __future__ import annotations

from freightway.expr.goformat import quote as quote_text
from freightway.expr.gojson import encode_json
from freightway.expr.goyaml import encode_yaml
from freightway.expr.natures import ANY, STRING, Signature
from freightway.expr.values import Function, Tick, free

_SIGNATURE = (Signature((ANY,), STRING),)
NAMES = ("quote", "unsafeQuote", "asJSON", "asYAML")


def text_functions(tick: Tick = free) -> dict[str, Function]:
    """Return the functions that turn a value into text in quotes.

    The template takes the quotes off again where they are the first and last characters of a value.

    Args:
        tick: counts the elements written.
    """

    def quote(value: object) -> str:
        return quote_text(value) if isinstance(value, str) else unsafe_quote(value)

    def unsafe_quote(value: object) -> str:
        return f'"{encode_json(value, tick=tick)}"'

    def as_json(value: object) -> str:
        return f'"{encode_json(value, "  ", tick)}\n"'

    def as_yaml(value: object) -> str:
        return f'"{encode_yaml(value, tick)}"'

    implementations = (quote, unsafe_quote, as_json, as_yaml)
    return {name: Function(name, call, _SIGNATURE) for name, call in zip(NAMES, implementations, strict=True)}
