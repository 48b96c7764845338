"""What `apply` says to resources that cannot be applied, in a project that has a Warehouse; nothing changes."""

from __future__ import annotations

import pytest

HEAD = "apiVersion: kargo.akuity.io/v1alpha1\nkind: Stage\nmetadata: {name: %s, namespace: %s}\n"


def stage(name, project, *, origin="app", sources="direct: true", value='"1"', more=""):
    return (
        HEAD % (name, project)
        + f"spec:\n  requestedFreight:\n  - origin: {{kind: Warehouse, name: {origin}}}\n    sources: {{{sources}}}\n"
        + "  promotionTemplate:\n    spec:\n      steps:\n      - uses: compose-output\n        as: a\n"
        + f"        config: {{x: {value}}}\n{more}"
    )


def circle(project):
    return "---\n".join(
        stage(name, project, sources=f"stages: [{upstream}]")
        for name, upstream in (("c1", "c2"), ("c2", "c3"), ("c3", "c1"))
    )


VERIFIED = "  verification: {analysisTemplates: [{name: nope}]}\n"
BAD = {
    "unknown field": (
        lambda p: stage("b1", p).replace("promotionTemplate", "promotionTemplat"),
        ":8: Stage/b1: spec.promotionTemplat: unknown field; did you mean 'promotionTemplate'?",
    ),
    "wrong type": (
        lambda p: HEAD % ("b2", p) + "spec:\n  requestedFreight: 5\n",
        ":5: Stage/b2: spec.requestedFreight: must be a list (lines that start with -), not the number 5",
    ),
    "two documents of one name": (
        lambda p: stage("b3", p) + "---\n" + stage("b3", p),
        "is defined twice; the other one is at ",
    ),
    "takes from itself": (
        lambda p: stage("b4", p, sources="stages: [b4]"),
        "Stage 'b4' cannot take Freight from itself",
    ),
    "circle": (circle, "from each other in a circle: c1 <- c2 <- c3 <- c1"),
    "unknown Warehouse": (
        lambda p: stage("b5", p, origin="nowhere"),
        "spec.requestedFreight[0].origin.name: unknown Warehouse 'nowhere' in project ",
    ),
    "unknown Stage": (
        lambda p: stage("b6", p, sources="stages: [ghost]"),
        "sources.stages[0]: unknown Stage 'ghost' in project ",
    ),
    "unknown task": (
        lambda p: (
            stage("b7", p)
            .replace("uses: compose-output", "task: {name: nope}")
            .replace("        as: a\n", "")
            .replace('        config: {x: "1"}\n', "")
        ),
        "steps[0].task.name: unknown PromotionTask 'nope' in project ",
    ),
    "unknown template": (
        lambda p: stage("b8", p, more=VERIFIED),
        "spec.verification.analysisTemplates[0].name: unknown AnalysisTemplate 'nope' in project ",
    ),
    "bad expression": (
        lambda p: stage("b9", p, value='"${{ ctx.stage + }}"'),
        "steps[0].config.x: expression 'ctx.stage +' is not valid: unexpected token EOF (column 16)",
    ),
    "other kinds only": (
        lambda p: f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: x, namespace: {p}}}\n",
        "it has no kind of Freightway's, only Deployment",
    ),
    "not YAML": (lambda _: "a: [1\nb: 2", ":2: is not valid YAML"),
}


@pytest.mark.parametrize("kind", BAD)
def test_it_is_said_where_what_and_nothing_is_applied(pipeline, tmp_path, kind):
    make, sentence = BAD[kind]
    before = pipeline.data("get", "stages")
    file = tmp_path / "bad.yaml"
    file.write_text(make(pipeline.project))
    refused = pipeline.stack.cli("apply", "-f", file)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert refused.stderr.startswith("error: nothing ")
    assert sentence in refused.stderr
    assert str(file) in refused.stderr
    names = [row["name"] for row in pipeline.data("get", "stages")]
    assert names == [row["name"] for row in before]


def test_a_step_of_an_unknown_kind_is_applied_with_a_warning(pipeline, tmp_path):
    """It may come with a package that only the worker has."""
    file = tmp_path / "s.yaml"
    file.write_text(stage("own-step", pipeline.project).replace("compose-output", "frobnicate"))
    done = pipeline.stack.cli("apply", "--dry-run", "-f", file)
    assert done.returncode == 0
    assert "warning: " in done.stderr
    assert "unknown step kind 'frobnicate': Errored unless a package of the worker brings it" in done.stderr
