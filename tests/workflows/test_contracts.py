"""Activities and the stubs that workflows call them by: same names, same arguments, same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import pytest
from temporalio import activity
from temporalio.client import Client

from freightway import contracts
from freightway.activities.catalogue import Catalogue, make_catalogue
from freightway.activities.steps.registry import REGISTRY
from freightway.activities.workspace import host_alive
from freightway.promotion.model import StepOutcome, StepRequest
from tests.servers.temporal import World


@pytest.fixture(scope="module")
def catalogue(temporal_world: World, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    client: Client = temporal_world.client
    return make_catalogue(tmp_path_factory.mktemp("catalogue"), client)


def name_of(function: Any) -> str | None:
    found = activity._Definition.from_callable(function)
    assert found is not None
    return found.name


def signature(function: Any) -> tuple[tuple[Any, ...], Any]:
    hints = get_type_hints(function)
    answer = hints.pop("return")
    return tuple(hints.values()), answer


@pytest.mark.parametrize("stub", contracts.STUBS, ids=name_of)
def test_each_stub_has_an_activity_of_the_same_signature(catalogue: Catalogue, stub: Any) -> None:
    real = [
        function
        for function in (*catalogue.anywhere, *catalogue.host, host_alive)
        if name_of(function) == name_of(stub)
    ]
    assert len(real) == 1
    assert signature(real[0]) == signature(stub)


def test_every_activity_has_a_stub_or_is_a_step(catalogue: Catalogue) -> None:
    stubs = {name_of(stub) for stub in contracts.STUBS}
    steps = set(REGISTRY.names())
    for function in (*catalogue.anywhere, *catalogue.host):
        name = name_of(function)
        if name is None or name in stubs:
            continue
        assert name in steps, name
        assert signature(function) == ((StepRequest,), StepOutcome)


def test_steps_run_on_the_common_queue_and_on_hosts(catalogue: Catalogue) -> None:
    on_hosts = {name_of(function) for function in catalogue.host}
    anywhere = {name_of(function) for function in catalogue.anywhere}
    assert {"git-clone", "http", None} <= on_hosts & anywhere
    assert "claim-workspace" in anywhere
    assert "remove-workspace" in on_hosts


def test_a_search_attribute_has_the_name_that_lists_ask_for() -> None:
    from freightway import names

    listed = {key.name for key in contracts.SEARCH_ATTRIBUTES}
    assert listed == {*names.SEARCH_KEYWORDS, *names.SEARCH_KEYWORD_LISTS}


def test_the_home_of_a_catalogue_is_made_in_its_folder(catalogue: Catalogue) -> None:
    assert isinstance(catalogue.services.workspaces.task_queue, str)
    assert Path(catalogue.host_queue).name.startswith("freightway.host.")
