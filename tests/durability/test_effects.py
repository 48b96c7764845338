"""What every step with an effect outside must do: have it once, also if its worker dies after it."""

from __future__ import annotations

import asyncio

import pytest

from freightway.cli.drill_run.sandbox import branch_of
from freightway.cli.drill_run.servers import Moment
from freightway.cli.drill_run.stack import Sandbox
from tests.durability.conftest import Trap, ended, promote

OUTSIDE = ("git-push", "http", "argocd-update")


async def test_an_effect_whose_answer_was_lost_with_the_worker_is_there_once(box: Sandbox) -> None:
    number = 0
    for kind in OUTSIDE:
        for moment in ("after", "before"):
            await one_kill(box, kind, moment, number)
            number += 1


async def one_kill(box: Sandbox, kind: str, moment: Moment, number: int) -> None:
    box.gate = trap = Trap(box, kind, moment)
    # Freight of before comes again: the file then names another promotion, so there always is a change.
    promotion = await promote(box, number=number % 2)
    end = await ended(box, promotion)
    assert trap.sprung.is_set(), f"no worker was killed {moment} {kind}"
    assert end.phase == "Succeeded", end.message
    assert box.repository.subjects(branch_of("s1")).count(promotion) == 1
    assert box.record.promotions("http").count(promotion) == 1
    assert box.record.promotions("argocd-update").count(promotion) == 1


async def test_a_request_whose_answer_was_lost_carries_the_same_key_again(box: Sandbox) -> None:
    box.gate = Trap(box, "http", "after")
    promotion = await promote(box)
    assert (await ended(box, promotion)).phase == "Succeeded"
    assert [seen.promotion for seen in box.record.answered] == [promotion]


async def test_pushes_of_two_stages_to_one_branch_survive_a_killed_worker(box: Sandbox) -> None:
    box.gate = Trap(box, "git-push", "after")
    promotions = await asyncio.gather(*(promote(box, stage) for stage in ("s1", "s2")))
    for promotion in promotions:
        assert (await ended(box, promotion)).phase == "Succeeded"
    for stage, promotion in zip(("s1", "s2"), promotions, strict=True):
        assert box.repository.subjects(branch_of(stage)).count(promotion) == 1
    assert box.repository.check() == ""


@pytest.mark.parametrize("kind", ["git-clone"])
async def test_a_clone_whose_worker_is_killed_is_made_again(box: Sandbox, kind: str) -> None:
    box.gate = trap = Trap(box, kind, "after")
    promotion = await promote(box)
    assert (await ended(box, promotion)).phase == "Succeeded"
    assert trap.sprung.is_set()
