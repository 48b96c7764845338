"""How a Stage learns its health: beside everything else, so that no command waits for a slow Argo CD.

A check is a task of its own, one at a time; ``run`` starts it and takes what it saw. Its activity is bounded, and a
check that is under way when the Stage continues as new is ended and made again by the next run.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.stage import Health, StageState

from freightway.workflows import options
from freightway.workflows.stage_commands import StageCommands


class StageHealth(StageCommands):
    """The health checks of a Stage."""

    def __init__(self, state: StageState) -> None:
        super().__init__(state)
        self._recheck: datetime | None = None
        self._recheck_after = options.INTERVALS.health_again
        self._checking: asyncio.Task[contracts.StageHealth | None] | None = None
        self._checked = ""

    def _promotion_held(self) -> str:
        return self.state.holding.promotion if self.state.holding else ""

    def _expect_new_health(self) -> None:
        """What the Stage holds is new: look often at first."""
        self._recheck, self._recheck_after = None, options.INTERVALS.health_again

    def _health_has_come(self) -> bool:
        return self._checking is not None and self._checking.done()

    def _look_after_health(self, now: datetime) -> None:
        """Take what a check saw, and start the next one if it is time for it."""
        if self._health_has_come():
            self._take_check()
        if self._checking is not None:
            if self._checked != self._promotion_held():
                # It looks at what the Stage held before; the next starts when it has ended.
                self._checking.cancel()
            return
        if self.state.health_wanted or (self._recheck is not None and now >= self._recheck):
            self._start_check(now)

    def _start_check(self, now: datetime) -> None:
        state = self.state
        state.health_wanted, self._recheck = False, None
        if not state.health_checks:
            state.health = Health(checked_at=now)
            return
        self._checked = self._promotion_held()
        self._checking = asyncio.create_task(self._check_health())

    async def _check_health(self) -> contracts.StageHealth | None:
        """Look at the health; None if the look was cut short."""
        state = self.state
        try:
            answer = await workflow.execute_activity(
                contracts.check_health,
                contracts.HealthRequest(
                    project=state.project,
                    stages=(contracts.StageHealthRequest(stage=state.name, checks=state.health_checks),),
                ),
                task_queue=names.shard_queue(state.shard),
                summary="health",
                **options.HEALTH,
            )
        except FailureError as error:
            if is_cancelled_exception(error):
                return None
            issue = f"not checked: {error.cause or error}"
            return contracts.StageHealth(stage=state.name, status="Unknown", issues=(issue,))
        return answer.stages[0]

    def _take_check(self) -> None:
        task, self._checking = self._checking, None
        assert task is not None
        if task.cancelled() or self._checked != self._promotion_held():
            return
        seen = task.result()
        if seen is None:
            return
        self.take_health(seen)
        state = self.state
        unsettled = seen.status != "Healthy" and state.holding and not state.holding.verifications
        self._recheck = workflow.now() + self._recheck_after if unsettled else None
        self._recheck_after = min(self._recheck_after * 2, options.INTERVALS.health)

    async def _put_aside(self) -> None:
        """End the check that is under way; the next run makes it again."""
        task, self._checking = self._checking, None
        if task is None:
            return
        self.state.health_wanted = True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
