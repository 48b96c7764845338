"""wait-for-approval: wait until people have approved; our own step.

The answers come from the promotion; who may answer, and how many it takes, is judged here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import Field, model_validator

from freightway.activities.steps.registry import StepConfig, StepInfo, StepOutput, Waiting, step
from freightway.errors import StepFailed
from freightway.promotion.model import Answer
from freightway.resources.meta import Duration, format_duration

LONGEST_PAUSE = timedelta(hours=1)
"""An answer wakes the step at once; the pause is only for what an answer does not tell."""


class WaitForApprovalConfig(StepConfig):
    """Configuration of wait-for-approval."""

    approvals: int = Field(default=1, ge=1, description="How many people must approve.")
    approvers: tuple[str, ...] = Field(
        default=(), description="Names of those who may answer; with `groups` empty too, everybody may."
    )
    groups: tuple[str, ...] = Field(default=(), description="Groups whose members may answer.")
    allow_requester: bool = Field(
        default=False, description="Whether the person who asked for the promotion may approve it."
    )
    deadline: Duration | None = Field(
        default=None, description="How long to wait from the start of the step; then it fails."
    )
    reminder: Duration | None = Field(
        default=None, description="How often to say anew that approvals are missing."
    )
    prompt: str = Field(default="", description="What people are asked.")

    @model_validator(mode="after")
    def _sensible(self) -> WaitForApprovalConfig:
        for name in ("deadline", "reminder"):
            length = getattr(self, name)
            if length is not None and length <= timedelta(0):
                raise ValueError(f"{name} must be positive")
        if self.approvers and not self.groups and len(set(self.approvers)) < self.approvals:
            raise ValueError("there are fewer approvers than approvals are needed")
        return self


class Approval(StepConfig):
    """One person's approval."""

    actor: str
    reason: str = ""
    at: datetime | None = None


class WaitForApprovalOutput(StepOutput):
    """Output of wait-for-approval: who approved, in the order of their answers."""

    approved_by: tuple[Approval, ...]


@step("wait-for-approval", config=WaitForApprovalConfig, output=WaitForApprovalOutput)
async def wait_for_approval(config: WaitForApprovalConfig, info: StepInfo) -> WaitForApprovalOutput | Waiting:
    """Look at the answers so far.

    Raises:
        StepFailed: if one who may answer rejected, or the deadline has passed.
    """
    ends = _started(info) + config.deadline if config.deadline else None
    answers = [one for one in info.answers if one.target in ("", info.alias) and _in_time(one, ends)]
    for answer in answers:
        if not answer.approve and (_may_answer(answer, config) or answer.actor == info.actor):
            raise StepFailed(f"rejected by {answer.actor}" + (f": {answer.reason}" if answer.reason else ""))
    given = {one.actor: one for one in answers if one.approve and _may_approve(one, config, info)}
    if len(given) >= config.approvals:
        return WaitForApprovalOutput(
            approved_by=tuple(
                Approval(actor=one.actor, reason=one.reason, at=one.at) for one in given.values()
            )
        )
    if ends is not None and _now(info) >= ends and config.deadline is not None:
        had = f"{len(given)} of {config.approvals}"
        raise StepFailed(
            f"not approved within {format_duration(config.deadline)}: {had} approvals were given"
        )
    return Waiting(_why(config, info, list(given)), after=_pause(config, info, ends))


def _started(info: StepInfo) -> datetime:
    return info.step_started_at or info.started_at


def _now(info: StepInfo) -> datetime:
    return info.now or _started(info)


def _in_time(answer: Answer, ends: datetime | None) -> bool:
    return ends is None or answer.at is None or answer.at <= ends


def _may_answer(answer: Answer, config: WaitForApprovalConfig) -> bool:
    if not config.approvers and not config.groups:
        return True
    return answer.actor in config.approvers or not set(config.groups).isdisjoint(answer.groups)


def _may_approve(answer: Answer, config: WaitForApprovalConfig, info: StepInfo) -> bool:
    own = answer.actor == info.actor and not config.allow_requester
    return bool(answer.actor) and not own and _may_answer(answer, config)


def _why(config: WaitForApprovalConfig, info: StepInfo, given: list[str]) -> str:
    missing = config.approvals - len(given)
    text = f"waiting for {missing} {'approval' if missing == 1 else 'approvals'}"
    names = [
        name
        for name in config.approvers
        if name not in given and (config.allow_requester or name != info.actor)
    ]
    people = ", ".join([*names, *(f"group {group}" for group in config.groups)])
    text += f" by {people}" if people else ""
    text += f"; given by {', '.join(given)}" if given else ""
    if config.deadline:
        ends = _started(info) + config.deadline
        text += f"; until {ends.strftime('%Y-%m-%d %H:%M:%S')} UTC"
    reminders = _reminders(config, info)
    text += f" (reminder {reminders})" if reminders else ""
    # What is asked comes last, as it was written: it may end with a question mark.
    return f"{text}: {config.prompt.strip()}" if config.prompt.strip() else text


def _reminders(config: WaitForApprovalConfig, info: StepInfo) -> int:
    return max((_now(info) - _started(info)) // config.reminder, 0) if config.reminder else 0


def _pause(config: WaitForApprovalConfig, info: StepInfo, ends: datetime | None) -> float:
    """Seconds until something changes by itself: the next reminder, or the deadline."""
    events = [LONGEST_PAUSE]
    if config.reminder:
        following = _started(info) + config.reminder * (_reminders(config, info) + 1)
        events.append(following - _now(info))
    if ends is not None:
        events.append(ends - _now(info))
    return max(min(events).total_seconds(), 0.0)
