"""What steps learn of their Freight by ``freightStatus``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from freightway.entities.freight import FreightRecord, statuses
from freightway.selection.freight_facts import Approved, Stay, Verified
from tests.servers.manifests import PROJECT, stage, warehouse
from tests.servers.temporal import Pipeline

A = "a" * 40
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_the_status_has_the_form_of_kargo() -> None:
    record = FreightRecord(
        name="f",
        origin="app",
        discovered_at=NOON,
        currently_in={"dev": Stay(since=NOON)},
        verified_in={
            "dev": Verified(verified_at=NOON, longest_soak=timedelta(hours=1)),
            "qa": Verified(verified_at=NOON),
        },
        approved_for={"prod": Approved(approved_at=NOON)},
    )
    at = "2026-01-02T12:00:00Z"
    expected = {
        "currentlyIn": {"dev": {"since": at}},
        "verifiedIn": {"dev": {"verifiedAt": at, "longestCompletedSoak": "1h0m0s"}, "qa": {"verifiedAt": at}},
        "approvedFor": {"prod": {"approvedAt": at}},
    }
    assert record.status == expected
    assert statuses({"f": record}, ["f", "g"], {"steps": ["${{ freightStatus('f').verifiedIn }}"]}) == {
        "f": expected
    }
    assert statuses({"f": record}, ["f"], {"steps": ["${{ freightMetadata('f') }}"]}) == {}


async def test_a_step_reads_where_its_freight_was_verified(project: Pipeline) -> None:
    verified = "${{ keys(freightStatus(ctx.targetFreight.name).verifiedIn)[0] }}"
    asks = {"uses": "fail", "config": {"message": f"verified in {verified}"}}
    await project.apply(PROJECT, warehouse(), stage("dev"), stage("prod", upstream=["dev"], steps=[asks]))
    freight = await project.freight(A, stages=["dev"])
    await project.brought("dev", freight)
    await project.available("prod", freight)
    end = await project.ended(await project.promote("prod", freight))
    assert "verified in dev" in end.message
