"""The one error of file edits."""

from __future__ import annotations

from freightway.errors import FreightwayError


class EditError(FreightwayError):
    """A file cannot be edited as asked: the file is broken, the key leads nowhere, or the value does not fit."""
