"""Kargo's functions for each place where expressions stand, as dictionaries for ``functions=``.

Each factory is given what its functions look at; nothing here reads anything by itself.

Source: Kargo pkg/expressions/function/functions.go at 1c764767.
"""

from __future__ import annotations

from collections.abc import Sequence

from freightway.expr.functions_data import DataLookup, data_functions
from freightway.expr.functions_discovered import criteria_functions
from freightway.expr.functions_freight import FreightSources, Json, Warehouses, freight_functions
from freightway.expr.functions_semver import semver_functions
from freightway.expr.functions_status import status_functions
from freightway.expr.functions_text import text_functions
from freightway.expr.values import Function

__all__ = [
    "DataLookup",
    "FreightSources",
    "criteria_functions",
    "data_functions",
    "freight_functions",
    "promotion_functions",
    "semver_functions",
    "status_functions",
    "text_functions",
    "verification_functions",
]


def promotion_functions(
    *,
    project: str,
    freight: Sequence[Json],
    freight_requests: Sequence[Json],
    warehouses: Warehouses,
    data: DataLookup | None = None,
) -> dict[str, Function]:
    """Return the functions for the variables, ``if`` and ``config`` of a promotion, without the status functions.

    Args:
        project: name of the Project, for messages.
        freight: the Freight references of the promotion (``status.freightCollection`` in Kargo's JSON form).
        freight_requests: the Stage's ``requestedFreight``.
        warehouses: specifications of Warehouses by name, or a function that gives one or None.
        data: where Secrets, ConfigMaps and metadata are read; without it those functions do not exist.
    """
    sources = FreightSources(project, freight, freight_requests, warehouses)
    return {
        **freight_functions(sources),
        **semver_functions(),
        **(data_functions(data) if data is not None else {}),
    }


def verification_functions(
    *,
    project: str,
    freight: Sequence[Json],
    freight_requests: Sequence[Json],
    warehouses: Warehouses,
    data: DataLookup | None = None,
) -> dict[str, Function]:
    """Return the functions for the arguments of a Stage's verification: those of a promotion.

    Args: as for :func:`promotion_functions`.
    """
    return promotion_functions(
        project=project, freight=freight, freight_requests=freight_requests, warehouses=warehouses, data=data
    )
