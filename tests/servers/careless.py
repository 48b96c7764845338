"""Workflows that break the rules of workflows; light, since the sandbox imports the module for each run."""

from __future__ import annotations

import datetime as dt
import random

from temporalio import workflow


@workflow.defn
class LooksAtTheClock:
    @workflow.run
    async def run(self) -> str:
        return dt.datetime.now().isoformat()  # noqa: DTZ005 - the carelessness under test


@workflow.defn
class ThrowsDice:
    @workflow.run
    async def run(self) -> float:
        return random.random()


@workflow.defn
class ReadsAFile:
    @workflow.run
    async def run(self) -> str:
        with open("/etc/hostname") as file:  # noqa: PTH123 - the carelessness under test
            return file.read()
