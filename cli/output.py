"""How commands print: tables for people, JSON, YAML and names for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print aligned columns; without rows the sentence ``empty``, on standard error."""
    if not rows:
        click.echo(empty, err=True)
        return
    table = [list(map(str, headings)), *(list(map(str, row)) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    for row in table:
        click.echo("   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def print_data(data: Any, output: str) -> None:
    """Print plain data as JSON or YAML."""
    if output == "yaml":
        import yaml

        click.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
    else:
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def age(moment: str | datetime | None, now: datetime | None = None) -> str:
    """Return how long ago a moment was, as kubectl prints it: ``12s``, ``5m``, ``3h``, ``2d``."""
    if not moment:
        return ""
    then = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    seconds = max(int(((now or datetime.now(UTC)) - then).total_seconds()), 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def shown(row: Mapping[str, Any], key: str, limit: int = 60) -> str:
    """Return one field of a row for a table."""
    text = " ".join(str(row.get(key) or "").split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
