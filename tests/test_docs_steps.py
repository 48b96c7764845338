"""Every registered step has its page, and what the page says of its fields is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from freightway.activities.catalogue import load_steps
from freightway.activities.steps.reference import fill_page
from freightway.activities.steps.registry import REGISTRY
from freightway.resources.reference import field_paths

PAGES = Path(__file__).parent.parent / "docs" / "steps"
load_steps()
KINDS = [name for name in REGISTRY.names() if (REGISTRY.get(name).module or "").startswith("freightway.")]


def page(kind: str) -> str:
    return (PAGES / f"{kind}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_has_a_page_with_every_part(kind: str) -> None:
    text = page(kind)
    assert text.startswith(f"# {kind}\n")
    assert f"- uses: {kind}\n" in text
    assert "## Configuration\n" in text
    assert "rror" in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_fields_is_current(kind: str) -> None:
    text = page(kind)
    assert fill_page(text) == text
    found = REGISTRY.get(kind)
    assert found is not None
    for path in field_paths(found.config):
        assert path.rpartition(".")[2].removesuffix("[]") in text


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_fit_the_step(kind: str) -> None:
    """Values may be expressions, so only names are compared."""
    for block in re.findall(r"```yaml\n(.*?)```", page(kind), re.DOTALL):
        steps = yaml.safe_load(block)
        for one in steps if isinstance(steps, list) else []:
            found = REGISTRY.get(one["uses"])
            assert found is not None, one["uses"]
            if found.config.model_config.get("extra") == "allow":
                continue
            names = {field.alias or name for name, field in found.config.model_fields.items()}
            required = {
                field.alias or name
                for name, field in found.config.model_fields.items()
                if field.is_required()
            }
            assert set(one.get("config", {})) <= names
            assert required <= set(one.get("config", {}))


def test_the_index_names_every_step() -> None:
    linked = re.findall(r"^\| \[([\w-]+)\]\(\1\.md\)", page("README"), re.MULTILINE)
    assert linked == KINDS


def test_every_page_is_of_a_step() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted(["README", *KINDS])


def test_every_link_leads_somewhere() -> None:
    for path in PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (PAGES / target).exists(), f"{path.name}: {target}"
