"""Random histories of Freight and Stages: the core agrees with a naive model at every moment.

No Freight is ever in a Stage that it was not available to, no two promotions run in one Stage, and when people
stop interfering everything that waits comes to an end.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from naive_model import NaiveModel, Wish

from freightway.selection import freight_facts, holds
from freightway.selection.auto_promotion import Attempt, Situation, decide
from freightway.selection.availability import FreightRequest, available_freight, explain
from freightway.selection.freezes import Freeze, freeze_verdict
from freightway.selection.freight_facts import FreightFacts
from freightway.selection.queue import (
    Gate,
    Queued,
    QueuePolicy,
    StageQueue,
    VerificationState,
    ended,
    enqueue,
    next_turn,
    refuse_unavailable,
    started,
)
from freightway.selection.stage_selector import StageRef, StageSelector

T0 = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
STAGES = ("dev", "test", "gate", "prod")
HISTORIES = int(os.environ.get("HISTORIES", "1000"))
"""How many histories are tried, some thirty a second; set it to tens of thousands to look longer."""
REGULAR = ("dev", "test", "prod")
CONTROL_FLOW = frozenset({"gate"})
SOAKS = st.sampled_from([None, timedelta(0), 5 * MINUTE, 60 * MINUTE])


class LifeOfFreight(RuleBasedStateMachine):
    """Stages dev -> test -> gate (control flow) -> prod, which may also ask test and dev, over two Warehouses."""

    sources: ClassVar[tuple[str, ...]] = ("test",)
    """The Stages that prod takes Freight of Warehouse a from."""
    needs_all: ClassVar[bool] = False
    freight = Bundle("freight")

    @initialize(
        soak_test=SOAKS,
        soak_prod=SOAKS,
        match=st.booleans(),
        policy=st.sampled_from(["fifo", "latest"]),
    )
    def build(
        self,
        soak_test: timedelta | None,
        soak_prod: timedelta | None,
        match: bool,
        policy: QueuePolicy,
    ) -> None:
        wishes = {
            "dev": [Wish("a", True, (), False, None), Wish("b", True, (), False, None)],
            "test": [Wish("a", False, ("dev",), False, soak_test), Wish("b", True, (), False, None)],
            "gate": [Wish("a", False, ("test",), True, soak_test)],
            "prod": [
                Wish("a", False, self.sources, self.needs_all, soak_prod),
                Wish("b", False, ("test",), True, None),
            ],
        }
        self.model = NaiveModel(wishes, CONTROL_FLOW)
        self.requests = {
            stage: [
                FreightRequest(
                    origin=wish.origin,
                    direct=wish.direct,
                    stages=wish.stages,
                    strategy="All" if wish.needs_all else "OneOf",
                    soak=wish.soak,
                    policy="MatchUpstream" if match and len(wish.stages) == 1 else "",
                )
                for wish in asked
            ]
            for stage, asked in wishes.items()
        }
        self.policy = policy
        self.now = T0
        self.facts: dict[str, FreightFacts] = {}
        self.queues = {stage: StageQueue() for stage in REGULAR}
        self.attempts: dict[str, dict[str, Attempt]] = {stage: {} for stage in REGULAR}
        self.current: dict[str, dict[str, str]] = {stage: {} for stage in REGULAR}
        self.verification: dict[str, VerificationState] = dict.fromkeys(REGULAR, "none")
        self.holds: dict[str, holds.Holds] = dict.fromkeys(REGULAR, ())
        self.freezes: list[Freeze] = []
        self.running: dict[str, str] = {}
        self.serial = 0
        self.checked: dict[tuple[str, str], tuple[FreightFacts, datetime, int]] = {}

    # What happens outside.

    @rule(target=freight, origin=st.sampled_from(["a", "b"]))
    def discover(self, origin: str) -> str:
        name = f"f{len(self.facts):03}"
        self.facts[name] = FreightFacts(name=name, origin=origin, discovered_at=self.now)
        self.model.origins[name] = origin
        return name

    @rule(minutes=st.sampled_from([1, 4, 5, 30, 60, 600]))
    def wait(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    @rule(name=freight, stage=st.sampled_from(STAGES))
    def approve(self, name: str, stage: str) -> None:
        self.facts[name] = freight_facts.approved(self.facts[name], stage, self.now, "ann")
        self.model.note(self.now, "approve", name, stage)

    @rule(name=freight, stage=st.sampled_from(REGULAR))
    def withdraw(self, name: str, stage: str) -> None:
        self.facts[name] = freight_facts.unverified(self.facts[name], stage)
        self.model.note(self.now, "withdraw", name, stage)

    @rule(stage=st.sampled_from(REGULAR), minutes=st.sampled_from([1, 30, None]))
    def freeze(self, stage: str, minutes: int | None) -> None:
        until = None if minutes is None else self.now + minutes * MINUTE
        self.freezes.append(
            Freeze(
                id=str(len(self.freezes)),
                owner="ann",
                reason="sale",
                since=self.now,
                until=until,
                selector=StageSelector(name=stage),
            )
        )

    @precondition(lambda self: self.freezes)
    @rule()
    def thaw(self) -> None:
        self.freezes.pop(0)

    # What the Stages do.

    def is_available(self, stage: str, name: str) -> bool:
        return explain(stage, self.requests[stage], self.facts[name], self.now).available

    def ask(self, stage: str, name: str) -> str:
        self.serial += 1
        promotion = f"{stage}.{self.serial:05}"
        facts = self.facts[name]
        item = Queued(
            promotion=promotion,
            freight=name,
            origin=facts.origin,
            discovered_at=facts.discovered_at,
            requested_at=self.now,
        )
        self.queues[stage], superseded = enqueue(self.queues[stage], item, self.policy)
        self.attempts[stage][promotion] = Attempt(promotion=promotion, freight=name, created_at=self.now)
        for other in superseded:
            assert self.facts[other.freight].age_key < facts.age_key
            self.close(stage, other.promotion, "Superseded")
        return promotion

    def close(self, stage: str, promotion: str, phase: str) -> None:
        attempt = self.attempts[stage][promotion]
        self.attempts[stage][promotion] = attempt.model_copy(update={"phase": phase})
        self.holds[stage] = holds.promotion_ended(self.holds[stage], promotion, phase)

    def decide(self, stage: str) -> None:
        situation = Situation(
            current=self.current[stage],
            attempts=tuple(self.attempts[stage].values()),
            held=holds.held_reasons(self.holds[stage], ["a", "b"], self.now),
        )
        decisions = decide(
            stage,
            enabled=True,
            requests=self.requests[stage],
            freight=list(self.facts.values()),
            situation=situation,
            now=self.now,
        )
        for decision in decisions:
            assert decision.reason
            if not decision.promote:
                continue
            name = decision.freight
            request = next(one for one in self.requests[stage] if one.origin == decision.origin)
            newer = [one for one in self.listed(stage) if one.origin == decision.origin]
            if request.policy == "MatchUpstream":
                assert request.stages[0] in self.facts[name].currently_in
            else:
                assert self.facts[name].age_key == max(one.age_key for one in newer)
            assert self.model.available(name, stage, self.now)
            assert self.current[stage].get(decision.origin) != name
            assert decision.origin not in situation.held
            same = [attempt for attempt in situation.attempts if attempt.freight == name]
            assert all(attempt.is_over for attempt in same)
            self.ask(stage, name)

    @rule(stage=st.sampled_from(REGULAR))
    def promote_by_itself(self, stage: str) -> None:
        self.decide(stage)

    @rule(stage=st.sampled_from(REGULAR), name=freight)
    def promote_by_hand(self, stage: str, name: str) -> None:
        if not self.is_available(stage, name):
            return
        promotion = self.ask(stage, name)
        origin = self.facts[name].origin
        newest = [facts.name for facts in self.listed(stage) if facts.origin == origin]
        self.holds[stage] = holds.promotion_requested(
            self.holds[stage],
            promotion=promotion,
            origin=origin,
            freight=name,
            candidate=newest[0],
            by="ann",
            now=self.now,
        )

    @rule(stage=st.sampled_from(REGULAR))
    def start(self, stage: str) -> None:
        queue, refused = refuse_unavailable(self.queues[stage], lambda name: self.is_available(stage, name))
        for item in refused:
            assert not self.model.available(item.freight, stage, self.now)
            self.close(stage, item.promotion, "Aborted")
        gate = Gate(
            has_freight=bool(self.current[stage]),
            verification=self.verification[stage],
            freeze=freeze_verdict(self.freezes, StageRef(name=stage), self.now),
        )
        turn = next_turn(queue, gate)
        if turn.start is not None:
            assert stage not in self.running, "two promotions would run in one Stage"
            assert not gate.freeze.frozen
            assert self.model.available(turn.start.freight, stage, self.now)
            queue = started(queue, turn.start.promotion)
            self.running[stage] = turn.start.promotion
            attempt = self.attempts[stage][turn.start.promotion]
            self.attempts[stage][turn.start.promotion] = attempt.model_copy(update={"phase": "Running"})
        else:
            assert bool(turn.waits_for) == bool(queue.waiting)
        self.queues[stage] = queue

    @rule(
        stage=st.sampled_from(REGULAR),
        phase=st.sampled_from(["Succeeded", "Succeeded", "Succeeded", "Failed", "Errored", "Aborted"]),
    )
    def finish(self, stage: str, phase: str) -> None:
        promotion = self.running.pop(stage, "")
        if not promotion:
            return
        name = self.attempts[stage][promotion].freight
        self.queues[stage] = ended(self.queues[stage], promotion)
        self.close(stage, promotion, phase)
        if phase != "Succeeded":
            return
        origin = self.facts[name].origin
        before = self.current[stage].get(origin)
        if before is not None and before != name:
            self.facts[before] = freight_facts.left(self.facts[before], stage, self.now)
            self.model.note(self.now, "leave", before, stage)
        self.facts[name] = freight_facts.entered(self.facts[name], stage, self.now)
        self.model.note(self.now, "enter", name, stage)
        self.current[stage] = {**self.current[stage], origin: name}
        self.verification[stage] = "none"

    @rule(stage=st.sampled_from(REGULAR))
    def start_verification(self, stage: str) -> None:
        if self.current[stage] and self.verification[stage] == "none" and stage not in self.running:
            self.verification[stage] = "running"

    @rule(stage=st.sampled_from(REGULAR), succeeded=st.sampled_from([True, True, False]))
    def end_verification(self, stage: str, succeeded: bool) -> None:
        if self.verification[stage] != "running":
            return
        self.verification[stage] = "over"
        for name in self.current[stage].values() if succeeded else ():
            self.facts[name] = freight_facts.verified(self.facts[name], stage, self.now)
            self.model.note(self.now, "verify", name, stage)

    @rule()
    def pass_on(self) -> None:
        for facts in self.listed("gate"):
            if "gate" not in facts.verified_in:
                self.facts[facts.name] = freight_facts.verified(facts, "gate", self.now, control_flow=True)
                self.model.note(self.now, "verify", facts.name, "gate")

    @rule(stage=st.sampled_from(REGULAR), at=st.integers(min_value=0, max_value=3))
    def lose(self, stage: str, at: int) -> None:
        """A waiting promotion is terminated from outside."""
        waiting = self.queues[stage].waiting
        if at < len(waiting):
            self.queues[stage] = ended(self.queues[stage], waiting[at].promotion)
            self.close(stage, waiting[at].promotion, "Aborted")

    @rule(
        stage=st.sampled_from(REGULAR), steps=st.integers(min_value=1, max_value=5), succeeded=st.booleans()
    )
    def work(self, stage: str, steps: int, succeeded: bool) -> None:
        """The usual course of a Stage, left off after some steps."""
        course = (
            lambda: self.decide(stage),
            lambda: self.start(stage),
            lambda: self.finish(stage, "Succeeded"),
            lambda: self.start_verification(stage),
            lambda: self.end_verification(stage, succeeded),
        )
        for step in course[:steps]:
            step()

    @rule(target=freight)
    def bring_new_freight_through(self) -> str:
        """New Freight goes through dev and test as fast as the rules let it."""
        name = self.discover("a")
        for stage in ("dev", "test"):
            for _ in range(2):
                self.work(stage, 5, True)
        self.pass_on()
        return name

    # What holds at every moment.

    def listed(self, stage: str) -> list[FreightFacts]:
        return available_freight(stage, self.requests[stage], self.facts.values(), self.now)

    def unchecked(self, stage: str) -> list[str]:
        """Freight of which something was learnt, or for which time has passed, since its last check for a Stage.

        Answers depend on the facts, the events and the time alone; looking again at what is the same shows nothing.
        """
        fresh = []
        for name, facts in self.facts.items():
            known = (facts, self.now, self.model.count(name))
            before = self.checked.get((stage, name))
            if before is None or before[0] is not facts or before[1:] != known[1:]:
                fresh.append(name)
                self.checked[stage, name] = known
        return fresh

    @invariant()
    def answer_list_and_model_agree(self) -> None:
        for stage in STAGES:
            names = self.unchecked(stage)
            for name in names:
                self.check_answer(stage, name)
            if names:
                expected = {name for name in self.facts if self.model.available(name, stage, self.now)}
                assert {facts.name for facts in self.listed(stage)} == expected

    def check_answer(self, stage: str, name: str) -> None:
        """The answer is the model's, and the earliest moment is exact to the second."""
        verdict = explain(stage, self.requests[stage], self.facts[name], self.now)
        assert verdict.available == self.model.available(name, stage, self.now)
        if verdict.available:
            assert verdict.earliest == self.now
        elif verdict.earliest is not None:
            assert verdict.earliest > self.now
            assert self.model.available(name, stage, verdict.earliest)
            assert not self.model.available(name, stage, verdict.earliest - timedelta(seconds=1))
        else:
            assert not self.model.available(name, stage, self.now + timedelta(days=999))

    @invariant()
    def one_promotion_runs_in_a_stage(self) -> None:
        for stage in REGULAR:
            running = [one for one in self.attempts[stage].values() if one.phase == "Running"]
            assert len(running) <= 1
            assert self.queues[stage].running == self.running.get(stage, "")

    @invariant()
    def nothing_is_forgotten(self) -> None:
        for stage in REGULAR:
            open_attempts = {name for name, one in self.attempts[stage].items() if not one.is_over}
            queue = self.queues[stage]
            known = {item.promotion for item in queue.waiting} | ({queue.running} - {""})
            assert open_attempts == known

    def teardown(self) -> None:
        """Nothing waits for ever: when people only let things happen, every queue runs dry."""
        if not hasattr(self, "queues"):
            return
        self.freezes = []
        for _ in range(3 * self.serial + 3):
            if all(self.queues[stage] == StageQueue() for stage in REGULAR):
                return
            for stage in REGULAR:
                self.finish(stage, "Succeeded")
                self.start_verification(stage)
                self.end_verification(stage, True)
                self.start(stage)
        for stage in REGULAR:
            assert self.queues[stage] == StageQueue()


class OneOfTwo(LifeOfFreight):
    sources = ("dev", "test")


class AllOfTwo(LifeOfFreight):
    sources = ("dev", "test")
    needs_all = True


class BehindControlFlow(LifeOfFreight):
    sources = ("gate",)


class AllOfNone(LifeOfFreight):
    sources = ()
    needs_all = True


MACHINES = (LifeOfFreight, OneOfTwo, AllOfTwo, BehindControlFlow, AllOfNone)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.__name__)
def test_core_agrees_with_the_naive_model(machine: type[LifeOfFreight]) -> None:
    effort = settings(max_examples=HISTORIES // len(MACHINES) + 1, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(machine, settings=effort)
