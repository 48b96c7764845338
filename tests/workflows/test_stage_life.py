"""The life of a Stage: its queue, its promotions, and what happens when they are ended from outside."""

from __future__ import annotations

from tests.servers.manifests import PROJECT, project_config, auto, stage, warehouse
from tests.servers.temporal import Pipeline


async def test_freight_goes_from_stage_to_stage_by_itself(project: Pipeline) -> None:
    await project.apply(
        PROJECT, project_config(*auto("dev", "prod")), warehouse(), stage("dev"), stage("prod", upstream=["dev"])
    )
    freight = await project.freight("a" * 40)
    state = await project.stage_is("prod", lambda state: state.held_freight() == {"app": freight.name})
    assert [item.kind for item in state.finished] == ["auto"]


async def test_a_promotion_terminated_from_outside_does_not_block_the_queue(project: Pipeline) -> None:
    await project.apply(PROJECT, warehouse(), stage("dev"))
    freight = await project.freight("a" * 40)
    state = await project.brought("dev", freight)
    assert state.holding
