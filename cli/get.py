"""freightway get: lists, from Temporal's own index and memos; no worker is asked, but for Freight."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from freightway.cli.output import age, print_data, print_table, shown
from freightway.cli.session import Failure, output_option, project_option, run

if TYPE_CHECKING:
    from freightway.client import Freightway

_WATCH_SECONDS = 1.0
_SHOWN_NAMES = 10

KINDS = {
    "project": "Project",
    "projects": "Project",
    "warehouse": "Warehouse",
    "warehouses": "Warehouse",
    "stage": "Stage",
    "stages": "Stage",
    "freight": "Freight",
    "promotion": "Promotion",
    "promotions": "Promotion",
    "promo": "Promotion",
    "promos": "Promotion",
    "verification": "Verification",
    "verifications": "Verification",
}


@click.command("get")
@click.argument("kind", type=click.Choice(sorted(KINDS)), metavar="KIND")
@click.argument("names", nargs=-1)
@project_option(required=False)
@click.option("--stage", default="", help="Only of this Stage (promotions, verifications).")
@click.option("--warehouse", default="", help="Only of this Warehouse (Freight).")
@click.option("--limit", default=0, type=click.IntRange(min=0), help="Most rows, newest first; 0 for all.")
@click.option("-w", "--watch", is_flag=True, help="Print again whenever something changed, until Ctrl-C.")
@output_option()
def get_command(
    kind: str,
    names: tuple[str, ...],
    project: str,
    stage: str,
    warehouse: str,
    limit: int,
    watch: bool,
    output: str,
) -> None:
    """List resources.

    KIND is one of projects, warehouses, stages, freight, promotions, verifications.
    """
    wanted = KINDS[kind]
    if wanted == "Freight" and not project:
        raise click.UsageError("Freight belongs to a project: name it with -p")

    async def look(freightway: Freightway) -> list[dict[str, Any]]:
        if wanted == "Freight":
            records = await freightway.freight(project, warehouse)
            rows = [record.model_dump(mode="json", by_alias=True) for record in records]
        else:
            rows = await freightway.rows(wanted, project, stage=stage, limit=limit)
        if not rows and project and wanted != "Project":
            await _check_owner(freightway, project, stage)
        if names:
            rows = _chosen(rows, names, wanted, project)
        if wanted in ("Project", "Warehouse", "Stage"):
            rows.sort(key=lambda row: (str(row.get("project")), str(row.get("name"))))
        return rows

    async def work(freightway: Freightway) -> None:
        before = None
        while True:
            rows = await look(freightway)
            if rows != before:
                if before is not None and output == "table":
                    click.echo()
                _print(rows, wanted, project, output)
                before = rows
            if not watch:
                return
            await asyncio.sleep(_WATCH_SECONDS)

    run(work)


def _chosen(
    rows: list[dict[str, Any]], names: tuple[str, ...], wanted: str, project: str
) -> list[dict[str, Any]]:
    chosen = [row for row in rows if row.get("name") in names or row.get("alias") in names]
    missing = set(names) - {str(row.get(key)) for row in chosen for key in ("name", "alias")}
    if missing:
        labels = sorted(str(row.get("alias") or row.get("name")) for row in rows)
        known = ", ".join(labels[:_SHOWN_NAMES]) or "none"
        raise Failure(f"{wanted} {', '.join(sorted(missing))} not found{_within(project)}; there is: {known}")
    return chosen


async def _check_owner(freightway: Freightway, project: str, stage: str) -> None:
    """Tell an empty list from a project or Stage that does not exist."""
    from freightway.names import project_id, stage_id

    for owner in (project_id(project), stage_id(project, stage) if stage else ""):
        if owner and not await freightway.running(owner):
            raise await freightway.missing(owner)


def _print(rows: list[dict[str, Any]], wanted: str, project: str, output: str) -> None:
    if output == "name":
        for row in rows:
            click.echo(f"{wanted.lower()}/{row.get('name')}")
    elif output in ("json", "yaml"):
        print_data(rows, output)
    else:
        headings, cells = _TABLES[wanted]
        table = [cells(row) for row in rows]
        if not project and wanted != "Project":
            headings = ("PROJECT", *headings)
            table = [(str(row.get("project", "")), *line) for row, line in zip(rows, table, strict=True)]
        print_table(headings, table, empty=f"no {_PLURALS[wanted]} found{_within(project)}")


def _within(project: str) -> str:
    return f" in project {project}" if project else ""


def _project(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        shown(row, "name"),
        shown(row, "phase"),
        str(row.get("warehouses", 0)),
        str(row.get("stages", 0)),
        ", ".join(row.get("freezes") or ()),
    )


def _warehouse(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        shown(row, "name"),
        shown(row, "phase"),
        shown(row, "freight"),
        str(row.get("freightCount", 0)),
        age(row.get("discoveredAt")),
        shown(row, "message", 100),
    )


def _stage(row: dict[str, Any]) -> tuple[str, ...]:
    queued = f"{row['queue']} queued" if row.get("queue") else ""
    promoting = f"promoting {row['currentFreight']}" if row.get("currentFreight") else ""
    waits = f"waits for {row['waitsFor']}" if row.get("waitsFor") and not promoting else ""
    notes = [
        promoting,
        queued,
        waits,
        f"{row['holds']} held" if row.get("holds") else "",
        row.get("message") or "",
    ]
    return (
        shown(row, "name"),
        shown(row, "phase"),
        "" if row.get("controlFlow") else shown(row, "health"),
        shown(row, "freight", 40),
        shown(row, "verification"),
        shown({"notes": "; ".join(filter(None, notes))}, "notes", 100),
    )


def _freight(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        shown(row, "alias"),
        str(row.get("name", ""))[:7],
        shown(row, "origin"),
        ",".join(sorted(row.get("currentlyIn") or ())),
        ",".join(sorted(row.get("verifiedIn") or ())),
        ",".join(sorted(row.get("approvedFor") or ())),
        _artifacts(row.get("artifacts") or {}),
        age(row.get("discoveredAt")),
    )


def _artifacts(artifacts: dict[str, Any]) -> str:
    parts = [
        f"{item.get('repoURL', '').rstrip('/').rpartition('/')[2]}@{item.get('tag') or item.get('id', '')[:7]}"
        for item in artifacts.get("commits") or ()
    ]
    parts += [
        f"{item.get('repoURL', '').rpartition('/')[2]}:{item.get('tag') or item.get('digest', '')[:15]}"
        for item in artifacts.get("images") or ()
    ]
    parts += [
        f"{item.get('name') or item.get('repoURL', '').rpartition('/')[2]}-{item.get('version', '')}"
        for item in artifacts.get("charts") or ()
    ]
    return " ".join(parts)


def _promotion(row: dict[str, Any]) -> tuple[str, ...]:
    phase = row.get("phase") or ""
    if row.get("status") in ("TERMINATED", "CANCELED", "TIMED_OUT"):
        phase = "Aborted"
    return (
        shown(row, "name", 80),
        shown(row, "stage"),
        shown(row, "alias") or str(row.get("freight", ""))[:7],
        str(phase),
        shown(row, "step"),
        age(row.get("startedAt")),
        shown(row, "message", 80),
    )


def _verification(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        shown(row, "name"),
        shown(row, "stage"),
        shown(row, "phase"),
        age(row.get("startedAt")),
        shown(row, "message", 80),
    )


_PLURALS = {
    "Project": "projects",
    "Warehouse": "Warehouses",
    "Stage": "Stages",
    "Freight": "Freight",
    "Promotion": "promotions",
    "Verification": "verifications",
}
_TABLES: dict[str, tuple[tuple[str, ...], Any]] = {
    "Project": (("NAME", "PHASE", "WAREHOUSES", "STAGES", "FREEZES"), _project),
    "Warehouse": (("NAME", "PHASE", "NEWEST", "FREIGHT", "DISCOVERED", "MESSAGE"), _warehouse),
    "Stage": (("NAME", "PHASE", "HEALTH", "FREIGHT", "VERIFICATION", "NOTES"), _stage),
    "Freight": (
        ("ALIAS", "NAME", "WAREHOUSE", "IN", "VERIFIED IN", "APPROVED FOR", "ARTIFACTS", "AGE"),
        _freight,
    ),
    "Promotion": (("NAME", "STAGE", "FREIGHT", "PHASE", "STEP", "AGE", "MESSAGE"), _promotion),
    "Verification": (("NAME", "STAGE", "PHASE", "AGE", "MESSAGE"), _verification),
}
