"""One thousand Stages: what ``apply`` costs, and how long ``get stages`` takes, while they are started and afterwards."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

from benchmarks.stack import Stack, project, stack, stage

_COUNT = 1_000
_IDLE_SECONDS = 0.1
"""Processor time within two seconds below which a worker counts as idle."""


async def thousand() -> None:
    """Apply a thousand Stages and list them."""
    steps: list[dict[str, object]] = [{"uses": "compose-output", "as": "s", "config": {"a": "1"}}]
    async with stack() as running:
        before = running.cpu()
        began = time.perf_counter()
        applying = asyncio.create_task(
            running.freightway.apply(
                [*project("big"), *(stage("big", f"s{number}", steps) for number in range(_COUNT))]
            )
        )
        meanwhile = []
        while not applying.done():
            await asyncio.sleep(1)
            meanwhile.append(await _look(running))
        await applying
        answered = time.perf_counter() - began
        while (await _look(running))[1] < _COUNT:
            await asyncio.sleep(0.2)
        listed = time.perf_counter() - began
        await _quiet(running)
        after = running.cpu()
        looks = sorted([await _look(running) for _ in range(5)])
        assert looks[0][1] == _COUNT
        whole = sorted([await asyncio.to_thread(_command, running) for _ in range(3)])
        memory = running.memory()
        slowest, rows = max(meanwhile)
        print(
            f"1,000 Stages: apply answered in {answered:.1f} s, all started in {listed:.1f} s; CPU: server "
            f"{after[0] - before[0]:.0f} s, worker {after[1] - before[1]:.0f} s; list {looks[2][0] * 1000:.0f} ms "
            f"(at most {slowest * 1000:.0f} ms, of {rows}, while they were started), get stages {whole[1]:.2f} s; "
            f"memory: server {memory[0]:.0f} MB, worker {memory[1]:.0f} MB"
        )


async def _look(running: Stack) -> tuple[float, int]:
    """List the Stages; returns the seconds it took and how many there are."""
    began = time.perf_counter()
    rows = await running.freightway.rows("Stage", "big")
    return time.perf_counter() - began, len(rows)


async def _quiet(running: Stack) -> None:
    """Wait until the worker has nothing to do."""
    while True:
        before = running.cpu()[1]
        await asyncio.sleep(2)
        if running.cpu()[1] - before < _IDLE_SECONDS:
            return


def _command(running: Stack) -> float:
    """Run ``get stages`` as a person does; returns the seconds it took."""
    command = [sys.executable, "-m", "freightway.cli.main", "get", "stages", "-p", "big"]
    environment = {**os.environ, "TEMPORAL_ADDRESS": running.server.address}
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert done.stdout.count(b"\n") == _COUNT + 1
    return time.perf_counter() - began


def main() -> None:
    """Run it."""
    asyncio.run(thousand())


if __name__ == "__main__":
    main()
