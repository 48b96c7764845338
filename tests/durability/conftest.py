"""A sandbox with real servers and worker processes, for the tests that kill them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.service import RPCError

from freightway import names
from freightway.cli.drill_run.hosts import Host
from freightway.cli.drill_run.sandbox import WAREHOUSE, stages
from freightway.cli.drill_run.servers import Moment
from freightway.cli.drill_run.stack import Sandbox
from freightway.entities.messages import PromoteRequest, PromotionEnded


@dataclass
class Trap:
    """Kills the sender of the first request of a kind at a moment, or runs what a test wants instead."""

    box: Sandbox
    kind: str
    moment: Moment
    sprung: threading.Event = field(default_factory=threading.Event)
    then: Callable[[str], None] | None = None

    def __call__(self, kind: str, host: str, moment: Moment) -> bool:
        if (kind, moment) != (self.kind, self.moment) or self.sprung.is_set():
            return False
        self.sprung.set()
        if self.then is not None:
            self.then(host)
            return False
        return bool(self.box.hosts[host].kill())


async def promote(box: Sandbox, stage: str = "s1", number: int = 0) -> str:
    """Ask for a promotion and return its name."""
    request = PromoteRequest(project=box.project, stage=stage, freight=box.made[number])
    return (await box.freightway.promote(request)).promotion


async def ended(box: Sandbox, promotion: str, seconds: float = 120) -> PromotionEnded:
    return await box.freightway.wait_for_promotion(box.project, promotion, timeout=seconds)


def url_of(box: Sandbox) -> str:
    """The address of the sandbox's repository, from the credentials that a host has for it."""
    secret = (next(iter(box.hosts.values())).home / "secrets" / box.project / "git.yaml").read_text()
    data = yaml.safe_load(secret)
    return str((data.get("stringData") or data["data"])["repoURL"])


def clone(box: Sandbox, **checkout: Any) -> dict[str, Any]:
    config = {"repoURL": url_of(box), "checkout": [{"path": "./out", "branch": "main", **checkout}]}
    return {"uses": "git-clone", "as": "clone", "config": config}


async def add_stage(box: Sandbox, stage: str, *steps: dict[str, Any]) -> None:
    """Apply one more Stage that takes the sandbox's Freight, and wait until it knows it."""
    origin = {"kind": "Warehouse", "name": WAREHOUSE}
    spec = {
        "requestedFreight": [{"origin": origin, "sources": {"direct": True}}],
        "promotionTemplate": {"spec": {"steps": list(steps)}},
    }
    head = {"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Stage"}
    metadata = {"name": stage, "namespace": box.project}
    await box.freightway.apply([{**head, "metadata": metadata, "spec": spec}])
    await box.until_ready(stage)


async def pending(box: Sandbox, promotion: str, kind: str, *more: Host) -> str:
    """Wait until a step of a kind is under way and return the host that runs it."""
    hosts = {**box.hosts, **{host.name: host for host in more}}
    handle = box.client.get_workflow_handle(names.promotion_id(box.project, promotion))
    for _ in range(1200):
        activities: Iterable[PendingActivityInfo] = ()
        with suppress(RPCError):  # its Stage has not started it yet
            activities = (await handle.describe()).raw_description.pending_activities
        for one in activities:
            pid = one.last_worker_identity.partition("@")[0]
            for name, host in hosts.items():
                if one.activity_type.name == kind and pid == str(host.pid):
                    return name
        await asyncio.sleep(0.05)
    raise AssertionError(f"no {kind} ran")


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Sandbox]:
    """Two worker hosts and one Stage."""
    async with Sandbox(tmp_path, "sandbox", stages(2), freights=2) as running:
        yield running
