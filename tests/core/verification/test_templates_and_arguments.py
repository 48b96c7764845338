"""Templates, arguments and placeholders."""

from __future__ import annotations

from typing import Any

import pytest

from freightway.errors import InvalidResource, NotFound
from freightway.resources.analysis import (
    AnalysisTemplate,
    Argument,
    ClusterAnalysisTemplate,
    Metric,
    SecretKeyRef,
    TemplateRef,
)
from freightway.verification.arguments import (
    SECRET_DUMMY,
    merge_arguments,
    placeholder_values,
    secret_values,
    substitute,
)
from freightway.verification.templates import collect_templates, flatten_templates

SECRET = {"secretKeyRef": {"name": "api", "key": "token"}}


def template(name: str, **spec: Any) -> AnalysisTemplate:
    return AnalysisTemplate.model_validate({"metadata": {"name": name}, "spec": spec})


def argument(name: str, value: str | None = None, value_from: Any = None) -> Argument:
    return Argument.model_validate({"name": name, "value": value, "valueFrom": value_from})


def metric(**fields: Any) -> Metric:
    return Metric.model_validate({"name": "m", "provider": {"web": {"url": "http://x"}}, **fields})


def test_referred_templates_are_collected_once_and_a_cycle_ends() -> None:
    cluster = ClusterAnalysisTemplate.model_validate(
        {"metadata": {"name": "c"}, "spec": {"templates": [{"templateName": "a"}]}}
    )
    found: dict[tuple[str, bool], AnalysisTemplate | ClusterAnalysisTemplate] = {
        ("a", False): template(
            "a", templates=[{"templateName": "b"}, {"templateName": "c", "clusterScope": True}]
        ),
        ("b", False): template("b", templates=[{"templateName": "a"}]),
        ("c", True): cluster,
    }

    def lookup(reference: TemplateRef) -> AnalysisTemplate | ClusterAnalysisTemplate:
        try:
            return found[reference.template_name, reference.cluster_scope]
        except KeyError:
            raise NotFound("AnalysisTemplate", reference.template_name) from None

    names = [each.name for each in collect_templates([found["a", False], found["b", False]], lookup)]
    assert names == ["a", "b", "c"]
    with pytest.raises(NotFound, match="'gone'"):
        collect_templates([template("x", templates=[{"templateName": "gone"}])], lookup)


def test_argument_with_two_values_is_refused_even_if_the_caller_gives_one() -> None:
    with pytest.raises(InvalidResource, match="specified multiple times with different values"):
        flatten_templates(
            [
                template("a", args=[{"name": "x", "value": "1"}]),
                template("b", args=[{"name": "x", "value": "2"}]),
            ]
        )


def test_secret_is_not_lost_to_a_later_bare_declaration() -> None:
    spec = flatten_templates(
        [template("a", args=[{"name": "x", "valueFrom": SECRET}]), template("b", args=[{"name": "x"}])]
    )
    assert spec.args[0].secret == SecretKeyRef(name="api", key="token")


def test_undeclared_argument_is_left_out_and_an_empty_value_counts() -> None:
    merged = merge_arguments([argument("other", "1"), argument("x", "")], [argument("x", "default")])
    assert [(each.name, each.value) for each in merged] == [("x", "")]


def test_secret_is_a_dummy_text_without_a_lookup() -> None:
    arguments = [argument("x", "1"), argument("t", None, SECRET)]
    assert placeholder_values(arguments) == {"x": "1", "t": SECRET_DUMMY}
    values = placeholder_values(arguments, lambda reference: f"{reference.name}/{reference.key}")
    assert values["t"] == "api/token"
    assert secret_values(arguments, values) == ("api/token",)


def test_argument_that_only_names_a_field_has_no_value() -> None:
    with pytest.raises(InvalidResource, match='argument "f" was not supplied'):
        placeholder_values([argument("f", None, {"fieldRef": {"fieldPath": "metadata.name"}})])


def test_every_text_of_a_metric_is_substituted_keys_included() -> None:
    fields = {
        "interval": "{{args.x}}s",
        "failureLimit": "{{ args.x }}",
        "provider": {"job": {"spec": {"template": {"{{args.k}}": ["{{args.x}}", 1, None]}}}},
    }
    resolved = substitute(metric(**fields), {"x": "5", "k": "a b"})
    assert (resolved.interval, resolved.failure_limit) == ("5s", "5")
    assert resolved.provider.job is not None
    assert resolved.provider.job.spec == {"template": {"a b": ["5", 1, None]}}


def test_of_several_placeholders_that_do_not_resolve_the_last_field_is_named() -> None:
    with pytest.raises(InvalidResource, match=r"failed to resolve \{\{ b \}\}"):
        substitute(metric(interval="{{ a }}", successCondition="{{ b }}"), {})


@pytest.mark.parametrize("text", ["{{{args.x}}}", "{{args.y}}", "{{ args.x", "{{ args. x }}"])
def test_placeholder_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidResource, match="failed to resolve"):
        substitute(metric(successCondition=text), {"x": "1"})


@pytest.mark.parametrize("value", ["\x7f", "\x00", "\x1b[0m", "\U000e0001"])
def test_control_characters_do_not_get_into_a_metric(value: str) -> None:
    with pytest.raises(InvalidResource, match="control character"):
        substitute(metric(successCondition="{{args.x}}"), {"x": value})


def test_lines_and_quotes_survive() -> None:
    value = 'a "b"\n\\c\té'
    assert substitute(metric(successCondition="{{args.x}}"), {"x": value}).success_condition == value
