"""Regular expressions that people write: RE2, which never takes more than linear time."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import re2

from freightway.errors import InvalidResource


class Regex(Protocol):
    """The part of a compiled expression that patterns use."""

    pattern: str

    def search(self, text: str) -> object | None:
        """Return a match anywhere in the text, or None."""


@lru_cache(maxsize=512)
def compile_regex(pattern: str) -> Regex:
    """Return a compiled RE2 expression, unanchored as in Go.

    Raises:
        InvalidResource: if the expression does not parse.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Regex = re2.compile(pattern, options)
    except re2.error as error:
        raise InvalidResource(
            f"{pattern!r} is not a regular expression of RE2's syntax: {_reason(error)}"
        ) from error
    return compiled


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else "it does not parse"
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
