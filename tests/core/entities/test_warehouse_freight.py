"""What a Warehouse knows of its Freight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from freightway.entities.warehouse import WarehouseState, add_freight, drop_freight
from freightway.promotion.model import FreightReference, Origin

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_when_the_last_freight_is_deleted_the_one_before_is_the_last() -> None:
    state = WarehouseState(project="demo", name="app")
    for number, digit in enumerate("abc"):
        freight = FreightReference(name=digit * 40, origin=Origin(name="app"))
        add_freight(state, freight, NOW + timedelta(hours=number))
    for gone, last in (("c", "b"), ("a", "b"), ("b", "")):
        drop_freight(state, gone * 40)
        assert state.last_freight == last * (40 if last else 0)
