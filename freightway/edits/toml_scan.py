"""Where in a TOML text the values stand, by their path in the data.

The text must be valid TOML (``tomllib`` has read it): this module only keeps positions, it does not judge.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field

BASIC = r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}|"(?:[^"\\]|\\.)*"'
LITERAL = r"'''(?:[^']|'{1,2}(?!'))*'{3,5}|'[^']*'"
GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
STRING = re.compile(rf"{BASIC}|{LITERAL}", re.DOTALL)
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
BARE_VALUE = re.compile(r"\d{4}-\d\d-\d\d[ \t]\d\d:\d\d[^\s,\]}#]*|[^\s,\]}#]+")
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Where one value stands: its first character, the one after it, and what it is.

    Attributes:
        kind: ``value``, ``table`` or ``array``.
    """

    start: int
    end: int
    kind: str = "value"


@dataclass(slots=True)
class _Scan:
    text: str
    at: int = 0
    spans: dict[Path, Span] = field(default_factory=dict)
    by_header: dict[Path, Span] = field(default_factory=dict)
    counts: dict[Path, int] = field(default_factory=dict)
    header_counts: dict[Path, int] = field(default_factory=dict)


def scan_toml(text: str) -> dict[Path, Span]:
    """Return the values of a valid TOML text by path; indexes of arrays are parts like ``"0"``.

    An element of an array of tables is reached by its index (``workers.1.env.KEY``). A table below one is also
    reached by its header alone (``workers.env.KEY``), which means the last one, as in Kargo.
    """
    scan = _Scan(text)
    table: Path = ()
    header: Path = ()
    while True:
        _skip_gap(scan)
        if scan.at >= len(text):
            break
        if text.startswith("[[", scan.at):
            table, header = _array_table(scan)
        elif text[scan.at] == "[":
            table, header = _table(scan)
        else:
            key = _key(scan)
            _value(scan, (*table, *key), (*header, *key))
    for path, span in scan.by_header.items():
        scan.spans.setdefault(path, span)
    return scan.spans


def _table(scan: _Scan) -> tuple[Path, Path]:
    start = scan.at
    scan.at += 1
    header = _key(scan, "]")
    path = _through_arrays(scan, header)
    scan.spans[path] = Span(start, scan.at, "table")
    return path, header


def _array_table(scan: _Scan) -> tuple[Path, Path]:
    start = scan.at
    scan.at += 2
    header = _key(scan, "]]")
    path = (*_through_arrays(scan, header[:-1]), header[-1])
    number = scan.counts.get(path, 0)
    scan.counts[path] = number + 1
    header_number = scan.header_counts.get(header, 0)
    scan.header_counts[header] = header_number + 1
    scan.spans[path] = Span(start, scan.at, "array")
    scan.spans[(*path, str(number))] = Span(start, scan.at, "table")
    return (*path, str(number)), (*header, str(header_number))


def _through_arrays(scan: _Scan, header: Path) -> Path:
    """The path of a header in the data: a part that names an array of tables means its last element."""
    path: Path = ()
    for part in header:
        path = (*path, part)
        if path in scan.counts:
            path = (*path, str(scan.counts[path] - 1))
    return path


def _skip_gap(scan: _Scan) -> None:
    match = GAP.match(scan.text, scan.at)
    scan.at = match.end() if match else scan.at


def _key(scan: _Scan, end: str = "=") -> Path:
    """Read a dotted key and the characters that end it."""
    parts: list[str] = []
    while True:
        _skip_gap(scan)
        match = STRING.match(scan.text, scan.at) or BARE_KEY.match(scan.text, scan.at)
        if match is None:
            return tuple(parts)
        token = match[0]
        parts.append(tomllib.loads(f"k = {token}")["k"] if token[0] in "\"'" else token)
        scan.at = match.end()
        _skip_gap(scan)
        if scan.text.startswith(end, scan.at):
            scan.at += len(end)
            return tuple(parts)
        scan.at += 1  # the dot


def _value(scan: _Scan, path: Path, by_header: Path) -> None:
    """Read a value, and those inside it."""
    _skip_gap(scan)
    start = scan.at
    opening = scan.text[start]
    if opening == "[":
        _array(scan, path, by_header)
    elif opening == "{":
        _inline_table(scan, path, by_header)
    else:
        match = STRING.match(scan.text, start) or BARE_VALUE.match(scan.text, start)
        scan.at = match.end() if match else start + 1
    kind = {"[": "array", "{": "table"}.get(opening, "value")
    scan.spans[path] = scan.by_header[by_header] = Span(start, scan.at, kind)


def _array(scan: _Scan, path: Path, by_header: Path) -> None:
    scan.at += 1
    number = 0
    while True:
        _skip_gap(scan)
        if scan.text[scan.at] == "]":
            scan.at += 1
            return
        if scan.text[scan.at] == ",":
            scan.at += 1
            continue
        _value(scan, (*path, str(number)), (*by_header, str(number)))
        number += 1


def _inline_table(scan: _Scan, path: Path, by_header: Path) -> None:
    scan.at += 1
    while True:
        _skip_gap(scan)
        if scan.text[scan.at] == "}":
            scan.at += 1
            return
        if scan.text[scan.at] == ",":
            scan.at += 1
            continue
        key = _key(scan)
        _value(scan, (*path, *key), (*by_header, *key))
