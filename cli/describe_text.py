"""What ``freightway describe`` prints for people: one function for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from freightway.cli.output import age

if TYPE_CHECKING:
    from freightway.entities.freight import FreightRecord
    from freightway.entities.project import ProjectState
    from freightway.entities.stage import Queued, StageState, Summary
    from freightway.entities.warehouse import WarehouseState
    from freightway.promotion.progress import Progress

_SHOWN = 10


def _fields(*pairs: tuple[str, str]) -> list[str]:
    """Return aligned lines of the fields that have a value."""
    kept = [(name, " ".join(value.split())) for name, value in pairs if value]
    width = max((len(name) for name, _ in kept), default=0)
    return [f"  {name.ljust(width)}  {value}" for name, value in kept]


def _table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a titled table, nothing without rows."""
    cells = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    if not cells:
        return []
    table = [list(headings), *cells]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    lines = ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return ["", title, *(f"  {line}".rstrip() for line in lines)]


def _clock(moment: datetime | None) -> str:
    if moment is None:
        return ""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC ({age(moment)} ago)"


def project_lines(state: ProjectState) -> list[str]:
    """Return a project: its Stages and Warehouses, what else was applied, and its freezes."""
    lines = [f"Project {state.name}"]
    policies = state.config.get("promotionPolicies") or ()
    windows = state.config.get("promotionWindows") or ()
    lines += _fields(
        ("promotion tasks", ", ".join(sorted(state.tasks))),
        ("analysis templates", ", ".join(sorted(state.templates))),
        ("promotion policies", str(len(policies)) if policies else ""),
        ("promotion windows", str(len(windows)) if windows else ""),
    )
    lines += _table("Warehouses", ("NAME",), [(name,) for name in sorted(state.warehouses)])
    rows = [
        (name, ", ".join(entry.origins), ", ".join(entry.upstream) or "the Warehouse")
        for name, entry in sorted(state.stages.items())
    ]
    lines += _table("Stages", ("NAME", "FREIGHT OF", "FROM"), rows)
    freezes = [*state.freezes, *state.cluster.freezes]
    return lines + _table("Freezes", ("NAME", "WHAT"), [(freeze.id, str(freeze)) for freeze in freezes])


def warehouse_lines(state: WarehouseState, freight: Sequence[FreightRecord]) -> list[str]:
    """Return a Warehouse: what it looks at, what it has discovered, what is wrong, its newest Freight."""
    lines = [f"Warehouse {state.name} of project {state.project}"]
    lines += _fields(
        ("looked at", _clock(state.looked_at)),
        ("discovered", _clock(state.discovered_at)),
        ("creates Freight", str(state.spec.get("freightCreationPolicy") or "Automatic")),
        ("criteria", state.criteria),
        ("Stages", ", ".join(state.subscribers)),
    )
    problems = [(problem.name, age(problem.since), problem.message) for problem in state.problems]
    lines += _table("Cannot be looked at", ("SUBSCRIPTION", "SINCE", "MESSAGE"), problems)
    lines += _table(
        "Discovered, newest first", ("KIND", "REPOSITORY", "ARTIFACTS"), _discovered(state.discovered)
    )
    rows = [
        (record.alias, record.name[:7], ", ".join(sorted(record.currently_in)), age(record.discovered_at))
        for record in freight[:_SHOWN]
    ]
    return lines + _table("Freight, newest first", ("ALIAS", "NAME", "IN", "AGE"), rows)


