"""The option ``--home``: Freightway's folder on this host."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def home_option(command: CommandT) -> CommandT:
    """The option ``--home``."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        default=None,
        help="Freightway's folder on this host; FREIGHTWAY_HOME or ~/.freightway if left out.",
    )(command)


def home_folder(given: Path | None) -> Path:
    """Return the folder that the option, the environment or the default names, as the worker does."""
    # Not `freightway.worker.default_home`: importing the worker takes a second.
    home = given or Path(os.environ.get("FREIGHTWAY_HOME") or Path.home() / ".freightway")
    return home.expanduser().resolve()
