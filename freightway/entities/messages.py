"""Commands of people and their answers: the arguments of updates, signals and of the workflow ``Promote``.

Every field has a default, so that anything typed into the Temporal Web UI arrives as a value that a validator
can refuse with a sentence.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from freightway.errors import Refused
from freightway.resources.meta import Duration, Model


class Command(Model):
    """What every command carries.

    Attributes:
        id: the same command sent twice has the same id and is applied once; empty for no such guard.
        actor: who asks; shown and kept in the record.
        reason: why, in the person's words.
    """

    id: str = ""
    actor: str = ""
    reason: str = ""


LONGEST_TEXT = 2_000
"""Most characters of a reason; of a name, an actor or an id a quarter of it."""
LARGEST_COMMAND = 32_000
"""Most bytes of a command that carries no resources; entities keep what they are told."""


def check_size(command: Command) -> None:
    """Check that a command is small enough to be kept.

    Raises:
        Refused: naming what is too long.
    """
    for name, value in command:
        longest = LONGEST_TEXT if name == "reason" else LONGEST_TEXT // 4
        if isinstance(value, str) and len(value) > longest:
            raise Refused(f"{name} has {len(value)} characters; at most {longest} are taken")
    if isinstance(command, ApplyRequest | DeleteRequest):
        return
    size = len(command.model_dump_json())
    if size > LARGEST_COMMAND:
        raise Refused(f"the command has {size} bytes; at most {LARGEST_COMMAND} are taken")


class PromoteRequest(Command):
    """Ask a Stage for a promotion.

    Attributes:
        freight: name, unique prefix of a name (7 digits or more) or alias; empty for the newest available.
        origin: Warehouse whose newest available Freight is meant when ``freight`` is empty.
        rollback: marks the promotion as a rollback; it goes first in the queue.
        hotfix: goes first in the queue.
        break_glass: start although a window or a freeze forbids it; needs a reason.
        notify: workflow id that is signalled ``promotion_ended`` when the promotion has ended.
    """

    project: str = ""
    stage: str = ""
    freight: str = ""
    origin: str = ""
    rollback: bool = False
    hotfix: bool = False
    break_glass: bool = False
    notify: str = ""


class PromoteAnswer(Model):
    """What a Stage answers to a promotion asked for.

    Attributes:
        place: 0 if it starts at once, else the number of promotions before it.
        plan: the frozen plan: alias and kind of each step.
        waits_for: why it does not start yet, empty if it does.
    """

    promotion: str
    project: str
    stage: str
    freight: str
    alias: str = ""
    place: int = 0
    waits_for: str = ""
    plan: tuple[dict[str, str], ...] = ()


class PromotionEnded(Model):
    """Told to whoever asked to be notified of a promotion's end."""

    promotion: str = ""
    phase: str = ""
    message: str = ""
    freight: str = ""
    finished_at: datetime | None = None


class TargetRequest(Command):
    """A command about one named thing of the entity: a promotion, a verification, a hold, a Freight."""

    name: str = ""


class HoldRequest(Command):
    """Keep a Stage on what it has: auto-promotion from ``origin`` (empty: every origin) pauses.

    Attributes:
        until: when the hold ends by itself; None until it is released.
    """

    origin: str = ""
    until: datetime | None = None


class FreezeRequest(Command):
    """Keep promotions of a selection of Stages from starting.

    Attributes:
        name: names the freeze; needed to lift it.
        selector: ``stageSelector`` as in a promotion policy; None for every Stage.
        soft: what runs parks before its next step with an outside effect, instead of going on to its end.
    """

    name: str = ""
    selector: dict[str, Any] | None = None
    until: datetime | None = None
    soft: bool = False


class ApproveRequest(Command):
    """Make Freight available to a Stage without verification and soak."""

    freight: str = ""
    stage: str = ""


class AliasRequest(Command):
    """Give Freight another alias."""

    freight: str = ""
    alias: str = ""


class AliasNews(Model):
    """What a Warehouse tells the project's index of aliases.

    Attributes:
        aliases: by Freight, as ``name@warehouse``; empty for Freight that is gone.
    """

    aliases: dict[str, str] = Field(default_factory=dict)


class CreateFreightRequest(Command):
    """Make Freight by hand from artifacts that the Warehouse knows."""

    freight: dict[str, Any] = Field(default_factory=dict)


class AnswerRequest(Command):
    """A person's or system's answer: to an approval gate of a promotion or a ``signal`` metric.

    Attributes:
        target: alias of the step or name of the metric; empty if only one waits.
        groups: groups the person belongs to.
    """

    target: str = ""
    approve: bool = True
    groups: tuple[str, ...] = ()


class RepairRequest(Command):
    """What to do with a parked promotion.

    Attributes:
        action: try the failed step again, pass over it (needs a reason), or abort the promotion.
        vars: variables that replace those of the plan from now on.
    """

    action: Literal["retry", "skip", "abort"] = "retry"
    vars: dict[str, str] = Field(default_factory=dict)


class ApplyRequest(Command):
    """Resources to apply to a Project or to the Cluster.

    Attributes:
        documents: resources in Kargo's JSON form.
        upload: names a set that is sent in several parts; empty for a single part.
        more: further parts follow; nothing is committed yet.
        dry_run: say what would change and change nothing.
    """

    project: str = ""
    documents: tuple[dict[str, Any], ...] = ()
    upload: str = ""
    more: bool = False
    dry_run: bool = False


class Change(Model):
    """What applying or deleting did to one resource."""

    kind: str
    name: str
    action: Literal["created", "configured", "unchanged", "deleted", "stored"]


class ApplyAnswer(Model):
    """What an ``apply`` or ``delete`` did."""

    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    generation: int = 0


class DeleteRequest(Command):
    """Delete resources of a Project: ``kind/name`` each, or the whole Project."""

    project: str = ""
    targets: tuple[str, ...] = ()
    everything: bool = False
    dry_run: bool = False


class Done(Model):
    """The answer to a command that has no other."""

    message: str = ""
    waits_for: str = ""


class RefreshRequest(Command):
    """Look again now."""

    soak: Duration | None = None


class MetadataNews(Model):
    """Values that the step ``set-metadata`` writes to its Stage."""

    values: dict[str, Any] = Field(default_factory=dict)


class ExplainRequest(Model):
    """Which Freight to explain; empty for all."""

    freight: str = ""
