"""Templates: text with ``${{ }}`` or ``${% %}`` in it, and maps and lists of such text.

A template without a delimiter comes back as it is. Otherwise the text that results is read as a number, a bool or
JSON where it looks like one; text in quotes stays text.

Source: Kargo pkg/expressions/json_templates.go at 1c764767.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from freightway.errors import ExpressionError
from freightway.expr.failure import Failure, Stage, expression_error
from freightway.expr.functions_text import text_functions
from freightway.expr.gofloat import parse_float
from freightway.expr.gojson import decode_json, encode_json
from freightway.expr.limits import DEFAULT_LIMITS, Limits
from freightway.expr.program import Functions, Program, as_functions, compile_program, signatures_of
from freightway.expr.run import TEXT_TOO_LONG, Now, Run
from freightway.expr.text import byte_length

DELIMITERS = (("${{", "}}"), ("${%", "%}"))
RESERVED = ("quote", "asYAML", "asJSON")
TRUE_WORDS = frozenset({"1", "t", "T", "TRUE", "true", "True"})
FALSE_WORDS = frozenset({"0", "f", "F", "FALSE", "false", "False"})
# What an expression costs before it runs, so that many expressions together stay bounded.
STEPS_PER_EXPRESSION = 20
STEPS_PER_COMPILATION = 400
STEPS_PER_CHARACTER = 10


def has_expression(text: str) -> bool:
    """Return whether a text is a template, that is, whether it has a start delimiter."""
    return any(start in text for start, _ in DELIMITERS)


def render(
    template: object,
    env: Mapping[str, object],
    *,
    now: Now | None = None,
    limits: Limits | None = None,
    functions: Functions | None = None,
) -> object:
    """Return a template with its expressions evaluated.

    Args:
        template: text, or lists and maps of text; keys and values of other types stay as they are.
        env: names and values; an unknown name is nil.
        now: what ``now()`` gives; the machine's clock if left out.
        limits: bounds for the template as a whole.
        functions: functions beside the builtins and those for quoting.
    Raises:
        ExpressionError: if an expression fails, or the template has an expression without end.
    """
    renderer = _Renderer(env, now, limits or DEFAULT_LIMITS, functions)
    try:
        return renderer.value(template, 0)
    except Failure as failure:
        raise expression_error(failure, "", "run") from failure.__cause__


def render_json(
    template: str,
    env: Mapping[str, object],
    *,
    now: Now | None = None,
    limits: Limits | None = None,
    functions: Functions | None = None,
) -> str:
    """Return a JSON object with the expressions in its values evaluated, as compact JSON with sorted keys.

    Raises:
        ExpressionError: if the text is no JSON object, an expression fails, or a value has no JSON (infinity).
    """
    stage: Stage = "compile"
    try:
        for name in RESERVED:
            if name in env:
                raise Failure(f'"{name}" is a forbidden key in the environment map; it is reserved')
        parsed = decode_json(template)
        if not isinstance(parsed, dict) and parsed is not None:
            raise Failure(
                "input is not valid JSON; are all expressions enclosed in quotes? an object is needed"
            )
        stage = "run"
        return encode_json(render(parsed, env, now=now, limits=limits, functions=functions))
    except Failure as failure:
        raise expression_error(failure, "", stage) from None


def render_config(
    config: Mapping[str, object],
    env: Mapping[str, object],
    *,
    now: Now | None = None,
    limits: Limits | None = None,
    functions: Functions | None = None,
) -> dict[str, object]:
    """Return the configuration of a step, evaluated; numbers without a fraction are integers.

    Raises:
        ExpressionError: as for :func:`render_json`.
    """
    rendered = render(config, env, now=now, limits=limits, functions=functions)
    assert isinstance(rendered, dict)
    plain = to_plain(rendered)
    assert isinstance(plain, dict)
    return plain


def to_plain(value: object) -> object:
    """Return a value as JSON has it: maps, lists, text, bools, nil; whole numbers are integers.

    Raises:
        ExpressionError: if the value has no JSON.
    """
    try:
        plain: object = json.loads(encode_json(value), parse_float=_whole)
    except Failure as failure:
        raise expression_error(failure, "", "run") from None
    except (ValueError, RecursionError):
        raise expression_error(Failure("the value has no JSON"), "", "run") from None
    return plain


def _whole(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


class Piece(NamedTuple):
    """Text before an expression, the expression, and where the text after it starts."""

    before: str
    expression: str
    end: int


def split_template(template: str) -> Iterator[Piece]:
    """Yield the expressions of a template, in order.

    Raises:
        Failure: if an expression has no end.
    """
    starts = [template.find(opening) for opening, _ in DELIMITERS]
    position = 0
    while True:
        # A delimiter is looked for again only once it is passed: the whole stays linear.
        for index, (opening, _) in enumerate(DELIMITERS):
            if 0 <= starts[index] < position:
                starts[index] = template.find(opening, position)
        found = [(start, pair) for start, pair in zip(starts, DELIMITERS, strict=True) if start >= 0]
        if not found:
            return
        start, (opening, closing) = min(found)
        first = start + len(opening)
        end = template.find(closing, first)
        if end < 0:
            message = f'unclosed expression: expected "{closing}" but reached end of template'
            raise Failure(message, start)
        yield Piece(template[position:start], template[first:end], end + len(closing))
        position = end + len(closing)


class _Renderer:
    def __init__(
        self, env: Mapping[str, object], now: Now | None, limits: Limits, functions: Functions | None
    ) -> None:
        self.meter = Run({}, {}, 0, limits, now)
        self.limits = limits
        self.env = env if type(env) is dict else dict(env)
        self.functions = {**as_functions(functions or {}), **text_functions(self.meter.step)}
        self.signatures = signatures_of(self.functions)
        self.programs: dict[str, Program] = {}

    def value(self, template: object, depth: int) -> object:
        if isinstance(template, str):
            return self.text(template) if has_expression(template) else template
        if depth > self.limits.max_depth and isinstance(template, (Mapping, list, tuple)):
            raise Failure("the template is nested too deeply")
        if isinstance(template, Mapping):
            return {key: self.value(item, depth + 1) for key, item in template.items()}
        if isinstance(template, (list, tuple)):
            return [self.value(item, depth + 1) for item in template]
        return template

    def text(self, template: str) -> object:
        parts: list[str] = []
        position = length = 0
        try:
            for piece in split_template(template):
                parts.append(piece.before)
                position = piece.end
                if not piece.expression:
                    break  # an empty expression ends the evaluation: what follows is taken as it stands
                parts.append(self.expression(piece.expression))
                length += byte_length(parts[-1])
                if length > self.limits.max_text_length:
                    raise Failure(TEXT_TOO_LONG)
        except Failure as failure:
            stage: Stage = "compile" if failure.offset >= 0 else "run"
            raise expression_error(failure, template, stage) from None
        parts.append(template[position:])
        return typed("".join(parts))

    def expression(self, source: str) -> str:
        self.meter.step(STEPS_PER_EXPRESSION + STEPS_PER_CHARACTER * len(source))
        program = self.programs.get(source)
        if program is None:
            self.meter.step(STEPS_PER_COMPILATION)
            program = self.programs[source] = compile_program(source, self.signatures, self.limits)
        value = program.run_metered(self.env, self.functions, self.meter)
        if isinstance(value, str):
            return value
        try:
            return encode_json(value, tick=self.meter.step)
        except Failure as failure:
            raise expression_error(failure, source, "run") from None


def typed(text: str) -> object:
    """Return what the text of an evaluated template means."""
    ended = text.endswith("\n")
    body = text[:-1] if ended else text
    if len(body) > 1 and body[0] == body[-1] == '"':
        return body[1:-1] + ("\n" if ended else "")
    try:
        return parse_float(body)
    except ValueError:
        pass
    if body in TRUE_WORDS:
        return True
    if body in FALSE_WORDS:
        return False
    try:
        return decode_json(body)
    except Failure:
        return text


__all__ = ["ExpressionError", "has_expression", "render", "render_config", "render_json", "to_plain"]
