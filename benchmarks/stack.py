"""A Temporal server and a worker of their own for a measurement, and what they cost."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from freightway.adapters.dev_server import DevServer, free_port
from freightway.client import Freightway
from freightway.connection import connect

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Stack:
    """The server, the worker process and a client."""

    server: DevServer
    worker: subprocess.Popen[bytes]
    home: Path
    freightway: Freightway

    def cpu(self) -> tuple[float, float]:
        """Seconds of processor time used by server and worker so far."""
        assert self.server.pid
        return _cpu(self.server.pid), _cpu(self.worker.pid)

    def memory(self) -> tuple[float, float]:
        """Megabytes of memory resident in server and worker."""
        assert self.server.pid
        return _memory(self.server.pid), _memory(self.worker.pid)


@asynccontextmanager
async def stack() -> AsyncIterator[Stack]:
    """Start the tuned server with its SQLite file, and one worker process."""
    folder = Path(tempfile.mkdtemp(prefix="freightway-bench-"))
    server = DevServer(database=folder / "temporal.db", port=free_port())
    await server.start()
    home = folder / "home"
    environment = {**os.environ, "TEMPORAL_ADDRESS": server.address}
    log = (folder / "worker.log").open("wb")
    worker = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "freightway.cli.main",
            "worker",
            "--home",
            str(home),
            "--log-level",
            "warning",
        ],
        env=environment,
        stdout=log,
        stderr=log,
    )
    try:
        client = await connect(server.address)
        while b"ready" not in (folder / "worker.log").read_bytes():
            await asyncio.sleep(0.1)
        yield Stack(server, worker, home, Freightway(client, actor="benchmark"))
    finally:
        worker.terminate()
        await asyncio.to_thread(worker.wait, 30)
        await server.stop()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _memory(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def project(name: str) -> list[dict[str, object]]:
    """Manifests of a project with a Warehouse that makes no Freight by itself."""
    return [
        {"apiVersion": KARGO, "kind": "Project", "metadata": {"name": name}},
        {
            "apiVersion": KARGO,
            "kind": "Warehouse",
            "metadata": {"name": "w", "namespace": name},
            "spec": {
                "freightCreationPolicy": "Manual",
                "interval": "24h",
                "subscriptions": [{"image": {"repoURL": "127.0.0.1:1/none"}}],
            },
        },
    ]


def stage(project_name: str, name: str, steps: list[dict[str, object]]) -> dict[str, object]:
    """Manifest of a Stage that takes Freight straight from the Warehouse."""
    return {
        "apiVersion": KARGO,
        "kind": "Stage",
        "metadata": {"name": name, "namespace": project_name},
        "spec": {
            "requestedFreight": [{"origin": {"kind": "Warehouse", "name": "w"}, "sources": {"direct": True}}],
            "promotionTemplate": {"spec": {"steps": steps}},
        },
    }


KARGO = "kargo.akuity.io/v1alpha1"


async def freight(freightway: Freightway, project_name: str, tag: str) -> str:
    """Make Freight by hand and return its name."""
    image = {"repoURL": "127.0.0.1:1/none", "tag": tag, "digest": "sha256:" + "0" * 64}
    await freightway.create_freight(project_name, "w", {"images": [image]})
    return (await freightway.freight(project_name))[0].name


async def until_stages_know(freightway: Freightway, project_name: str, names: list[str], name: str) -> None:
    """Wait until each Stage has heard of the Freight."""
    for stage_name in names:
        while True:
            try:
                state = await freightway.stage(project_name, stage_name)
            except Exception:  # noqa: BLE001 - the Stage is just being started
                await asyncio.sleep(0.1)
                continue
            if name in state.freight:
                break
            await asyncio.sleep(0.05)
