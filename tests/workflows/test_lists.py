"""Lists of what there is: every page of them, in the server's order, whatever the memos are encoded with."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from freightway import contracts
from freightway.client import Freightway
from freightway.encryption import Cipher, EncryptionCodec, Key, data_converter
from tests.servers.temporal import Pipeline, World, until

COUNT = 8


@asynccontextmanager
async def promotions(client: Client, project: str) -> AsyncIterator[None]:
    """Promotions that no worker takes; the last of them shows nothing of itself."""
    attributes = TypedSearchAttributes([SearchAttributePair(contracts.PROJECT_ATTRIBUTE, project)])
    handles = []
    for number in range(COUNT):
        memo = {"freightway": {"name": f"p{number}", "phase": "Pending"}} if number < COUNT - 1 else None
        handles.append(
            await client.start_workflow(
                "Promotion",
                id=f"promotion/{project}/p{number}",
                task_queue=f"nobody/{project}",
                memo=memo,
                search_attributes=attributes,
            )
        )
    try:
        yield
    finally:
        for handle in handles:
            await handle.terminate()


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_list_has_every_page(temporal_world: World, project: Pipeline, encrypted: bool) -> None:
    """Pages are put together, newest first; ``limit`` cuts them, also within a page."""
    codec = EncryptionCodec(Cipher((Key("2026", secrets.token_bytes(32)),))) if encrypted else None
    plain = temporal_world.client
    client = Client(plain.service_client, namespace=plain.namespace, data_converter=data_converter(codec))
    api = Freightway(client)
    async with promotions(client, project.name):
        rows = await until(lambda: api.rows("Promotion", project.name), lambda rows: len(rows) == COUNT)
        api.page_size = 3
        assert await api.rows("Promotion", project.name) == rows
        assert [row["workflowId"].rpartition("/")[2] for row in rows] == [
            f"p{number}" for number in reversed(range(COUNT))
        ]
        assert [row.get("phase") for row in rows] == [None, *["Pending"] * (COUNT - 1)]
        assert {row["status"] for row in rows} == {"RUNNING"}
        assert all(row["startedAt"].endswith("+00:00") for row in rows)
        for limit in (1, 3, 4, COUNT + 1):
            assert await api.rows("Promotion", project.name, limit=limit) == rows[:limit]
