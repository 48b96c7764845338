"""Regular expressions of users: RE2 only, so that no pattern can take exponential time.

Source: Go's package regexp, which is RE2 as well.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

from freightway.expr.failure import Failure
from freightway.expr.text import to_bytes

MAX_PATTERN_LENGTH = 16_384


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    return options


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """Return the compiled pattern.

    Raises:
        Failure: if the pattern is malformed or too long.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise Failure("error parsing regexp: the pattern is too long")
    try:
        return re2.compile(to_bytes(pattern), _options())
    except re2.error as error:
        reason = error.args[0] if error.args else "malformed"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise Failure(f"error parsing regexp: {text}") from None


def check_pattern(pattern: str, offset: int) -> None:
    """Check a pattern that is known while compiling.

    Raises:
        Failure: if the pattern is malformed.
    """
    try:
        compile_pattern(pattern)
    except Failure as failure:
        raise Failure(failure.message, offset) from None


def matches(pattern: str, text: str | bytes) -> bool:
    """Return whether the pattern occurs anywhere in the text.

    Raises:
        Failure: if the pattern is malformed.
    """
    data = to_bytes(text) if isinstance(text, str) else text
    return compile_pattern(pattern).search(data) is not None
