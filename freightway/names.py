"""Names: workflow ids, task queues, search attributes, and what a name may look like.

Everything here is pure: time and entropy are passed in. Names made here are seen by people in the
Temporal Web UI and are part of the contract with other programs; changing one strands what runs.
"""

from __future__ import annotations

import re
from typing import Final

CLUSTER_ID: Final = "cluster"
TASK_QUEUE: Final = "freightway"
ANNOTATION_PREFIX: Final = "freightway.dev/"
MEMO_KEY: Final = "freightway"
"""Key of the memo in which each workflow shows itself; lists are made of it."""

SEARCH_PROJECT: Final = "FreightwayProject"
SEARCH_WAREHOUSE: Final = "FreightwayWarehouse"
SEARCH_STAGE: Final = "FreightwayStage"
SEARCH_PHASE: Final = "FreightwayPhase"
SEARCH_FREIGHT: Final = "FreightwayFreight"
SEARCH_KEYWORDS: Final = (SEARCH_PROJECT, SEARCH_WAREHOUSE, SEARCH_STAGE, SEARCH_PHASE)
"""Search attributes of type Keyword."""
SEARCH_KEYWORD_LISTS: Final = (SEARCH_FREIGHT,)
"""Search attributes of type KeywordList."""

K8SNAME: Final = re.compile(
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", flags=re.ASCII
)
"""Name of a Kubernetes object; use ``fullmatch``, 1 to 253 characters."""
LABEL63: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", flags=re.ASCII)
"""RFC 1123 label; use ``fullmatch``."""
VARNAME: Final = re.compile(r"[a-zA-Z_]\w*", flags=re.ASCII)
"""Name of a variable; use ``fullmatch``."""
RESERVED_ALIAS: Final = re.compile(r"(step|task)-[0-9]+", flags=re.ASCII)
"""Step aliases that only the engine gives; use ``fullmatch``."""

MAX_NAME: Final = 253
"""Longest name of an object, in characters."""
SHORT_FREIGHT: Final = 7
"""How many characters of a Freight's name a promotion's name holds."""

_ULID_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ULID_LENGTH = 26
_ULID_ENTROPY_BYTES = 10
_ULID_MAX_MS = 2**48 - 1
_MAX_STAGE_PART = MAX_NAME - _ULID_LENGTH - SHORT_FREIGHT - 2


def project_id(project: str) -> str:
    """Return the workflow id of a Project."""
    return f"project/{project}"


def warehouse_id(project: str, warehouse: str) -> str:
    """Return the workflow id of a Warehouse."""
    return f"warehouse/{project}/{warehouse}"


def stage_id(project: str, stage: str) -> str:
    """Return the workflow id of a Stage."""
    return f"stage/{project}/{stage}"


def promotion_id(project: str, promotion: str) -> str:
    """Return the workflow id of a Promotion."""
    return f"promotion/{project}/{promotion}"


def verification_id(project: str, stage: str, verification: str) -> str:
    """Return the workflow id of one verification of a Stage."""
    return f"verification/{project}/{stage}/{verification}"


def discovery_schedule_id(project: str, warehouse: str) -> str:
    """Return the id of the Temporal Schedule that starts the discoveries of a Warehouse."""
    return f"discovery/{project}/{warehouse}"


def health_schedule_id(project: str) -> str:
    """Return the id of the Temporal Schedule that starts the health checks of a project."""
    return f"health/{project}"


def host_queue(host_id: str) -> str:
    """Return the task queue of one worker host, where the steps with files run."""
    return f"{TASK_QUEUE}.host.{host_id}"


def alive_queue(queue: str) -> str:
    """Return the task queue on which a host says that it is there, however busy its own queue is."""
    return f"{queue}.alive"


def shard_queue(shard: str) -> str:
    """Return the task queue of a shard; the empty shard is the common queue."""
    return f"{TASK_QUEUE}.shard.{shard}" if shard else TASK_QUEUE


def is_object_name(text: str) -> bool:
    """Tell whether a text may name an object: a lower case DNS subdomain of 1 to 253 characters."""
    return 0 < len(text) <= MAX_NAME and K8SNAME.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Tell whether a text is an RFC 1123 label: lower case letters, digits and ``-``, at most 63."""
    return LABEL63.fullmatch(text) is not None


def is_freight_alias(text: str) -> bool:
    """Tell whether a text may be the alias of a Freight: the rules of a label."""
    return is_label(text)


def is_reserved_alias(alias: str) -> bool:
    """Tell whether a step alias is one that only the engine gives, such as ``step-2``.

    Source: Kargo pkg/webhook/kubernetes/promotion_steps.go.
    """
    return RESERVED_ALIAS.fullmatch(alias.strip()) is not None


def default_alias(index: int, *, is_task: bool = False) -> str:
    """Return the alias of a step that gives none.

    Args:
        index: 0-based position in its own list, counting every step.
        is_task: whether the step refers to a PromotionTask.
    Source: Kargo api/v1alpha1/promotion_types.go.
    """
    return f"{'task' if is_task else 'step'}-{index + 1}"


def ulid(timestamp_ms: int, entropy: bytes) -> str:
    """Return a ULID in lower case: 26 characters that sort by time.

    Args:
        timestamp_ms: milliseconds since 1970 UTC.
        entropy: 10 bytes of randomness; longer input is cut.
    Raises:
        ValueError: if the time is out of range or the entropy too short.
    """
    if not 0 <= timestamp_ms <= _ULID_MAX_MS:
        raise ValueError(f"{timestamp_ms} is not a time that a ULID can hold")
    if len(entropy) < _ULID_ENTROPY_BYTES:
        raise ValueError(f"a ULID needs {_ULID_ENTROPY_BYTES} bytes of entropy, not {len(entropy)}")
    number = (timestamp_ms << 80) | int.from_bytes(entropy[:_ULID_ENTROPY_BYTES], "big")
    digits = []
    for _ in range(_ULID_LENGTH):
        number, digit = divmod(number, 32)
        digits.append(_ULID_ALPHABET[digit])
    return "".join(reversed(digits))


def ulid_time_ms(text: str) -> int:
    """Return the time inside a ULID, in milliseconds since 1970 UTC.

    Raises:
        ValueError: if the text is not a ULID.
    """
    digits = [_ULID_ALPHABET.find(char) for char in text.lower()]
    if len(digits) != _ULID_LENGTH or min(digits) < 0:
        raise ValueError(f"{text!r} is not a ULID")
    number = 0
    for digit in digits:
        number = number * 32 + digit
    return number >> 80


def promotion_name(stage: str, ulid: str, freight: str) -> str:
    """Return the name of a promotion: ``<stage>.<ulid>.<first 7 characters of the Freight>``.

    Names of one Stage sort by creation. The Stage's part is cut so that the whole fits into 253
    characters, and loses the dots and dashes it then ends with.

    Source: Kargo pkg/api/promotion.go.
    """
    short_stage = stage
    if len(stage) > _MAX_STAGE_PART:
        short_stage = stage[:_MAX_STAGE_PART].rstrip(".-")
    return f"{short_stage}.{ulid}.{freight[:SHORT_FREIGHT]}".lower()


def stage_of_promotion(promotion: str) -> str:
    """Return the Stage in a promotion's name, which ends with a ULID and seven digits of the Freight."""
    return promotion.rsplit(".", 2)[0]
