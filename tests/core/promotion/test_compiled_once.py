"""The expressions of a step are compiled once in a process, not once for each attempt."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from freightway import expr
from freightway.expr.functions import criteria_functions, promotion_functions
from freightway.expr.program import compilations
from freightway.promotion.evaluate import Configured, Evaluation
from freightway.promotion.model import FreightReference, Origin, PlannedStep, StepRequest

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class NoSecrets:
    """A project without Secrets and ConfigMaps."""

    def secret(self, _project: str, _name: str) -> dict[str, str]:
        return {}

    def shared_secret(self, _name: str) -> dict[str, str]:
        return {}

    def config_map(self, _project: str, _name: str) -> dict[str, str]:
        return {}

    def shared_config_map(self, _name: str) -> dict[str, str]:
        return {}

    def secrets(self) -> Iterable[str]:
        return ()


def attempt(promotion: str) -> Configured:
    request = StepRequest.model_validate(
        {
            "project": "demo",
            "stage": "test",
            "promotion": promotion,
            "freight": FreightReference(name="f00dfeed", origin=Origin(name="wh")),
            "created_at": NOW,
            "vars": [{"name": "change", "value": "${{ semverDiff('1.2.3', '1.3.0') }}"}],
            "step": PlannedStep.model_validate(
                {
                    "alias": "one",
                    "uses": "compose-output",
                    "if": "${{ success() and status('none') == '' }}",
                    "config": {
                        "origin": "${{ warehouse('wh').Name }}",
                        "commit": "${{ commitFrom('https://git.example.com/a', warehouse('wh'))?.ID ?? 'none' }}",
                        "major": "${{ semverParse('1.2.3').Major() }}",
                        "mode": "${{ configMap('settings').mode }}-${{ quote(vars.change) }}",
                        "promotion": "${{ ctx.promotion }}",
                    },
                }
            ),
        }
    )
    evaluation = Evaluation(request, NoSecrets(), NOW)
    assert evaluation.decide() is None
    configured = evaluation.configure()
    assert isinstance(configured, Configured)
    return configured


def test_second_attempt_compiles_nothing() -> None:
    first = attempt("p1").config
    before = compilations()
    second = attempt("p2").config
    assert compilations() == before
    assert first == {
        "origin": "wh",
        "commit": "none",
        "major": 1,
        "mode": '-"Minor"',
        "promotion": "p1",
    }
    assert second == {**first, "promotion": "p2"}


def test_functions_of_another_promotion_find_the_same_program() -> None:
    def functions(project: str) -> dict[str, expr.Function]:
        return promotion_functions(project=project, freight=[], freight_requests=[], warehouses={})

    source = "imageFrom('r', warehouse('w'))?.Tag + semverDiff('1.0.0', '2.0.0')"
    assert expr.compile(source, functions=functions("a")) is expr.compile(source, functions=functions("b"))


def test_criteria_find_the_same_program_for_another_discovery() -> None:
    source = "commitFrom('r')?.Tag != ''"
    one = expr.compile(source, functions=criteria_functions(None))
    assert one is expr.compile(source, functions=criteria_functions({"git": []}))
