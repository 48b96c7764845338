"""Facts recorded from the real engines; ``CONFORMANCE_DIR`` names another folder of the same kind."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DATA = Path(os.environ.get("CONFORMANCE_DIR") or Path(__file__).parent / "data")
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def load_facts(name: str) -> Any:
    """The parsed file ``<name>.yaml`` of the folder of facts."""
    return yaml.load((DATA / f"{name}.yaml").read_text(encoding="utf-8"), Loader)


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of one file, for ``pytest.mark.parametrize``."""
    return list(load_facts(name))


def case_id(case: dict[str, Any]) -> str:
    """A test id for a case."""
    return str(case["name"])
