"""Which Kargo functions the expressions of a promotion may call.

Variables get the data, Freight, utility and quote functions; ``if`` and ``config`` the status functions too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freightway.promotion.model import StepRequest

if TYPE_CHECKING:
    from freightway.promotion.evaluate import Secrets


def variable_functions(request: StepRequest, data: Secrets) -> dict[str, Any]:
    """Return the functions that variables may call."""
    return {}


def config_functions(request: StepRequest, data: Secrets) -> dict[str, Any]:
    """Return the functions that ``if`` and ``config`` may call."""
    return {}
