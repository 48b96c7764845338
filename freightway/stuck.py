"""Why a workflow that runs does not answer: what its last workflow task failed with.

With ``contracts``, ``connection``, ``conversion``, ``encryption``, ``client``, ``transport`` and ``plugin`` one of the
few files of the core that know Temporal.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client
from temporalio.service import RPCError

from freightway.errors import FreightwayError

LOOK_WITHIN = timedelta(seconds=5)
"""How long the look may take: somebody has waited for an answer already."""

_NEWEST = 20
_LONGEST = 300
_CODE = "the code of the worker does not fit its history; see docs/upgrading.md"


async def stuck_with(client: Client, workflow_id: str) -> str:
    """Return what the newest workflow task of a workflow failed with, empty if it did not or nobody can say."""
    try:
        async with asyncio.timeout(LOOK_WITHIN.total_seconds()):
            return await _newest_failure(client, workflow_id)
    except (RPCError, TimeoutError, FreightwayError):
        return ""


async def _newest_failure(client: Client, workflow_id: str) -> str:
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id),
        maximum_page_size=_NEWEST,
    )
    answer = await client.workflow_service.get_workflow_execution_history_reverse(request)
    for event in answer.history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return ""
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            failed = event.workflow_task_failed_event_attributes
            if failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR:
                return _CODE
            error = await client.data_converter.decode_failure(failed.failure)
            text = " ".join(str(getattr(error, "message", error)).split())
            return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    return ""
