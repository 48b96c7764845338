"""How YAML writes text: plain, in single quotes or in double quotes.

Source: go.yaml.in/yaml/v3 3.0.5 (resolve.go, emitterc.go).
"""

from __future__ import annotations

import re

_WORDS = frozenset(
    [
        "~",
        "null",
        "Null",
        "NULL",
        "true",
        "True",
        "TRUE",
        "false",
        "False",
        "FALSE",
        ".nan",
        ".NaN",
        ".NAN",
        ".inf",
        ".Inf",
        ".INF",
        "+.inf",
        "+.Inf",
        "+.INF",
        "-.inf",
        "-.Inf",
        "-.INF",
        "<<",
        "y",
        "Y",
        "yes",
        "Yes",
        "YES",
        "on",
        "On",
        "ON",
        "n",
        "N",
        "no",
        "No",
        "NO",
        "off",
        "Off",
        "OFF",
    ]
)
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-(0?[1-9]|1[0-2])-(0?[1-9]|[12][0-9]|3[01])"
    r"([Tt ]+[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}([.,][0-9]+)?(Z|[-+][0-9]{2}:[0-9]{2})?)?"
)
_FIRST_INDICATORS = frozenset("#,[]{}&*!|>'\"%@`")
_ESCAPES = {
    "\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r",
    "\x1b": "\\e", '"': '\\"', "\\": "\\\\", "\x85": "\\N", "\u2028": "\\L", "\u2029": "\\P",
}  # fmt: skip
_BREAKS = frozenset("\r\n\x85\u2028\u2029")
_BLANKS = frozenset(" \t") | _BREAKS


def is_ambiguous(text: str) -> bool:
    """Return whether the text, written plain, would be read as something other than this string."""
    if not text or text in _WORDS:
        return True
    if text[0] not in "+-.0123456789":
        return False
    plain = text.replace("_", "")
    return any(
        pattern.fullmatch(candidate)
        for pattern, candidate in (
            (_INTEGER, plain),
            (_FLOAT, plain),
            (_BASE_60, text),
            (_TIMESTAMP, text),
        )
    )


def _is_printable(character: str) -> bool:
    code = ord(character)
    return (
        code == 0x0A
        or 0x20 <= code <= 0x7E
        or 0xA0 <= code <= 0xD7FF
        or (0xE000 <= code <= 0xFFFD and code != 0xFEFF)
    )


def single_allowed(text: str) -> bool:
    """Return whether single quotes can hold a text of one line."""
    return all(_is_printable(character) and character not in _BREAKS for character in text)


def plain_allowed(text: str) -> bool:
    """Return whether a text of one line can stand without quotes outside ``[]`` and ``{}``."""
    if not single_allowed(text) or text[:1] == " " or text[-1:] == " ":
        return False
    if text[:3] in {"---", "..."} or text[:1] in _FIRST_INDICATORS:
        return False
    if text[:1] in {"?", ":", "-"} and (len(text) == 1 or text[1] in _BLANKS):
        return False
    for index, character in enumerate(text):
        following = text[index + 1 : index + 2]
        if character == ":" and (not following or following in _BLANKS):
            return False
        if character == "#" and index and text[index - 1] in _BLANKS:
            return False
    return True


def quote_single(text: str) -> str:
    """Return the text in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def quote_double(text: str) -> str:
    """Return the text in double quotes, escaped where needed."""
    return f'"{"".join(_escape(character) for character in text)}"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if _is_printable(character):
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
