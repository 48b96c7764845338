"""The search attributes by which Temporal finds what is Freightway's, on every workflow.

Apart from the contracts, so that a command that only lists need not import every model.
"""

from __future__ import annotations

from temporalio.common import SearchAttributeKey

PROJECT_ATTRIBUTE = SearchAttributeKey.for_keyword("FreightwayProject")
WAREHOUSE_ATTRIBUTE = SearchAttributeKey.for_keyword("FreightwayWarehouse")
STAGE_ATTRIBUTE = SearchAttributeKey.for_keyword("FreightwayStage")
PHASE_ATTRIBUTE = SearchAttributeKey.for_keyword("FreightwayPhase")
FREIGHT_ATTRIBUTE = SearchAttributeKey.for_keyword_list("FreightwayFreight")
SEARCH_ATTRIBUTES = (
    PROJECT_ATTRIBUTE,
    WAREHOUSE_ATTRIBUTE,
    STAGE_ATTRIBUTE,
    PHASE_ATTRIBUTE,
    FREIGHT_ATTRIBUTE,
)
