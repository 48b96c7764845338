"""Models of the kinds: round trips, defaults, and the small decisions they make."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from freightway.errors import InvalidResource
from freightway.resources.fields import LabelSelector
from freightway.resources.load import load_text, parse_resource, resource_kinds
from freightway.resources.project_config import NameSelector, ProjectConfig
from freightway.resources.stage import Stage
from freightway.resources.warehouse import Warehouse

EVERY_KIND = (Path(__file__).parent / "every_kind.yaml").read_text(encoding="utf-8")


def documents() -> list[dict]:
    return list(yaml.safe_load_all(EVERY_KIND))


def test_the_sample_holds_every_kind():
    assert {document["kind"] for document in documents()} == set(resource_kinds())


def test_the_sample_loads_without_a_problem():
    result = load_text(EVERY_KIND, "every_kind.yaml")
    assert result.problems == []
    assert len(result.resources) == len(documents())


@pytest.mark.parametrize("document", documents(), ids=lambda document: document["kind"])
def test_json_round_trip_keeps_everything(document):
    resource = parse_resource(document)
    again = type(resource).model_validate_json(resource.model_dump_json())
    assert again == resource
    brief = resource.model_dump(mode="json", exclude_defaults=True)
    assert type(resource).model_validate({**brief, "kind": document["kind"]}) == resource


KARGO_DOCUMENTS = [document for document in documents() if not document["kind"].endswith("AnalysisTemplate")]
DROPPED_METADATA = {"uid", "creationTimestamp", "managedFields", "generateName"}


@pytest.mark.parametrize("document", KARGO_DOCUMENTS, ids=lambda document: document["kind"])
def test_json_has_every_field_that_was_written(document):
    dumped = parse_resource(document).model_dump(mode="json")
    assert "status" not in dumped
    assert_within({key: value for key, value in document.items() if key != "status"}, dumped)


def assert_within(written, dumped):
    if isinstance(written, dict):
        for key in written.keys() - DROPPED_METADATA:
            assert_within(written[key], dumped[key])
    elif isinstance(written, list):
        assert len(written) == len(dumped)
        for one, other in zip(written, dumped, strict=True):
            assert_within(one, other)
    else:
        assert written == dumped


def test_a_model_is_frozen():
    stage = stage_of()
    with pytest.raises(ValidationError):
        stage.kind = "Warehouse"


def stage_of(annotations=None, **spec) -> Stage:
    body = {
        "requestedFreight": [{"origin": {"kind": "Warehouse", "name": "w"}, "sources": {"direct": True}}],
        **spec,
    }
    return Stage.model_validate(
        {
            "kind": "Stage",
            "metadata": {"name": "s", "namespace": "p", "annotations": annotations or {}},
            "spec": body,
        }
    )


def test_stage_settings_default_to_kargos_behaviour():
    settings = stage_of().settings
    assert (settings.queue_policy, settings.on_failure, settings.approval) == ("fifo", "fail", None)
    assert settings.keep_promotions == 20


def test_stage_settings_are_read_from_annotations():
    settings = stage_of(
        {
            "freightway.dev/queue-policy": "latest",
            "freightway.dev/on-failure": "park",
            "freightway.dev/keep-promotions": "5",
            "freightway.dev/longest-promotion": "24h",
            "freightway.dev/approval": "{approvals: 2, approvers: [ann, bob], deadline: 24h}",
        }
    ).settings
    assert (settings.queue_policy, settings.on_failure, settings.keep_promotions) == ("latest", "park", 5)
    assert settings.longest_promotion == timedelta(hours=24)
    assert settings.approval is not None
    assert (settings.approval.approvals, settings.approval.approvers) == (2, ("ann", "bob"))
    assert settings.approval.deadline == timedelta(hours=24)


@pytest.mark.parametrize(
    ("annotation", "value", "said"),
    [
        ("queue-policy", "lifo", "must be fifo or latest"),
        ("on-failure", "ignore", "must be fail or park"),
        ("keep-promotions", "many", "whole number"),
        ("keep-promotions", "1000", "100"),
        ("longest-promotion", "soon", "must be a duration"),
        ("longest-promotion", "0s", "is wrong"),
        ("approval", "two", "must be a map"),
        ("approval", "{approvals: 0}", "(approvals)"),
        ("approval", "{aprovers: [ann]}", "aprovers"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(annotation, value, said):
    with pytest.raises(ValidationError) as refused:
        stage_of({f"freightway.dev/{annotation}": value})
    assert said in str(refused.value)


def test_a_stage_without_steps_only_controls_the_flow():
    assert stage_of().is_control_flow
    assert stage_of(promotionTemplate={"spec": {"steps": []}}).is_control_flow
    assert not stage_of(promotionTemplate={"spec": {"steps": [{"uses": "copy"}]}}).is_control_flow


def test_stage_variables_come_before_those_of_the_template():
    stage = stage_of(
        vars=[{"name": "a", "value": "1"}],
        promotionTemplate={"spec": {"vars": [{"name": "b", "value": "2"}], "steps": [{"uses": "copy"}]}},
    )
    assert [variable.name for variable in stage.spec.promotion_vars] == ["a", "b"]


def test_step_aliases_count_every_step_and_trim_given_ones():
    steps = stage_of(
        promotionTemplate={
            "spec": {"steps": [{"uses": "copy"}, {"task": {"name": "t"}}, {"uses": "tar", "as": " x "}]}
        }
    ).spec.steps
    assert [step.alias(index) for index, step in enumerate(steps)] == ["step-1", "task-2", "x"]


def test_warehouse_defaults_are_kargos():
    spec = Warehouse.model_validate(
        {
            "kind": "Warehouse",
            "metadata": {"name": "w"},
            "spec": {
                "subscriptions": [{"image": {"repoURL": "nginx"}}, {"git": {"repoURL": "git@host:a/b.git"}}]
            },
        }
    ).spec
    image, git = spec.subscriptions
    assert spec.interval == timedelta(minutes=5)
    assert spec.freight_creation_policy == "Automatic"
    assert (image.type, image.repo_url, image.discovery_limit) == ("image", "nginx", 20)
    assert image.image is not None
    assert (image.image.image_selection_strategy, image.image.strict_semvers) == ("SemVer", True)
    assert git.git is not None
    assert git.git.commit_selection_strategy == "NewestFromBranch"


def config_of(*policies) -> ProjectConfig:
    return ProjectConfig.model_validate(
        {"kind": "ProjectConfig", "metadata": {"name": "p"}, "spec": {"promotionPolicies": list(policies)}}
    )


def test_the_first_policy_that_selects_a_stage_counts():
    config = config_of(
        {"stageSelector": {"name": "glob:dev-*"}, "autoPromotionEnabled": False},
        {"stageSelector": {"name": "dev-1"}, "autoPromotionEnabled": True},
        {"stageSelector": {"matchLabels": {"tier": "test"}}, "autoPromotionEnabled": True},
    )
    policies = config.spec.promotion_policies
    assert config.spec.policy_for("dev-1", {}) is policies[0]
    assert config.spec.policy_for("x", {"tier": "test"}) is policies[2]
    assert config.spec.policy_for("x", {}) is None


def test_a_selector_joins_name_and_labels_and_an_empty_one_selects_all():
    both = config_of({"stageSelector": {"name": "a", "matchLabels": {"x": "1"}}}).spec
    assert both.policy_for("a", {"x": "1"}) is not None
    assert both.policy_for("a", {}) is None
    assert config_of({"stageSelector": {}}).spec.policy_for("anything", {}) is not None


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("dev", "dev", True),
        ("dev", "dev-1", False),
        ("glob:dev-*", "dev-1", True),
        ("glob:dev-*", "my-dev-1", False),
        ("glob:{a,b}-[0-9]?", "b-1x", True),
        ("glob:{a,b}-[!0-9]", "b-1", False),
        ("glob:**", "a/b", True),
        ("glob:*", "a/b", False),
        ("glob:a.b", "axb", False),
        ("regex:ev", "dev-1", True),
        ("regexp:^ev", "dev-1", False),
    ],
)
def test_name_patterns(pattern, name, fits):
    assert NameSelector(name=pattern).selects(name, {}) is fits


@pytest.mark.parametrize(
    "pattern", ["regex:(", "glob:[a", "glob:{a", "glob:a}", "glob:a\\", "re:a", "regex:(?=a)"]
)
def test_bad_name_patterns_are_refused(pattern):
    with pytest.raises(ValidationError):
        NameSelector(name=pattern)


@pytest.mark.parametrize(
    ("expression", "labels", "fits"),
    [
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, {"a": "2"}, True),
        ({"key": "a", "operator": "In", "values": ["1"]}, {}, False),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {}, True),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {"a": "1"}, False),
        ({"key": "a", "operator": "Exists"}, {"a": ""}, True),
        ({"key": "a", "operator": "DoesNotExist"}, {"a": ""}, False),
    ],
)
def test_label_expressions(expression, labels, fits):
    assert LabelSelector.model_validate({"matchExpressions": [expression]}).matches(labels) is fits


def test_parse_resource_carries_every_problem():
    with pytest.raises(InvalidResource) as caught:
        parse_resource(
            {
                "apiVersion": "kargo.akuity.io/v1alpha1",
                "kind": "Stage",
                "metadata": {"name": "S"},
                "spec": {"requestedFreight": []},
            }
        )
    assert [problem.path for problem in caught.value.problems] == ["metadata.name", "spec.requestedFreight"]
