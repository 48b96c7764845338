"""The registry of step kinds: a decorator makes a step of a function, its parameters name what it needs.

A step is one function in one file. Its first parameter is its configuration; each further parameter is a
capability, chosen by its type: :class:`StepInfo`, :class:`Workspace`, :class:`Recorder`,
``freightway.adapters.credentials.CredentialStore``, ``freightway.adapters.processes.ProcessRunner``, ….
A step is handed what it asks for and nothing else. Kinds from other packages register through the entry-point
group ``freightway.steps``: each entry point names a module or a function decorated with :func:`step`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import ConfigDict

from freightway.activities.journal import Journal
from freightway.errors import FreightwayError
from freightway.promotion.model import (
    Answer,
    Effect,
    FreightReference,
    HealthCheck,
    KindFacts,
    MetadataUpdate,
    StepStatus,
)
from freightway.resources.meta import Model

ENTRY_POINTS = "freightway.steps"


class StepConfig(Model):
    """Base of a step's configuration: camelCase outside, unknown keys refused, no silent type changes."""

    model_config = ConfigDict(strict=False, coerce_numbers_to_str=False)


class StepOutput(Model):
    """Base of a step's output: what later steps read as ``outputs.<alias>``."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a step returns when it is done and a plain output is not enough.

    Attributes:
        status: Succeeded, Skipped (nothing to do) or Failed without an error (polled again, as ``http`` does).
        after: seconds until a step that Failed without an error is asked again; None for the engine's default.
        metadata: values for Freight or Stages, written by the workflow.
    """

    output: StepOutput | Mapping[str, Any] | None = None
    message: str = ""
    status: Literal[StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.FAILED] = StepStatus.SUCCEEDED
    health_check: HealthCheck | None = None
    metadata: tuple[MetadataUpdate, ...] = ()
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a step returns when it is not done: it is asked again.

    Attributes:
        after: seconds until the next poll; None for the engine's default.
        why: what is waited for, shown to people; a changed text is shown at once.
        output: what later polls and people may read already.
    """

    why: str
    after: float | None = None
    output: StepOutput | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StepInfo:
    """Who and what a step runs for; safe to show, free of secrets.

    Attributes:
        started_at: when the promotion was asked for: the date of its commits, so that a repetition makes the
            same commit ids.
        previous: the step's own output of an earlier poll or attempt, None if there is none.
        poll: completed polls and counted attempts of this step before this one.
        idempotency_key: promotion, step and poll number; the same for each attempt of one poll.
        answers: what people answered to steps of this promotion that wait for an approval.
        step_started_at: when this step was first started, None before that is recorded.
        now: the instant of this attempt.
    """

    project: str
    stage: str
    promotion: str
    alias: str
    actor: str
    freight: FreightReference
    collection: tuple[FreightReference, ...]
    requested: tuple[dict[str, Any], ...]
    warehouses: Mapping[str, dict[str, Any]]
    started_at: datetime
    previous: Mapping[str, Any] | None = None
    poll: int = 0
    idempotency_key: str = ""
    ui_base_url: str = ""
    answers: tuple[Answer, ...] = ()
    step_started_at: datetime | None = None
    now: datetime | None = None


@dataclass(slots=True)
class Recorder:
    """What a step resolved, kept so that a lost workspace can be rebuilt with the same content.

    Attributes:
        pinned: what an earlier run of this very step resolved; empty unless the step is being repeated to
            rebuild a workspace. A step that looks something up must use the pinned value where there is one.
        rebuilding: the step is being repeated for its files only and must have no effect outside them.
    """

    pinned: Mapping[str, Any] = field(default_factory=dict)
    rebuilding: bool = False
    resolved: dict[str, Any] = field(default_factory=dict)

    def note(self, key: str, value: Any) -> None:
        """Record what ``key`` was resolved to (plain JSON)."""
        self.resolved[key] = value


StepFunction = Callable[..., Awaitable[StepOutput | Mapping[str, Any] | Result | Waiting | None]]


@dataclass(frozen=True, slots=True)
class StepKind:
    """A registered kind of step."""

    name: str
    config: type[StepConfig]
    output: type[StepOutput] | None
    run: StepFunction
    facts: KindFacts
    task_output: bool
    capabilities: Mapping[str, type]
    module: str


class StepRegistry:
    """The kinds a worker can run, by name; a second kind of the same name is refused."""

    def __init__(self) -> None:
        self._kinds: dict[str, StepKind] = {}

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def add(self, kind: StepKind) -> None:
        """Register a kind.

        Raises:
            FreightwayError: if the name is taken.
        """
        taken = self._kinds.get(kind.name)
        if taken is not None and taken.run is not kind.run:
            raise FreightwayError(
                f"step kind {kind.name!r} of {kind.module} is already registered by {taken.module}"
            )
        self._kinds[kind.name] = kind

    def get(self, name: str) -> StepKind | None:
        """Return the kind of this name, None if there is none."""
        return self._kinds.get(name)

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted(self._kinds)

    def facts(self, name: str) -> KindFacts:
        """Return what a plan freezes about a kind; ``known=False`` for an unknown one."""
        kind = self._kinds.get(name)
        return kind.facts if kind else KindFacts(known=False)

    def load_entry_points(self) -> list[str]:
        """Import every step that installed packages offer; returns the names of the entry points."""
        loaded = []
        for entry in metadata.entry_points(group=ENTRY_POINTS):
            entry.load()
            loaded.append(entry.name)
        return loaded


REGISTRY = StepRegistry()
"""The registry that :func:`step` fills."""


def step(
    name: str,
    *,
    config: type[StepConfig],
    output: type[StepOutput] | None = None,
    effect: Effect = "none",
    needs_files: bool | None = None,
    repeatable: bool = True,
    timeout: timedelta | None = None,
    error_threshold: int = 1,
    task_output: bool = False,
    registry: StepRegistry | None = None,
) -> Callable[[StepFunction], StepFunction]:
    """Register an async function as the step kind ``name``.

    Args:
        effect: ``none``, ``files`` (its workspace) or ``outside``; a step with an effect outside must look
            whether the effect is there already before it acts.
        needs_files: whether it runs on the host of the workspace; by default it does if it asks for a
            Workspace.
        repeatable: False if a lost attempt must not simply be repeated.
        timeout: default soft limit, None for none.
        task_output: its output is also published under the alias of the task it belongs to.
    """

    def register(function: StepFunction) -> StepFunction:
        hints = get_type_hints(function)
        parameters = list(inspect.signature(function).parameters)[1:]
        wants = {parameter: hints[parameter] for parameter in parameters}
        files = any(getattr(wanted, "IS_WORKSPACE", False) for wanted in wants.values())
        kind = StepKind(
            name=name,
            config=config,
            output=output,
            run=function,
            facts=KindFacts(
                needs_files=files if needs_files is None else needs_files,
                effect=effect,
                repeatable=repeatable,
                timeout=timeout,
                error_threshold=error_threshold,
            ),
            task_output=task_output,
            capabilities=wants,
            module=function.__module__,
        )
        (registry or REGISTRY).add(kind)
        return function

    return register


@dataclass(frozen=True, slots=True)
class Workspace:
    """A promotion's folder, as a step sees it; every path a user wrote goes through :meth:`path`.

    Attributes:
        root: absolute path of the folder; never shown to people.
        journal: notes what the attempt changes; None where nobody would begin again.
    """

    root: Path
    journal: Journal | None = None

    IS_WORKSPACE = True

    def path(self, text: str) -> Path:
        """Return the absolute path of a user's path inside the folder.

        The folder is the root of everything: ``..`` above it is clamped, absolute paths start in it and
        symbolic links are resolved as if it were ``/``. It never fails for a traversal.

        Source: Kargo joins paths the same way (securejoin), ``spec`` of each step.
        """
        from freightway.activities.paths import secure_join

        return secure_join(self.root, text)

    def show(self, path: Path) -> str:
        """Return a path as people may see it: relative to the folder."""
        try:
            return path.relative_to(self.root).as_posix() or "."
        except ValueError:
            return path.name
