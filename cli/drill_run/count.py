"""What came of a drill: counted from what the outside servers saw, and from the histories."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from freightway.cli.drill_run.killer import Kill
from freightway.cli.drill_run.sandbox import KINDS, SHARED_BRANCH, branch_of, file_of
from freightway.cli.drill_run.servers import DrillRepository, Record


@dataclass(frozen=True, slots=True)
class Run:
    """One activity of a promotion, as its history tells it.

    Attributes:
        attempt: the attempt that gave the answer.
        started: when that attempt began, seconds since the epoch; ``ended`` likewise, 0 if it never did.
        moved_on: when the workflow did something after it had ended: took its next step, or ended itself.
        rebuilt: it repeated a step to rebuild a lost workspace.
    """

    workflow_id: str
    activity_id: str
    kind: str
    alias: str
    scheduled: float
    attempt: int = 0
    started: float = 0.0
    ended: float = 0.0
    moved_on: float = 0.0
    status: str = ""
    rebuilt: bool = False


@dataclass(slots=True)
class Findings:
    """The faults of a drill, each with one line that says where."""

    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    branches: list[str] = field(default_factory=list)
    workspaces: list[str] = field(default_factory=list)

    def rows(self) -> list[tuple[str, list[str]]]:
        """Return what each kind of fault is called, and the faults."""
        return [
            ("promotions lost", self.lost),
            ("steps repeated after they had succeeded", self.repeated),
            ("duplicate commits", self.duplicates),
            ("branches wrong", self.branches),
            ("workspaces left", self.workspaces),
        ]

    @property
    def total(self) -> int:
        """How many faults there are."""
        return sum(len(lines) for _, lines in self.rows())


def count(
    ended: Mapping[str, str],
    order: Mapping[str, list[tuple[str, str]]],
    repository: DrillRepository,
    record: Record,
    runs: Iterable[Run],
    workspaces: list[str],
) -> Findings:
    """Compare what should be with what the outside servers hold.

    Args:
        ended: promotion -> the phase it ended with, empty if it never did.
        order: Stage -> its promotions with the Freight of each, in the order they were asked for.
    """
    found = Findings(workspaces=list(workspaces))
    found.lost = [
        f"{name}: {phase or 'never ended'}" for name, phase in ended.items() if phase != "Succeeded"
    ]
    commits = {branch: repository.subjects(branch) for branch in {branch_of(stage) for stage in order}}
    for branch, subjects in commits.items():
        made = Counter(subject for subject in subjects if subject in ended)
        found.duplicates += [f"{name} on {branch}: {times}" for name, times in made.items() if times > 1]
    _check_branches(found, order, commits, repository)
    for kind in ("http", "argocd-update"):
        times = Counter(record.promotions(kind))
        found.repeated += [f"{kind} of {name}: {times[name]} times" for name in times if times[name] > 1]
        found.lost += [
            f"{name}: no effect of {kind}"
            for name, phase in ended.items()
            if phase == "Succeeded" and not times[name]
        ]
    found.repeated += _late(record)
    successes = Counter(
        (run.workflow_id, run.alias) for run in runs if run.status == "Succeeded" and not run.rebuilt
    )
    found.repeated += [
        f"{alias} of {name}: succeeded {n} times" for (name, alias), n in successes.items() if n > 1
    ]
    return found


def _check_branches(
    found: Findings,
    order: Mapping[str, list[tuple[str, str]]],
    commits: Mapping[str, list[str]],
    repository: DrillRepository,
) -> None:
    problem = repository.check()
    if problem:
        found.branches.append(problem)
    for stage, asked in order.items():
        branch = branch_of(stage)
        names = {name for name, _ in asked}
        seen = list(dict.fromkeys(subject for subject in commits[branch] if subject in names))
        wanted = [name for name, _ in asked]
        if seen != wanted:
            found.branches.append(f"{branch}: commits of {stage} are {seen}, not {wanted}")
        text = repository.show(branch, file_of(stage))
        if asked and not re.search(rf"^freight: {asked[-1][1]}$", text, re.MULTILINE):
            found.branches.append(f"{branch}: {file_of(stage)} does not hold {asked[-1][1]}")
    strangers = {
        subject
        for branch in commits
        for subject in commits[branch]
        if subject not in {name for asked in order.values() for name, _ in asked} and subject != "base 0"
    }
    found.branches += [f"a commit of nobody: {subject}" for subject in sorted(strangers)]
    others = {
        name for stage, asked in order.items() if branch_of(stage) != SHARED_BRANCH for name, _ in asked
    }
    if others & set(commits.get(SHARED_BRANCH, ())):
        found.branches.append(f"{SHARED_BRANCH} holds commits that belong elsewhere")


def _late(record: Record) -> list[str]:
    """A request that came again after a later step of its promotion had had its effect."""
    synced = {seen.promotion: seen.at for seen in record.effects if seen.kind == "argocd-update"}
    return [
        f"http of {seen.promotion} was sent again after its sync"
        for seen in record.answered
        if seen.at > synced.get(seen.promotion, seen.at)
    ]


async def read_runs(client: Client, workflow_ids: Iterable[str]) -> list[Run]:
    """Read every step of these promotions from their histories."""
    found = []
    for workflow_id in workflow_ids:
        events = [event async for event in client.get_workflow_handle(workflow_id).fetch_history_events()]
        found += _runs(workflow_id, events)
    return found


def _runs(workflow_id: str, events: list[HistoryEvent]) -> list[Run]:
    values: dict[int, dict[str, Any]] = {}
    over: list[int] = []
    for event in events:
        at = event.event_time.ToNanoseconds() / 1e9
        if event.HasField("workflow_task_completed_event_attributes"):
            for number in over:
                values[number]["moved_on"] = at
            over = []
        if event.HasField("activity_task_scheduled_event_attributes"):
            given = event.activity_task_scheduled_event_attributes
            kind = given.activity_type.name
            if kind in KINDS:
                request = json.loads(given.input.payloads[0].data)
                values[event.event_id] = {
                    "kind": kind,
                    "activity_id": given.activity_id,
                    "alias": request["step"]["alias"],
                    "rebuilt": request.get("replay") is not None,
                    "scheduled": at,
                }
        elif event.HasField("activity_task_started_event_attributes"):
            began = event.activity_task_started_event_attributes
            values.get(began.scheduled_event_id, {}).update(attempt=began.attempt, started=at)
        elif event.HasField("activity_task_completed_event_attributes"):
            done = event.activity_task_completed_event_attributes
            if done.scheduled_event_id in values:
                outcome = json.loads(done.result.payloads[0].data)
                values[done.scheduled_event_id].update(ended=at, status=outcome["status"])
                over.append(done.scheduled_event_id)
    return [Run(workflow_id=workflow_id, **value) for value in values.values()]


@dataclass(frozen=True, slots=True)
class Delays:
    """How long after the kill a promotion went on to the step after the one that was interrupted, once; in seconds.

    Attributes:
        same_host: where the step went on on the same host or on the common queue.
        other_host: where the workspace had to be rebuilt.
    """

    same_host: tuple[float, ...]
    other_host: tuple[float, ...]

    @property
    def middle(self) -> float:
        """The median on the same host, 0 without any."""
        return median(self.same_host) if self.same_host else 0.0


def delays(kills: Iterable[Kill], runs: Iterable[Run]) -> Delays:
    """Return what each kill cost the step it interrupted: from the kill until the promotion went on after it."""
    by_id = {(run.workflow_id, run.activity_id): run for run in runs}
    ends: dict[tuple[str, str], float] = {}
    for run in by_id.values():
        if run.status == "Succeeded" and not run.rebuilt:
            key = (run.workflow_id, run.alias)
            ends[key] = max(run.moved_on, ends.get(key, 0.0))
    hits: dict[tuple[str, str], list[tuple[float, Run]]] = {}
    for kill in kills:
        for victim in kill.victims:
            hit = by_id.get((victim.workflow_id, victim.activity_id))
            if hit is not None and not hit.rebuilt:
                hits.setdefault((hit.workflow_id, hit.alias), []).append((kill.at, hit))
    same: list[float] = []
    other: list[float] = []
    for key, times in hits.items():
        if len(times) != 1 or key not in ends:
            continue
        at, hit = times[0]
        (same if hit.status == "Succeeded" else other).append(ends[key] - at)
    return Delays(tuple(sorted(same)), tuple(sorted(other)))
