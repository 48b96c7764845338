"""One thousand Stages: how long ``apply`` takes, and ``get stages``."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

from benchmarks.stack import project, stack, stage

_COUNT = 1_000


async def thousand() -> None:
    """Apply a thousand Stages and list them."""
    steps: list[dict[str, object]] = [{"uses": "compose-output", "as": "s", "config": {"a": "1"}}]
    async with stack() as running:
        began = time.perf_counter()
        await running.freightway.apply(
            [*project("big"), *(stage("big", f"s{number}", steps) for number in range(_COUNT))]
        )
        answered = time.perf_counter() - began
        while len(await running.freightway.rows("Stage", "big")) < _COUNT:
            await asyncio.sleep(0.2)
        listed = time.perf_counter() - began
        looks = []
        for _ in range(5):
            began = time.perf_counter()
            rows = await running.freightway.rows("Stage", "big")
            looks.append(time.perf_counter() - began)
            assert len(rows) == _COUNT
        command = [sys.executable, "-m", "freightway.cli.main", "get", "stages", "-p", "big"]
        environment = {**os.environ, "TEMPORAL_ADDRESS": running.server.address}
        began = time.perf_counter()
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, check=True
        )
        whole = time.perf_counter() - began
        assert done.stdout.count(b"\n") == _COUNT + 1
        memory = running.memory()
        print(
            f"1,000 Stages: apply answered in {answered:.1f} s, all started in {listed:.1f} s; get stages "
            f"{sorted(looks)[2] * 1000:.0f} ms (the command {whole:.2f} s); memory: server {memory[0]:.0f} MB, "
            f"worker {memory[1]:.0f} MB"
        )


def main() -> None:
    """Run it."""
    asyncio.run(thousand())


if __name__ == "__main__":
    main()
