"""The tables of fields on the pages of the steps, made from their configuration models.

A page holds the markers ``<!-- fields: yaml-update -->`` and ``<!-- end -->``;
``python -m freightway.activities.steps.reference [folder]`` writes what is between them, on every page of the folder
(by default ``docs/steps``).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from freightway.activities.steps.registry import REGISTRY, StepRegistry
from freightway.errors import NotFound
from freightway.resources.reference import field_table

_MARKERS = re.compile(r"(<!-- fields: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill_page(page: str, registry: StepRegistry = REGISTRY) -> str:
    """Return a page with the table of its step between the markers.

    Raises:
        NotFound: if a marker names a kind that is not registered.
    """

    def filled(found: re.Match[str]) -> str:
        kind = registry.get(found.group(2))
        if kind is None:
            raise NotFound("step kind", found.group(2))
        return found.group(1) + field_table(kind.config) + found.group(3)

    return _MARKERS.sub(filled, page)


def main(folder: Path) -> None:
    """Write the tables of every page of a folder."""
    from freightway.activities.catalogue import load_steps

    load_steps()
    for path in sorted(folder.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        filled = fill_page(page)
        if filled != page:
            path.write_text(filled, encoding="utf-8")
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/steps"))
