"""The real ``temporal`` command line, and every message that a workflow of ours takes, found by looking."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence

from temporalio.workflow import _Definition

from freightway.adapters.dev_server import temporal_binary
from freightway.worker import WORKFLOWS
from tests.servers.temporal import World

AT_ONCE = asyncio.Semaphore(8)

_FOREIGN_WORDS = (
    "pydantic",
    "validation error",
    "Input should",
    "input_type",
    "Traceback",
    "positional",
    "internal error",
    "object has no attribute",
    "Failed decoding",
    ".py",
    'File "',
    "line ",
    "site-packages",
    "/home/",
    "/tmp/",
    "http://",
    "https://",
)
_REFUSAL = re.compile(r"^Error: unable to update workflow: (.+) \(type: Refused, retryable: false\)$")


async def temporal(world: World, *arguments: str) -> tuple[int, str]:
    """Run the Temporal command line, and return its status and what it printed."""
    async with AT_ONCE:
        process = await asyncio.create_subprocess_exec(
            str(temporal_binary()),
            *arguments,
            "--address",
            world.address,
            env={**os.environ, "TEMPORAL_CONFIG_FILE": os.devnull},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(60):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return -1, "no answer within 60 s"
    return process.returncode or 0, output.decode()


async def send_update(world: World, workflow_id: str, update: str, given: Sequence[str]) -> tuple[int, str]:
    """Send an update and wait for its answer."""
    return await temporal(world, "workflow", "update", "execute", "-w", workflow_id, "--name", update, *given)


async def send_signal(world: World, workflow_id: str, signal: str, given: Sequence[str]) -> None:
    """Send a signal; Temporal takes every one."""
    status, text = await temporal(world, "workflow", "signal", "-w", workflow_id, "--name", signal, *given)
    assert status == 0, text


def refusal(text: str) -> str:
    """Return the sentence with which the command line says that an update was refused; fails if it is none."""
    match = _REFUSAL.match(text.strip())
    assert match, text
    return sentence(match.group(1))


def sentence(text: str) -> str:
    """Check that a text is one sentence of ours, for people, and return it."""
    assert text.strip(), "nothing was said"
    assert "\n" not in text, text
    assert len(text) < 1_000, text
    for word in _FOREIGN_WORDS:
        assert word not in text, text
    assert not re.search(r"\b[A-Z]\w+(Error|Exception)\b", text), text
    return text


def definition(workflow_type: type) -> _Definition:
    found = _Definition.from_class(workflow_type)
    assert found is not None
    return found


TYPES = [str(definition(item).name) for item in WORKFLOWS]
"""The name of every workflow type."""


def messages(kind: str) -> Iterator[tuple[str, str]]:
    """Yield workflow type and name of all ``updates``, ``signals`` or ``queries``."""
    for workflow_type in WORKFLOWS:
        found = definition(workflow_type)
        for name in sorted(filter(None, getattr(found, kind))):
            if not name.startswith("__"):
                yield str(found.name), name
