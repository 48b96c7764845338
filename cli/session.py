"""What every command that speaks to Temporal shares: options, the connection, errors and exit codes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click

from freightway.errors import FreightwayError, InvalidResource, NotFound, Refused

if TYPE_CHECKING:
    from freightway.client import Freightway

NO_ANSWER = 69
TIMED_OUT = 124
ENDS = {"Succeeded": 0, "Failed": 3, "Errored": 3, "Aborted": 4, "Superseded": 5}
"""Exit code by the phase of a promotion that was waited for."""

DEFAULT_UI = "http://localhost:8233"

ResultT = TypeVar("ResultT")
CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class Failure(click.ClickException):
    """A sentence on standard error and an exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        """Print the sentence; several lines stay as they are."""
        click.echo(f"error: {self.message}", err=True, file=file)


def project_option(*, required: bool = True) -> Callable[[CommandT], CommandT]:
    """The option ``-p/--project``."""
    return click.option(
        "-p",
        "--project",
        envvar="FREIGHTWAY_PROJECT",
        required=required,
        default=None if required else "",
        help="Project; FREIGHTWAY_PROJECT if left out.",
    )


def output_option(*choices: str) -> Callable[[CommandT], CommandT]:
    """The option ``-o/--output``."""
    return click.option(
        "-o", "--output", type=click.Choice(choices or ("table", "json", "yaml", "name")), default="table"
    )


def actor_option(command: CommandT) -> CommandT:
    """The option ``--actor``."""
    return click.option(
        "--actor",
        envvar="FREIGHTWAY_ACTOR",
        default="",
        help="Who asks; the user of this machine if left out.",
    )(command)


def link(workflow_id: str) -> str:
    """Return where the Temporal Web UI shows a workflow; ``FREIGHTWAY_TEMPORAL_UI`` names the Web UI."""
    base = (os.environ.get("FREIGHTWAY_TEMPORAL_UI") or DEFAULT_UI).rstrip("/")
    namespace = os.environ.get("TEMPORAL_NAMESPACE") or "default"
    return f"{base}/namespaces/{namespace}/workflows/{quote(workflow_id, safe='')}"


def confirm(message: str, workflow_id: str) -> None:
    """Print what a command did, to which workflow, and where to look at it."""
    click.echo(message)
    click.echo(f"  {workflow_id}  {link(workflow_id)}")


def _answer_within() -> timedelta:
    """How long a command waits for a worker's answer; ``FREIGHTWAY_ANSWER_WITHIN`` in seconds, else twenty."""
    from freightway.transport import ANSWER_WITHIN

    given = os.environ.get("FREIGHTWAY_ANSWER_WITHIN", "")
    if not given:
        return ANSWER_WITHIN
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 3600:
        raise click.UsageError(
            f"FREIGHTWAY_ANSWER_WITHIN is a number of seconds from 0.1 to 3600, not {given!r}"
        )
    return timedelta(seconds=seconds)


def run(work: Callable[[Freightway], Awaitable[ResultT]], *, actor: str = "") -> ResultT:
    """Connect, do the work, and turn what goes wrong into a sentence and an exit code."""

    within = _answer_within()

    async def connected() -> ResultT:
        from freightway.client import Freightway
        from freightway.connection import connect

        return await work(Freightway(await connect(), actor=actor, answer_within=within))

    try:
        return asyncio.run(connected())
    except (Refused, NotFound, InvalidResource) as error:
        raise Failure(str(error)) from error
    except FreightwayError as error:
        raise Failure(str(error), NO_ANSWER) from error
    except KeyboardInterrupt as error:
        raise click.Abort from error
