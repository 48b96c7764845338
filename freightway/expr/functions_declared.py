"""The functions of each place where expressions stand, for compiling only: none of them is ever called."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from freightway.expr.functions import (
    criteria_functions,
    promotion_functions,
    status_functions,
    text_functions,
    verification_functions,
)
from freightway.expr.values import Function

Declared = Mapping[str, Function]


class _NoData:
    """A lookup that finds nothing."""

    def _nothing(self, _name: str) -> None:
        return None

    secret = shared_secret = config_map = shared_config_map = _nothing
    freight_metadata = freight_status = stage_metadata = _nothing


_VARIABLES = (
    promotion_functions(project="", freight=(), freight_requests=(), warehouses={}, data=_NoData())
    | text_functions()
)

NO_FUNCTIONS: Declared = MappingProxyType({})
"""Of the filter of a subscription: the builtins only."""

VARIABLES: Declared = MappingProxyType(_VARIABLES)
"""Of the variables of Stages, templates, tasks and steps."""

STEPS: Declared = MappingProxyType(_VARIABLES | status_functions("", ()))
"""Of ``if`` and ``config`` of a step."""

VERIFICATIONS: Declared = MappingProxyType(
    verification_functions(project="", freight=(), freight_requests=(), warehouses={}, data=_NoData())
    | text_functions()
)
"""Of the arguments of a Stage's verification."""

CRITERIA: Declared = MappingProxyType(criteria_functions(None))
"""Of ``freightCreationCriteria.expression``."""
