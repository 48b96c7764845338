"""Every timeout, heartbeat and retry policy of Freightway, with its reason. No other file has a literal one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from freightway.errors import FreightwayError


class ActivityOptions(TypedDict, total=False):
    """Keyword arguments of ``workflow.execute_activity``."""

    start_to_close_timeout: timedelta
    schedule_to_start_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType


HEARTBEAT = timedelta(seconds=6)
"""How long a silent worker counts as alive. Steps beat twice a second; a loaded machine may be late by some. With
it a killed worker costs a promotion six seconds before its step is tried again; a step that was tried too early finds
the lock of its workspace held, or what it did before."""

LOST_WORKER_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2.0,
    maximum_interval=timedelta(seconds=10),
)
"""Attempts of a step count lost workers only (an error is an outcome, not an exception), so their number has no
limit; the step's start-to-close timeout ends an attempt that beats but never ends."""

STEP_ATTEMPT = timedelta(hours=2)
"""The longest a single attempt of a step may take; the longest known are clones of very large repositories."""

HOST_TAKES = timedelta(seconds=10)
"""How long a step may lie on the queue of its workspace's host before the workflow asks whether the host is there.
A busy host is waited for; a gone one is replaced and the workspace rebuilt."""

HOST_ANSWERS = timedelta(seconds=10)
"""How long a host has to say that it is there, on a queue that it serves for nothing else. Together with
``HOST_TAKES`` it gives a worker that is started anew, with its last steps run out, time to be back."""

ALIVE = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=5),
    schedule_to_close_timeout=HOST_ANSWERS,
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=500)),
)
"""The server's list of pollers would not do: it names a dead worker for minutes, and none after a restart."""

STEP_ON_HOST = ActivityOptions(
    start_to_close_timeout=STEP_ATTEMPT,
    schedule_to_start_timeout=HOST_TAKES,
    heartbeat_timeout=HEARTBEAT,
    retry_policy=LOST_WORKER_RETRY,
    # The workspace is cleaned only after the step's children are dead.
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)

STEP_ANYWHERE = ActivityOptions(
    start_to_close_timeout=STEP_ATTEMPT,
    heartbeat_timeout=HEARTBEAT,
    retry_policy=LOST_WORKER_RETRY,
    cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
)

QUICK = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=20),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)
    ),
)
"""Reads and messages within Temporal: no limit on tries, since the server being down is the usual reason."""

COMMAND = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(minutes=2),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5)
    ),
)
"""A person waits for the answer, so it comes or fails within two minutes."""

SCHEDULE = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=20),
    schedule_to_close_timeout=timedelta(minutes=5),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)
    ),
)
"""A Schedule that Temporal refuses must not keep a Warehouse from its other work for ever."""

CLAIM = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=2),
    heartbeat_timeout=HEARTBEAT,
    retry_policy=RetryPolicy(
        initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10)
    ),
)
"""A claim waits without limit for a host: a promotion with no worker shows as waiting for one."""

CLEAN = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=2),
    schedule_to_start_timeout=HOST_TAKES,
    schedule_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=HEARTBEAT,
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)),
)
CLEANED_WITHIN = timedelta(minutes=10)
"""A host that never comes back must not keep a promotion open, and with it the queue of its Stage; its folders are
swept by the host's worker."""

DISCOVER = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=15),
    heartbeat_timeout=timedelta(seconds=30),
    schedule_to_close_timeout=timedelta(minutes=45),
    retry_policy=RetryPolicy(
        initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=1), maximum_attempts=5
    ),
)
"""One look at all subscriptions. What a registry refuses is part of the result, so a retry means a lost worker."""

MEASURE = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=5),
    schedule_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=3),
)
"""One measurement; what the provider refuses is an Error measurement, so a retry means a lost worker."""

END_MEASUREMENT = ActivityOptions(
    start_to_close_timeout=timedelta(seconds=10),
    schedule_to_close_timeout=timedelta(seconds=20),
    heartbeat_timeout=timedelta(seconds=5),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=3),
)
"""Ends what a measurement left running at its provider; the run that was cut short does not wait for long."""

HEALTH = ActivityOptions(
    start_to_close_timeout=timedelta(minutes=2),
    schedule_to_close_timeout=timedelta(minutes=5),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_attempts=3),
)
"""One look at the health of one or more Stages; the next look comes by itself. What waits for the first look at new
Freight waits no longer than this, workers or none."""


@dataclass(frozen=True)
class Intervals:
    """How often entities look for themselves, where no message would come."""

    adopted: timedelta = timedelta(seconds=15)
    """A Stage that was started anew looks after promotions that are not its children this often."""
    promote_check: timedelta = timedelta(minutes=1)
    """``Promote`` asks for the end of its promotion this often, should the message have been lost."""
    coming: timedelta = timedelta(seconds=5)
    """A Warehouse sends a new Stage the Freight that it has within this; no message comes if it has none."""
    health: timedelta = timedelta(minutes=5)
    """Kargo's interval between two looks at the health of Stages."""
    health_again: timedelta = timedelta(seconds=10)
    """A Stage that is not healthy yet is looked at again after this, and after twice as long each time."""
    collect: timedelta = timedelta(hours=1)
    """Garbage collection of Freight, as Kargo's job."""
    after_error: timedelta = timedelta(seconds=2)
    """An entity tries again this long after an internal error, twice as long after each further one."""
    after_errors: timedelta = timedelta(minutes=5)
    """The longest such pause."""


INTERVALS = Intervals()

PROMOTION_LIFE = timedelta(days=90)
"""The longest life of a promotion, approvals included, where its Stage sets no other; a queue must not wait for one
for ever."""
"""The retention that the README recommends is as long."""

MEMO_EVERY = timedelta(seconds=1)
"""A promotion writes the step it is at to its memo at most this often; phases and waits are written at once."""

DEFECTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    FreightwayError,
    LookupError,
    TypeError,
    ValidationError,
    ValueError,
)
"""Exceptions with which a short workflow fails, rather than try its task again for ever. Not every exception: a code
change that does not fit a history (nondeterminism) must leave the workflow running, so that fixed code goes on."""
