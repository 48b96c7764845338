"""A template's mistakes are found before it runs."""

from __future__ import annotations

from typing import Any

from freightway.resources.analysis import AnalysisTemplateSpec
from freightway.verification.template_problems import template_problems

WEB = {"web": {"url": "http://x"}}


def problems(*metrics: dict[str, Any], **spec: Any) -> list[str]:
    filled = [{"name": "m", "provider": WEB, **metric} for metric in metrics]
    found = template_problems(AnalysisTemplateSpec.model_validate({"metrics": filled, **spec}))
    return [str(problem) for problem in found]


def test_good_template_has_none() -> None:
    metric = {"interval": "{{args.i}}", "count": 3, "successCondition": "result.x > {{args.i}} && true"}
    assert problems(metric, {"name": "n", "successCondition": "result == 1"}, args=[{"name": "i"}]) == []


def test_template_of_references_needs_no_metrics() -> None:
    assert problems(templates=[{"templateName": "t"}]) == []
    assert problems() == ["spec.metrics: no metrics specified"]


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        {"count": 2, "successCondition": "result >"},
        {"provider": {"web": {"url": "{{ .Values.x }}", "jsonPath": "{$.a"}}},
        {"name": "n", "provider": {}, "failureCondition": "("},
    )
    assert found[0] == "spec.metrics[0]: interval must be specified when count > 1"
    assert found[1].startswith("spec.metrics[0].successCondition: ")
    assert found[2] == "spec.metrics[1].name: duplicate name 'm'"
    assert found[3].startswith(
        "spec.metrics[1]: failed to resolve {{ .Values.x }}; only {{ args.<name> }} may"
    )
    assert found[4] == "spec.metrics[1].provider.web.jsonPath: unclosed action"
    assert found[5] == "spec.metrics[2]: no provider specified"
    assert found[6].startswith("spec.metrics[2].failureCondition: ")
    assert len(found) == 7
