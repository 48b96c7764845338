"""Versions, constraints and their order answer as recorded."""

from __future__ import annotations

from typing import Any

import pytest
from facts import case_id, cases

from freightway.selection import semver

CASES = cases("semver")


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [case for case in CASES if case["kind"] == kind]


def test_every_kind_of_case_is_answered() -> None:
    assert {case["kind"] for case in CASES} <= {"parse", "check", "select"}


@pytest.mark.parametrize("case", of_kind("parse"), ids=case_id)
def test_version_is_read_as_recorded(case: dict[str, Any]) -> None:
    version = semver.parse(case["version"], case.get("strict", False))
    expected = case["expect"]["value"]
    if version is None:
        assert expected is None
        return
    assert expected == {
        "string": str(version),
        "major": version.major,
        "minor": version.minor,
        "patch": version.patch,
        "prerelease": version.prerelease,
        "metadata": version.metadata,
    }
    assert version.original == case["version"]


@pytest.mark.parametrize("case", of_kind("check"), ids=case_id)
def test_constraint_is_checked_as_recorded(case: dict[str, Any]) -> None:
    if case["expect"].get("error"):
        with pytest.raises(ValueError, match=r"constraint|version"):
            semver.parse_constraint(case["constraint"])
        return
    constraint = semver.parse_constraint(case["constraint"])
    version = semver.parse(case["version"], case.get("strict", False))
    assert (version is not None and constraint.check(version)) is case["expect"]["value"]


@pytest.mark.parametrize("case", of_kind("select"), ids=case_id)
def test_versions_are_selected_as_recorded(case: dict[str, Any]) -> None:
    def select() -> list[str]:
        return semver.select(case["versions"], case["constraint"], case.get("strict", False))

    if case["expect"].get("error"):
        with pytest.raises(ValueError, match=r"constraint|version"):
            select()
        return
    assert select() == (case["expect"]["value"] or [])