def _discovered(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    rows = []
    for kind, key, word in (
        ("git", "commits", "git"),
        ("images", "references", "image"),
        ("charts", "versions", "chart"),
    ):
        for result in found.get(kind, ()):
            entries = [_artifact(entry) for entry in result.get(key) or ()]
            more = f" and {len(entries) - 5} more" if len(entries) > 5 else ""
            repository = " ".join(filter(None, (result.get("repoURL", ""), result.get("name", ""))))
            rows.append((word, repository, (", ".join(entries[:5]) or "none") + more))
    return rows


def _artifact(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return str(entry.get("tag") or entry.get("id", "")[:7] or entry.get("digest", "")[:19])


def stage_lines(state: StageState) -> list[str]:
    """Return a Stage: what it holds, what runs and waits, its holds, its history."""
    holding = state.holding
    verified = holding.verifications[0] if holding and holding.verifications else None
    lines = [f"Stage {state.name} of project {state.project}"]
    current, verifying = state.current, state.verifying
    lines += _fields(
        ("holds", holding.label if holding else "no Freight yet"),
        ("since", _clock(holding.since) if holding else ""),
        ("health", "" if state.is_control_flow else state.health_status),
        ("issues", "; ".join(state.health.issues) if state.health else ""),
        ("verification", f"{verified.phase.value} {verified.message}" if verified else ""),
        ("promoting", f"{current.alias or current.freight[:7]}: {current.promotion}" if current else ""),
        ("waits for", current.waiting.text if current and current.waiting else ""),
        ("note", current.note if current else ""),
        ("verifying", verifying.id if verifying else ""),
        ("asks", verifying.waiting if verifying else ""),
        ("steps", "none: it only passes Freight on" if state.is_control_flow else ""),
    )
    requests = [
        (
            request.origin,
            "the Warehouse" if request.direct else f" {request.strategy or 'OneOf'} ".join(request.stages),
            str(request.soak or ""),
        )
        for request in state.requests
    ]
    lines += _table("Requested Freight", ("WAREHOUSE", "FROM", "SOAK"), requests)
    lines += _table("Holds", ("NAME", "WHAT"), [(hold.id, str(hold)) for hold in state.holds])
    queued = [
        (item.promotion, item.alias or item.freight[:7], item.kind, item.actor, age(item.created_at))
        for item in state.queue
    ]
    lines += _table("Queue", ("PROMOTION", "FREIGHT", "KIND", "BY", "AGE"), queued)
    done = [
        (
            item.promotion,
            item.alias or item.freight[:7],
            item.phase.value,
            age(item.finished_at),
            item.message[:80],
        )
        for item in state.finished[:_SHOWN]
    ]
    lines += _table("Finished promotions", ("PROMOTION", "FREIGHT", "PHASE", "AGE", "MESSAGE"), done)
    held = [
        (
            past.label,
            age(past.since),
            past.verifications[0].phase.value if past.verifications else "not verified",
        )
        for past in state.history
    ]
    return lines + _table("Held, newest first", ("FREIGHT", "AGE", "VERIFICATION"), held)


def freight_lines(record: FreightRecord) -> list[str]:
    """Return Freight: its artifacts, and where it is, was verified and may go."""
    lines = [f"Freight {record.label}"]
    lines += _fields(
        ("name", record.name),
        ("Warehouse", record.origin),
        ("discovered", _clock(record.discovered_at)),
        ("metadata", ", ".join(f"{key}={value}" for key, value in record.metadata.items())),
    )
    rows = [
        (
            kind.removesuffix("s"),
            " ".join(filter(None, (part.get("repoURL", ""), part.get("name", "")))),
            part.get("tag") or part.get("version") or part.get("id", ""),
            part.get("digest") or part.get("message", ""),
        )
        for kind, parts in record.artifacts.items()
        for part in parts
    ]
    lines += _table("Artifacts", ("KIND", "REPOSITORY", "VERSION", ""), rows)
    stages = sorted({*record.currently_in, *record.verified_in, *record.approved_for})
    facts = [
        (
            stage,
            age(record.currently_in[stage].since) if stage in record.currently_in else "",
            age(record.verified_in[stage].verified_at) if stage in record.verified_in else "",
            record.approved_for[stage].actor or "yes" if stage in record.approved_for else "",
        )
        for stage in stages
    ]
    return lines + _table("Stages", ("NAME", "IN IT FOR", "VERIFIED", "APPROVED BY"), facts)


def promotion_lines(progress: Progress) -> list[str]:
    """Return a promotion: its phase and each step of its plan."""
    plan = progress.plan
    lines = [f"Promotion {plan.promotion}"]
    lines += _fields(
        ("project", plan.project),
        ("Stage", plan.stage),
        (
            "Freight",
            f"{plan.freight.alias} ({plan.freight.name[:7]})" if plan.freight.alias else plan.freight.name,
        ),
        ("phase", progress.phase.value),
        ("message", progress.message),
        ("asked for", f"{_clock(plan.created_at)} by {plan.actor or 'auto-promotion'}"),
        ("started", _clock(progress.started_at)),
        ("finished", _clock(progress.finished_at)),
    )
    metas = {meta.alias: meta for meta in progress.metas}
    rows = []
    for step in plan.steps:
        meta = metas.get(step.alias)
        took = (meta.finished_at - meta.started_at) if meta and meta.finished_at and meta.started_at else None
        rows.append(
            (
                step.alias,
                step.uses,
                meta.status.value if meta and meta.status else "",
                f"{took.total_seconds():.1f}s" if took is not None else "",
                meta.message[:100] if meta else "",
            )
        )
    lines += _table("Steps", ("STEP", "KIND", "STATUS", "TOOK", "MESSAGE"), rows)
    repairs = [(repair.action, repair.alias, repair.actor, repair.reason) for repair in progress.repairs]
    return lines + _table("Repairs", ("ACTION", "STEP", "BY", "REASON"), repairs)


def queued_lines(item: Queued | Summary) -> list[str]:
    """Return a promotion that waits in its Stage's queue, or that ended there."""
    phase = getattr(item, "phase", None)
    return [
        f"Promotion {item.promotion}",
        *_fields(
            ("Freight", item.alias or item.freight),
            ("phase", phase.value if phase else "Pending: it waits in the queue"),
            ("message", getattr(item, "message", "")),
            ("asked for", f"{_clock(item.created_at)} by {item.actor or 'auto-promotion'}"),
        ),
    ]
