"""The page on resources agrees with the models."""

from __future__ import annotations

from pathlib import Path

from freightway import names
from freightway.resources import settings
from freightway.resources.load import resource_kinds
from freightway.resources.reference import fill_tables

PAGE = Path(__file__).parents[3] / "docs" / "resources.md"


def test_tables_are_those_of_the_models():
    page = PAGE.read_text(encoding="utf-8")
    assert fill_tables(page) == page, "run: python -m freightway.resources.reference < docs/resources.md"


def test_every_kind_has_a_section():
    headings = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert [kind for kind in resource_kinds() if not any(kind in heading for heading in headings)] == []


def test_every_setting_of_our_own_is_described():
    page = PAGE.read_text(encoding="utf-8")
    own = [
        value
        for name, value in vars(settings).items()
        if isinstance(value, str) and "freightway.dev/" in value
    ]
    annotations = [value for value in own if value != names.ANNOTATION_PREFIX]
    assert len(annotations) == 8
    assert [annotation for annotation in annotations if f"`{annotation}`" not in page] == []
