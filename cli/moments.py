"""Reads ``--until`` and ``--for``: when something that a person sets ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def end_options(command: CommandT) -> CommandT:
    """The options ``--until`` and ``--for``."""
    command = click.option(
        "--for", "length", default="", metavar="DURATION", help="How long, such as 90m or 48h."
    )(command)
    return click.option(
        "--until",
        default="",
        metavar="TIME",
        help="When it ends by itself, such as 2026-12-27T08:00Z; without a zone it is this machine's time.",
    )(command)


def end_of(until: str, length: str) -> datetime | None:
    """Return the moment that the options name, None if neither was given.

    Raises:
        click.UsageError: if both were given or one does not parse.
    """
    if until and length:
        raise click.UsageError("give either --until or --for")
    if length:
        from freightway.resources.meta import parse_duration

        try:
            return datetime.now(UTC) + parse_duration(length)
        except (ValueError, OverflowError) as error:
            raise click.UsageError(f"--for: {error}") from None
    if not until:
        return None
    try:
        return datetime.fromisoformat(until).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.UsageError(
            f"--until: {until!r} is not a time; write for example 2026-12-27T08:00Z"
        ) from None
