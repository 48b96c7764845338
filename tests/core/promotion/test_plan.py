"""Plans: what is frozen, and which templates are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from freightway.errors import InvalidResource
from freightway.promotion.model import FreightReference, KindFacts, Origin, Retry
from freightway.promotion.plan import (
    TaskReference,
    freight_collection,
    inflate,
    make_plan,
    split_alias,
    task_references,
)

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def freight(name: str, warehouse: str = "wh") -> FreightReference:
    return FreightReference(name=name, origin=Origin(name=warehouse))


def plan(steps: list[dict[str, Any]], **more: Any) -> Any:
    return make_plan(
        project="demo",
        stage="test",
        promotion="test.01.abc",
        freight=freight("f00dfeed"),
        steps=steps,
        facts=lambda kind: KindFacts(needs_files=kind == "git-clone"),
        created_at=NOW,
        **more,
    )


def test_every_step_of_a_task_has_variables_of_its_own() -> None:
    task = {
        "vars": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}, {"name": "c", "value": "3"}],
        "steps": [
            {"uses": "x", "vars": [{"name": "own", "value": "first"}]},
            {"uses": "x", "vars": [{"name": "own", "value": "second"}]},
        ],
    }
    first, second = inflate([{"task": {"name": "t"}}], [], {"t": task})
    assert first.vars[-1].value == "first"
    assert second.vars[-1].value == "second"


def test_all_problems_of_a_template_are_reported_at_once() -> None:
    with pytest.raises(InvalidResource) as caught:
        inflate([{"task": {"name": "one"}}, {"uses": "ok"}, {"task": {"name": "two", "kind": "Odd"}}])
    assert [problem.path for problem in caught.value.problems] == ["steps[0]", "steps[2]"]


def test_a_plan_keeps_the_facts_of_each_kind_and_all_variables_in_order() -> None:
    made = plan(
        [{"uses": "git-clone"}, {"uses": "http"}],
        stage_vars=[{"name": "a", "value": "stage"}],
        template_vars=[{"name": "a", "value": "template"}],
    )
    assert [step.facts.needs_files for step in made.steps] == [True, False]
    assert [variable.value for variable in made.vars] == ["stage", "template"]
    assert made.collection == (freight("f00dfeed"),)
    assert type(made).model_validate_json(made.model_dump_json()) == made


def test_a_stage_without_steps_cannot_be_promoted_to() -> None:
    with pytest.raises(InvalidResource, match='Stage "test" in namespace "demo" defines no promotion steps'):
        plan([])


def test_a_task_inside_a_task_is_refused() -> None:
    with pytest.raises(InvalidResource, match="task inside a task"):
        plan([{"task": {"name": "outer"}}], tasks={"outer": {"steps": [{"task": {"name": "inner"}}]}})


def test_task_references_are_listed_once_in_order() -> None:
    steps = [
        {"task": {"name": "b", "kind": "ClusterPromotionTask"}},
        {"uses": "x"},
        {"task": {"name": "a"}},
        {"task": {"name": "a", "kind": "PromotionTask"}},
    ]
    assert task_references(steps) == (
        TaskReference("ClusterPromotionTask", "b"),
        TaskReference("PromotionTask", "a"),
    )


def test_only_one_separator_makes_an_alias_namespaced() -> None:
    assert split_alias("task::step") == ("task", "step")
    assert split_alias("plain") == ("", "plain")
    assert split_alias("a::b::c") == ("", "a::b::c")


def test_steps_see_the_last_freight_of_other_requested_origins_only() -> None:
    mine, other, dropped = freight("mine", "a"), freight("other", "b"), freight("gone", "c")
    current = (freight("old", "a"), other, dropped)
    assert freight_collection(mine, ["Warehouse/a", "Warehouse/b"], current) == (mine, other)
    assert freight_collection(mine, ["Warehouse/a"], current) == (mine,)


def test_a_limit_below_a_microsecond_is_still_a_limit() -> None:
    assert Retry.model_validate({"timeout": "1ns"}).timeout == timedelta(microseconds=1)
    assert Retry.model_validate({"timeout": "0s"}).timeout == timedelta(0)
