"""A 20-step promotion of steps that do nothing, and 50 promotions of 50 Stages at once."""

from __future__ import annotations

import asyncio
import statistics
import time

from benchmarks.bare import bare
from benchmarks.stack import Stack, freight, project, stack, stage, until_stages_know
from freightway.entities.messages import PromoteRequest
from freightway.promotion.progress import Progress

_STEPS = 20
_STAGES = 50
_RUNS = 10


def _steps(count: int) -> list[dict[str, object]]:
    return [{"uses": "compose-output", "as": f"s{number}", "config": {"a": "1"}} for number in range(count)]


async def _promote(running: Stack, name: str, stage_name: str, freight_name: str) -> float:
    began = time.perf_counter()
    answer = await running.freightway.promote(
        PromoteRequest(project=name, stage=stage_name, freight=freight_name)
    )
    ended = await running.freightway.wait_for_promotion(name, answer.promotion, stage=stage_name)
    assert ended.phase == "Succeeded", ended
    return time.perf_counter() - began


async def _inside(running: Stack, name: str, stage_name: str) -> float:
    """Seconds from the first step's start to the last step's end of the Stage's last promotion."""
    state = await running.freightway.stage(name, stage_name)
    progress: Progress | None = await running.freightway.progress(name, state.finished[0].promotion)
    assert progress is not None
    assert progress.finished_at is not None
    return (progress.finished_at - progress.started_at).total_seconds()


async def twenty_steps() -> None:
    """Time a step of the embedded server: the promotion of 20 steps that do nothing."""
    async with stack() as running:
        await running.freightway.apply([*project("b20"), stage("b20", "s", _steps(_STEPS))])
        name = await freight(running.freightway, "b20", "1")
        await until_stages_know(running.freightway, "b20", ["s"], name)
        await _promote(running, "b20", "s", name)
        whole, inside, floor = [], [], []
        async with bare(running.freightway.client) as run_bare:
            await run_bare()
            for _ in range(_RUNS):
                whole.append(await _promote(running, "b20", "s", name))
                inside.append(await _inside(running, "b20", "s"))
                floor.append(await run_bare())
        step, least = statistics.median(inside) / _STEPS, statistics.median(floor)
        print(
            f"20 no-op steps: {step * 1000:.1f} ms a step (median of {_RUNS}; promotion "
            f"{step * _STEPS * 1000:.0f} ms, asked for to over {statistics.median(whole) * 1000:.0f} ms); the SDK alone, "
            f"in turn: {least * 1000:.1f} ms a step, ratio {step / least:.2f}"
        )


async def fifty_at_once() -> None:
    """Fifty promotions of fifty Stages at once, of seven steps each."""
    names = [f"s{number}" for number in range(_STAGES)]
    async with stack() as running:
        await running.freightway.apply([*project("b50"), *(stage("b50", name, _steps(7)) for name in names)])
        name = await freight(running.freightway, "b50", "1")
        await until_stages_know(running.freightway, "b50", names, name)
        before = running.cpu()
        began = time.perf_counter()
        await asyncio.gather(*(_promote(running, "b50", stage_name, name) for stage_name in names))
        took = time.perf_counter() - began
        after = running.cpu()
        memory = running.memory()
        print(
            f"50 promotions at once: {_STAGES / took * 60:.0f} a minute ({took:.1f} s), CPU a promotion: server "
            f"{(after[0] - before[0]) / _STAGES * 1000:.0f} ms, worker {(after[1] - before[1]) / _STAGES * 1000:.0f} ms; "
            f"memory: server {memory[0]:.0f} MB, worker {memory[1]:.0f} MB"
        )


def main() -> None:
    """Run both."""
    asyncio.run(twenty_steps())
    asyncio.run(fifty_at_once())


if __name__ == "__main__":
    main()
