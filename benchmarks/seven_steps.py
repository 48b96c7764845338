"""The demo's promotion of seven steps against a shell script that runs the same git and kustomize commands."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from freightway.adapters.kustomize import Kustomize
from freightway.cli.demo_pipeline.parts import PROJECT, REPOSITORY, Parts, Settings, started
from freightway.cli.manifests import read_manifests
from freightway.client import Freightway
from freightway.connection import connect
from freightway.entities.messages import PromoteRequest

_RUNS = 8
_STAGE = "dev"

SCRIPT = """
set -euo pipefail
cd "$WORK"
git clone -q --branch main "$URL" src
git clone -q --branch "$BRANCH" "$URL" out
find out -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
sed -i "s/newTag: .*/newTag: $TAG/" src/overlays/dev/kustomization.yaml
$KUSTOMIZE src/overlays/dev > out/manifests.yaml
git -C out add -A
git -C out -c user.name=bench -c user.email=bench@example.com commit -q -m "dev: $TAG"
git -C out push -q origin "HEAD:$BRANCH"
"""
"""What a person would write: two clones, an edit, a build, a commit and a push."""


async def compare() -> None:
    """Run both in turn, and print medians and their ratio."""
    folder = Path(tempfile.mkdtemp(prefix="freightway-bench-"))
    try:
        async with started(Settings(home=folder / "home")) as parts:
            freightway = Freightway(await connect(parts.temporal.address), actor="benchmark")
            for tag in ("1.0.0", "1.1.0"):
                await parts.push(tag, f"2026-01-0{1 if tag == '1.0.0' else 2}T00:00:00Z")
                if tag == "1.0.0":
                    await _apply(freightway, parts)
                else:
                    await freightway.refresh(PROJECT, "warehouse", "guestbook")
                await _until_freight(freightway, tag)
            freight = [record.name for record in await freightway.freight(PROJECT)][:2]
            ours, whole, script = [], [], []
            for number in range(_RUNS + 1):
                files, all_seven = await _promote(freightway, freight[number % 2])
                theirs = await asyncio.to_thread(_script, parts, folder / f"w{number}", f"9.9.{number}")
                if number:  # the first of each fills the mirror and the caches
                    ours.append(files)
                    whole.append(all_seven)
                    script.append(theirs)
            median = statistics.median
            print(
                f"seven steps: git and kustomize steps {median(ours) * 1000:.0f} ms, shell script "
                f"{median(script) * 1000:.0f} ms, ratio {median(ours) / median(script):.2f}; with the wait for Argo CD "
                f"{median(whole) * 1000:.0f} ms (medians of {_RUNS}, in turn)"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _apply(freightway: Freightway, parts: Parts) -> None:
    loaded = read_manifests([str(parts.manifests / "pipeline")])
    assert not loaded.problems, loaded.problems
    await freightway.apply(
        item.resource.model_dump(mode="json", by_alias=True, exclude_unset=True) for item in loaded.resources
    )


async def _until_freight(freightway: Freightway, tag: str) -> None:
    while True:
        for record in await freightway.freight(PROJECT):
            if any(image["tag"] == tag for image in record.artifacts.get("images", ())):
                state = await freightway.stage(PROJECT, _STAGE)
                if record.name in state.freight:
                    return
        await asyncio.sleep(0.2)


async def _promote(freightway: Freightway, freight: str) -> tuple[float, float]:
    answer = await freightway.promote(PromoteRequest(project=PROJECT, stage=_STAGE, freight=freight))
    ended = await freightway.wait_for_promotion(PROJECT, answer.promotion, stage=_STAGE)
    assert ended.phase == "Succeeded", ended
    progress = await freightway.progress(PROJECT, answer.promotion)
    assert progress is not None
    pushed = next(meta for meta in progress.metas if meta.uses == "git-push")
    assert pushed.finished_at is not None
    assert progress.finished_at is not None
    begun = progress.started_at
    return (pushed.finished_at - begun).total_seconds(), (progress.finished_at - begun).total_seconds()


def _script(parts: Parts, work: Path, tag: str) -> float:
    work.mkdir()
    user, _, host = "robot", "", parts.git.host
    environment = {
        **os.environ,
        "WORK": str(work),
        "URL": f"http://{user}:{parts.password}@{host}/{REPOSITORY}",
        "BRANCH": f"stage/{_STAGE}",
        "TAG": tag,
        "KUSTOMIZE": " ".join(Kustomize.find(os.environ).command),
    }
    began = time.perf_counter()
    subprocess.run(["bash", "-c", SCRIPT], env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Run it."""
    asyncio.run(compare())


if __name__ == "__main__":
    main()
