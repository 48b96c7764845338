"""Go durations as Argo Rollouts reads them, with Go's own words for what is wrong.

``freightway.resources.meta.parse_duration`` is the reader for Kargo's fields; a metric's fields are texts until
their arguments are known, and the message of a run must name the mistake.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]*)(\.[0-9]*)?([^.0-9]*)")
_LARGEST = 2**63 - 1


def go_duration(text: str) -> timedelta:
    """Return the length of a Go duration such as ``1h30m``; microseconds are the finest that is kept.

    Raises:
        ValueError: if the text is not a Go duration; the message is Go's.
    Source: Go ``time.ParseDuration``; differs: the rest below a microsecond is cut off.
    """
    invalid = ValueError(f"time: invalid duration {_quote(text)}")
    body = text[1:] if text[:1] in ("-", "+") else text
    if body == "0":
        return timedelta(0)
    if not body:
        raise invalid
    total, position = 0, 0
    while position < len(body):
        match = _PART.match(body, position)
        assert match is not None
        whole, fraction, unit = match.group(1), (match.group(2) or "")[1:], match.group(3)
        if not whole and not fraction:
            raise invalid
        if not unit:
            raise ValueError(f"time: missing unit in duration {_quote(text)}")
        if unit not in _NANOSECONDS:
            raise ValueError(f"time: unknown unit {_quote(unit)} in duration {_quote(text)}")
        scale = _NANOSECONDS[unit]
        total += int(whole or "0") * scale
        total += int(fraction or "0") * scale // 10 ** len(fraction)
        if total > _LARGEST:
            raise invalid
        position = match.end()
    return timedelta(microseconds=(-total if text[0] == "-" else total) // 1000)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
