"""Builtins on text.

Source: expr-lang 1.17.8 builtin/builtin.go and Go's package strings.
"""

from __future__ import annotations

import base64
import binascii
import re

from freightway.expr.failure import Failure
from freightway.expr.goformat import format_value
from freightway.expr.gojson import decode_json, encode_json
from freightway.expr.lexer import SPACES
from freightway.expr.operators import to_int
from freightway.expr.run import OUT_OF_MEMORY, Run
from freightway.expr.text import byte_length, from_bytes, joined, to_bytes, valid_utf8
from freightway.expr.values import NilStringList, StringList, type_name

MAX_REPEAT = 1_000_000
_WHITE_SPACE = "".join(SPACES)
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def _text(value: object) -> str:
    if type(value) is str:
        return value
    raise Failure(f"interface conversion: interface {{}} is {_shown(value)}, not string")


def _shown(value: object) -> str:
    return "nil" if value is None else type_name(value)


def string(run: Run, value: object) -> str:
    """Return the value as text."""
    text = format_value(value, run.step)
    run.text(len(text))
    return text


def trim(run: Run, text: object, characters: object = _WHITE_SPACE) -> str:
    """Return the text without the characters at both ends, white space by default."""
    cut = _text(characters)
    run.step(1 + len(cut) // 64)
    return _text(text).strip(cut) if cut else _text(text)


def trim_prefix(_run: Run, text: object, prefix: object = " ") -> str:
    """Return the text without a prefix."""
    return _text(text).removeprefix(_text(prefix))


def trim_suffix(_run: Run, text: object, suffix: object = " ") -> str:
    """Return the text without a suffix."""
    return _text(text).removesuffix(_text(suffix))


def upper(run: Run, text: object) -> str:
    """Return the text in upper case, one character for one."""
    value = _text(text)
    run.text(len(value))
    return value.upper() if value.isascii() else "".join(map(_upper, valid_utf8(value)))


def _upper(character: str) -> str:
    for changed in (character.upper(), character.title()):
        if len(changed) == 1:
            return changed
    return character


def lower(run: Run, text: object) -> str:
    """Return the text in lower case, one character for one."""
    value = _text(text)
    run.text(len(value))
    return value.lower() if value.isascii() else "".join(c.lower()[0] for c in valid_utf8(value))


def split(run: Run, text: object, separator: object, limit: object = -1) -> StringList:
    """Return the parts between separators, at most ``limit``."""
    value, between, most = _text(text), _text(separator), to_int(limit)
    if most == 0:
        return NilStringList()
    run.text(len(value))
    parts = _characters(value, most) if between == "" else value.split(between, most - 1 if most > 0 else -1)
    run.step(len(parts))
    return StringList(parts)


def split_after(run: Run, text: object, separator: object, limit: object = -1) -> StringList:
    """Return the parts, each with the separator after it."""
    parts = split(run, text, separator, limit)
    between = _text(separator)
    parts[:-1] = [_text(part) + between for part in parts[:-1]]
    return parts


def _characters(value: str, most: int) -> list[str]:
    if 0 < most < len(value):
        return [*value[: most - 1], value[most - 1 :]]
    return list(value)


def replace(run: Run, text: object, old: object, new: object, limit: object = -1) -> str:
    """Return the text with a part replaced, everywhere or the first ``limit`` times."""
    value, before, after = _text(text), _text(old), _text(new)
    most = to_int(limit)
    run.text(len(value))
    count = value.count(before)
    if most >= 0:
        count = min(count, most)
    run.text(len(value) + count * max(len(after) - len(before), 0))
    return value.replace(before, after, count)


def repeat(run: Run, text: object, times: object) -> str:
    """Return the text so many times."""
    value, count = _text(text), to_int(times)
    if count < 0:
        raise Failure(f"invalid argument for repeat (expected positive integer, got {count})")
    if count > MAX_REPEAT:
        raise Failure(OUT_OF_MEMORY)
    run.grow(byte_length(value) * count)
    return value * count


def join(run: Run, items: object, separator: object = "") -> str:
    """Return the items of a list joined."""
    between = _text(separator)
    if not isinstance(items, list) or type_name(items) not in {"[]interface {}", "[]string"}:
        raise Failure(f"invalid argument for join (type {type_name(items)})")
    parts = [_text(item) for item in items]
    run.step(len(parts))
    run.text(sum(map(len, parts)) + len(between) * len(parts))
    return joined(parts, between)


def index_of(_run: Run, text: object, part: object) -> int:
    """Return the byte at which a part occurs first, or -1."""
    value, wanted = _text(text), _text(part)
    if value.isascii():
        return value.find(wanted)
    return to_bytes(value).find(to_bytes(wanted))


def last_index_of(_run: Run, text: object, part: object) -> int:
    """Return the byte at which a part occurs last, or -1."""
    value, wanted = _text(text), _text(part)
    if value.isascii():
        return value.rfind(wanted)
    return to_bytes(value).rfind(to_bytes(wanted))


def has_prefix(_run: Run, text: object, prefix: object) -> bool:
    """Return whether the text starts so."""
    return _text(text).startswith(_text(prefix))


def has_suffix(_run: Run, text: object, suffix: object) -> bool:
    """Return whether the text ends so."""
    return _text(text).endswith(_text(suffix))


def to_json(run: Run, value: object) -> str:
    """Return the value as JSON, indented by two spaces."""
    text = encode_json(value, "  ", run.step)
    run.text(len(text))
    return text


def from_json(run: Run, text: object) -> object:
    """Return the value of a JSON text."""
    value = _text(text)
    run.text(len(value) * 8)
    return decode_json(value)


def to_base64(run: Run, text: object) -> str:
    """Return the text in base64."""
    data = to_bytes(_text(text))
    run.text(len(data) * 4 // 3)
    return base64.b64encode(data).decode("ascii")


def from_base64(run: Run, text: object) -> str:
    """Return what a base64 text holds."""
    value = _text(text).replace("\r", "").replace("\n", "")
    run.text(len(value))
    if len(value) % 4 or not _BASE64.fullmatch(value):
        raise Failure("illegal base64 data")
    try:
        return from_bytes(base64.b64decode(value))
    except binascii.Error:
        raise Failure("illegal base64 data") from None
