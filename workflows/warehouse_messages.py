"""What a Warehouse says: its aliases to the Project, and its Freight and every fact about it to the Stages."""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from freightway import contracts, names
    from freightway.entities.freight import FreightNews
    from freightway.entities.messages import AliasNews
    from freightway.entities.warehouse import WarehouseState

from freightway.workflows import options
from freightway.workflows.entity import Entity

NEWS_AT_ONCE = 40
"""Freight records in one message; keeps a snapshot far below the payload limit."""
_ALIASES_AT_ONCE = 500
"""Aliases in one message; each has at most some hundred bytes."""
_FEW = 8
"""Stages that are told by a signal each: a pipeline of the usual size waits for no activity."""
_STAGES_AT_ONCE = 100
"""Stages that are told in one activity, which takes some seconds at most."""


class WarehouseMessages(Entity):
    """The messages of a Warehouse."""

    state: WarehouseState

    def __init__(self, state: WarehouseState) -> None:
        super().__init__()
        self.state = state
        self.telling: tuple[str, ...] = ()

    async def _tell_all(self) -> None:
        """Tell everything that is news; messages that come faster than it can be told do not keep a new run waiting."""
        state = self.state
        while state.alias_news and not self._must_leave():
            await self._tell_project()
        try:
            while state.snapshots and not self._must_leave():
                self.telling = (state.snapshots.pop(0),)
                await self._tell_snapshot(self.telling[0])
            while state.news and not self._must_leave():
                changed = next(iter(state.news.values()))
                alike = [stage for stage, other in state.news.items() if other == changed]
                self.telling = tuple(alike[:_STAGES_AT_ONCE] if len(alike) > _FEW else alike[:1])
                for stage in self.telling:
                    del state.news[stage]
                await self._tell(self.telling, changed)
        finally:
            self.telling = ()

    async def _tell_project(self) -> None:
        """Tell all aliases that are news in a few messages: one at a time would keep the Stages waiting."""
        waiting = self.state.alias_news
        part = {owner: waiting.pop(owner) for owner in list(waiting)[:_ALIASES_AT_ONCE]}
        handle = workflow.get_external_workflow_handle(names.project_id(self.state.project))
        try:
            await handle.signal("aliases", AliasNews(aliases=part))
        except ApplicationError:
            workflow.logger.info("project %s does not run", self.state.project)

    async def _tell_snapshot(self, stage: str) -> None:
        records = list(self.state.freight.values())
        first = True
        while records or first:
            await self._send(stage, FreightNews(snapshot=first, records=tuple(records[:NEWS_AT_ONCE])))
            records, first = records[NEWS_AT_ONCE:], False

    async def _tell(self, stages: tuple[str, ...], changed: set[str]) -> None:
        names_in_order = sorted(changed)
        for start in range(0, len(names_in_order), NEWS_AT_ONCE):
            part = names_in_order[start : start + NEWS_AT_ONCE]
            records = tuple(self.state.freight[name] for name in part if name in self.state.freight)
            removed = tuple(name for name in part if name not in self.state.freight)
            news = FreightNews(records=records, removed=removed)
            if len(stages) == 1:
                await self._send(stages[0], news)
            else:
                await self._send_all(stages, news)

    async def _send_all(self, stages: tuple[str, ...], news: FreightNews) -> None:
        """Send many Stages the same in one activity; a signal of our own costs a turn and two events each."""
        ids = [names.stage_id(self.state.project, stage) for stage in stages]
        message = contracts.Message(
            workflow="Stage",
            workflow_id=ids[0],
            also=tuple(ids[1:]),
            signal="freight",
            payload=news.model_copy(update={"origin": self.state.name}).model_dump(
                mode="json", by_alias=True
            ),
        )
        await workflow.execute_activity(
            contracts.tell,
            contracts.TellRequest(messages=(message,), only_running=True),
            summary=f"tell {len(ids)} Stages",
            **options.QUICK,
        )

    async def _send(self, stage: str, news: FreightNews) -> None:
        handle = workflow.get_external_workflow_handle(names.stage_id(self.state.project, stage))
        try:
            await handle.signal("freight", news.model_copy(update={"origin": self.state.name}))
        except ApplicationError:
            # A Stage that does not run yet subscribes when it starts and gets everything then.
            workflow.logger.info("Stage %s does not run", stage)
