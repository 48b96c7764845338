"""What the steps so far mean: has the promotion failed, which phase does it end in, and why."""

from __future__ import annotations

from collections.abc import Iterable

from freightway.promotion.model import Phase, StepMeta, StepStatus

_PHASES = {
    StepStatus.SUCCEEDED: Phase.SUCCEEDED,
    StepStatus.SKIPPED: Phase.SUCCEEDED,
    StepStatus.ABORTED: Phase.ABORTED,
    StepStatus.FAILED: Phase.FAILED,
}


def has_failed(metas: Iterable[StepMeta]) -> bool:
    """Return whether a step that may not fail is Failed or Errored.

    Source: Kargo ``failure()``; steps with ``continueOnError`` do not count.
    """
    return any(
        meta.status in (StepStatus.FAILED, StepStatus.ERRORED) and not meta.continue_on_error
        for meta in metas
    )


def final_phase(metas: Iterable[StepMeta]) -> tuple[Phase, str]:
    """Return the phase in which a promotion with these steps ends, and its message.

    The worst status among the steps without ``continueOnError`` decides; the message is that of the first
    step with it.

    Source: Kargo ``DetermineFinalPhase``.
    """
    worst, message = StepStatus.SUCCEEDED, ""
    for meta in metas:
        if meta.continue_on_error or meta.status is None:
            continue
        if meta.status.severity > worst.severity:
            worst, message = meta.status, meta.message
    return _PHASES.get(worst, Phase.ERRORED), message
