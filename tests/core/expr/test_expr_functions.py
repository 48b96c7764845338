"""Kargo's functions that the recorded facts do not cover: data, status, discovered artifacts, semver."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from freightway.errors import ExpressionError, NotFound
from freightway.expr import Function, evaluate, render, to_plain
from freightway.expr.functions import (
    criteria_functions,
    promotion_functions,
    semver_functions,
    status_functions,
)
from freightway.expr.natures import FLOAT, STRING, Signature


class Lookup:
    """Data in memory; every name but ``there`` is missing, one way or the other."""

    def _texts(self, name: str) -> Mapping[str, str]:
        if name != "there":
            raise NotFound("Secret", name)
        return {"token": "t0k", "pin": "0123"}

    def _values(self, name: str) -> Mapping[str, object] | None:
        return {"score": 3, "tags": ["a"]} if name == "there" else None

    secret = shared_secret = config_map = shared_config_map = _texts
    freight_metadata = freight_status = stage_metadata = _values


DATA = promotion_functions(project="demo", freight=[], freight_requests=[], warehouses={}, data=Lookup())


@pytest.mark.parametrize("name", ["secret", "sharedSecret", "configMap", "sharedConfigMap"])
def test_missing_secret_or_key_is_empty(name: str) -> None:
    assert evaluate(f"{name}('there').token", {}, functions=DATA) == "t0k"
    assert evaluate(f"{name}('there').nope", {}, functions=DATA) == ""
    assert evaluate(f"{name}('there')['nope'] ?? 'd'", {}, functions=DATA) == ""
    assert evaluate(f"{name}('gone')", {}, functions=DATA) == {}
    assert evaluate(f"{name}('gone').token", {}, functions=DATA) == ""


@pytest.mark.parametrize("name", ["freightMetadata", "freightStatus", "stageMetadata"])
def test_missing_metadata_is_nil(name: str) -> None:
    assert evaluate(f"{name}('there').score + 1", {}, functions=DATA) == 4
    assert evaluate(f"{name}('there')?.nope?.deeper ?? 300", {}, functions=DATA) == 300
    assert evaluate(f"{name}('gone')", {}, functions=DATA) is None
    assert evaluate(f"{name}('gone')?.score", {}, functions=DATA) is None
    for source in (f"{name}('gone').score", f"{name}('')", f"{name}()", f"{name}('a', 'b')", f"{name}(1)"):
        with pytest.raises(ExpressionError):
            evaluate(source, {}, functions=DATA)


def test_secret_in_a_template_is_typed_like_any_text() -> None:
    assert render("${{ secret('there').pin }}", {}, functions=DATA) == 123
    assert render("${{ quote(secret('there').pin) }}", {}, functions=DATA) == "0123"


def test_data_functions_do_not_exist_without_a_lookup() -> None:
    functions = promotion_functions(project="demo", freight=[], freight_requests=[], warehouses={})
    with pytest.raises(ExpressionError, match="cannot call nil"):
        evaluate("secret('there')", {}, functions=functions)


STEPS = [
    {"alias": "clone", "status": "Succeeded"},
    {"alias": "build", "status": "Failed", "continueOnError": True},
    {"alias": "task::clone", "status": "Errored"},
]


def test_status_functions_look_at_steps_of_the_same_task() -> None:
    outside = status_functions("push", STEPS)
    inside = status_functions("task::push", STEPS)
    assert evaluate("status('clone')", {}, functions=outside) == "Succeeded"
    assert evaluate("status('task::clone')", {}, functions=outside) == ""
    assert evaluate("status('clone')", {}, functions=inside) == "Errored"
    assert evaluate("status('build')", {}, functions=inside) == ""
    assert evaluate("[always(), failure(), success()]", {}, functions=outside) == [True, True, False]
    with pytest.raises(ExpressionError, match="must not be empty"):
        evaluate("status('')", {}, functions=outside)


def test_failure_does_not_count_steps_that_may_fail() -> None:
    functions = status_functions("push", STEPS[:2])
    assert evaluate("[failure(), success()]", {}, functions=functions) == [False, True]


DISCOVERED = {
    "git": [
        {"repoURL": "https://github.com/acme/app", "commits": []},
        {
            "repoURL": "https://github.com/acme/app.git",
            "commits": [{"id": "abc", "tag": "v1", "creatorDate": "2026-05-01T12:00:00Z"}, {"id": "def"}],
        },
    ],
    "images": [
        {
            "repoURL": "docker.io/library/nginx",
            "references": [{"tag": "1.27", "digest": "sha256:1", "annotations": {"a": "b"}}],
        }
    ],
    "charts": [{"repoURL": "OCI://ghcr.io/acme/chart", "name": "", "versions": ["1.2.3", "1.2.2"]}],
    "results": [
        {
            "name": "blob",
            "artifactReferences": [{"artifactType": "x", "subscriptionName": "blob", "version": "1"}],
        },
        {
            "name": "blob",
            "artifactReferences": [{"subscriptionName": "blob", "version": "2", "metadata": {"n": 1}}],
        },
        {"name": "blob", "artifactReferences": []},
    ],
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("commitFrom('git@github.com:acme/app').ID", None),
        ("commitFrom('https://github.com/acme/app').ID", "abc"),
        ("commitFrom('https://github.com/acme/app').CreatorDate.Year()", 2026),
        ("commitFrom('https://github.com/acme/other') == nil", True),
        ("imageFrom('nginx').Tag", "1.27"),
        ("imageFrom('nginx').Annotations.a", "b"),
        ("imageFrom('nginx').Annotations.nope", ""),
        ("imageFrom('redis')?.Tag ?? 'none'", "none"),
        ("chartFrom('oci://ghcr.io/acme/chart').Version", "1.2.3"),
        ("chartFrom('oci://ghcr.io/acme/chart', 'web')", None),
        ("artifactFrom('blob').Version", "2"),
        ("artifactFrom('blob').Metadata.n", 1),
        ("artifactFrom('nope')", None),
    ],
)
def test_criteria_see_the_newest_discovered_artifact(source: str, expected: object) -> None:
    functions = criteria_functions(DISCOVERED)
    if expected is None and source.endswith(".ID"):
        with pytest.raises(ExpressionError):
            evaluate(source, {}, functions=functions)
    else:
        assert evaluate(source, {}, functions=functions) == expected


def test_discovered_image_has_no_repository() -> None:
    with pytest.raises(ExpressionError, match="has no field RepoURL") as caught:
        evaluate("imageFrom('nginx').RepoURL", {}, functions=criteria_functions(DISCOVERED))
    assert caught.value.stage == "compile"


def test_nothing_discovered_is_nil() -> None:
    assert evaluate("commitFrom('https://a.b/c')", {}, functions=criteria_functions(None)) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("semverParse('v1.2').String()", "1.2.0"),
        ("semverParse('v1.2').Original()", "v1.2"),
        ("semverParse('1.2.3-rc.1').IncPatch().String()", "1.2.3"),
        ("semverParse('1.2.3').LessThan(semverParse('1.10.0'))", True),
        ("semverParse('1.2.3').Compare(semverParse('1.2.3+a'))", 0),
        ("semverParse('1.2.3').Major() == 1", True),
        ("semverDiff('1.0.0-rc1', '1.0.0')", "None"),
        ("semverDiff('1.0.0', 'v1.1')", "Minor"),
        ("semverDiff('1.0.0', 'junk')", "Incomparable"),
        ("{v: semverParse('v1.2')}", {"v": "1.2.0"}),
    ],
)
def test_semver_functions(source: str, expected: object) -> None:
    assert to_plain(evaluate(source, {}, functions=semver_functions())) == expected


def test_own_function_is_checked_against_its_signature() -> None:
    twice = Function("twice", lambda text, factor: text * int(factor), (Signature((STRING, FLOAT), STRING),))
    assert evaluate("twice(a, 2)", {"a": "x"}, functions={"twice": twice}) == "xx"
    with pytest.raises(ExpressionError) as caught:
        evaluate("twice(1, 2)", {}, functions={"twice": twice})
    assert caught.value.stage == "compile"
    with pytest.raises(ExpressionError) as caught:
        evaluate("twice(a, 2)", {"a": 1}, functions={"twice": twice})
    assert caught.value.stage == "run"


def test_function_may_take_the_place_of_a_builtin() -> None:
    functions = {"len": lambda value: 42}
    assert evaluate("len('a')", {}, functions=functions) == 42
    assert evaluate("::len('a')", {}, functions=functions) == 1
