"""What the demo says while it runs, and the commands it runs as a person would."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import shlex
import sys
import textwrap
import threading
import time
from collections.abc import Sequence
from typing import TextIO

import click

from freightway.errors import FreightwayError

_WIDTH = 100


class CheckFailed(FreightwayError):
    """Something is not as the demo promises."""


class Narrator:
    """Tells the story on standard output."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._chapter = 0
        self.checks: list[str] = []

    @property
    def seconds(self) -> float:
        """How long the demo runs."""
        return time.monotonic() - self._began

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapter += 1
        click.echo(f"\n{self._chapter}. {title}  [{self.seconds:.0f} s]")

    def say(self, text: str) -> None:
        """Say something in plain words."""
        click.echo(
            textwrap.fill(" ".join(text.split()), _WIDTH, initial_indent="   ", subsequent_indent="   ")
        )

    def lines(self, lines: Sequence[str]) -> None:
        """Print lines as they are."""
        for line in lines:
            click.echo(f"   {line}".rstrip())

    def check(self, fact: str, holds: bool, found: str = "") -> None:
        """See that a fact holds, and say so.

        Raises:
            CheckFailed: if it does not, with what was found instead.
        """
        if not holds:
            raise CheckFailed(
                f"this should be so, but is not: {fact}" + (f"; found: {found}" if found else "")
            )
        self.checks.append(fact)
        self.lines([f"✓ {fact}"])

    async def command(self, *arguments: str, show: str = "all") -> str:
        """Run a command of ``freightway`` as a person would, and show what it prints.

        Args:
            show: ``all``, or ``end`` for its last lines alone, those that say how each promotion ended.
        Raises:
            CheckFailed: if it does not end with exit code 0.
        """
        self.lines([f"$ freightway {shlex.join(arguments)}"])
        output = _Output(sys.stdout if show == "all" else None)
        code = await _in_thread(arguments, output)
        text = output.getvalue()
        if code:
            shown = "" if show == "all" else f":\n{text}"
            raise CheckFailed(f"`freightway {shlex.join(arguments)}` ended with exit code {code}{shown}")
        if show == "end":
            lines = text.strip().splitlines()
            ends = list(itertools.takewhile(lambda line: line.startswith("promotion "), reversed(lines)))
            self.lines([f"  {line}" for line in reversed(ends or lines[-1:])])
        return text


class _Output(io.StringIO):
    """Keeps what is written, and passes it on with an indent."""

    def __init__(self, onward: TextIO | None) -> None:
        super().__init__()
        self._onward = onward
        self._fresh = True

    def write(self, text: str) -> int:
        """Take a text."""
        if self._onward is not None:
            for line in text.splitlines(keepends=True):
                self._onward.write(f"     {line}" if self._fresh and line.strip() else line)
                self._fresh = line.endswith("\n")
            self._onward.flush()
        return super().write(text)


async def _in_thread(arguments: Sequence[str], output: _Output) -> int:
    """Run a command in a thread; a daemon, so that an interrupted demo need not wait for it."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def tell(code: int, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(code)
        else:
            ended.set_exception(error)

    def run() -> None:
        code, failure = 1, None
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                code = _exit_code(arguments)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the command is waited for
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, code, failure)

    threading.Thread(target=run, daemon=True).start()
    return await ended


def _exit_code(arguments: Sequence[str]) -> int:
    from freightway.cli.main import cli

    try:
        result = cli.main(args=list(arguments), prog_name="freightway", standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 1
    return result if isinstance(result, int) else 0
