"""The fields of steps that are checked before anything runs are those of the steps."""

from __future__ import annotations

from freightway.activities.catalogue import load_steps
from freightway.activities.steps.registry import REGISTRY
from freightway.resources.check import check
from freightway.resources.load import parse_resource
from freightway.resources.step import BUILT_IN_KINDS
from freightway.resources.step_fields import STEP_FIELDS
from tests.servers.manifests import KARGO


def test_the_table_is_that_of_the_steps() -> None:
    load_steps()
    found = {}
    for kind in REGISTRY.names():
        step = REGISTRY.get(kind)
        assert step is not None
        if (
            not (step.module or "").startswith("freightway.")
            or step.config.model_config.get("extra") == "allow"
        ):
            continue
        fields = {
            field.alias or name: field.is_required() for name, field in step.config.model_fields.items()
        }
        found[kind] = (
            {name for name, needed in fields.items() if needed},
            {name for name, needed in fields.items() if not needed},
        )
    table = {kind: (set(one.needed.split()), set(one.more.split())) for kind, one in STEP_FIELDS.items()}
    assert table == found


def warnings_of(*steps: dict[str, object]) -> list[str]:
    task = {
        "apiVersion": KARGO,
        "kind": "PromotionTask",
        "metadata": {"name": "t", "namespace": "p"},
        "spec": {"steps": list(steps)},
    }
    checked = check([parse_resource(task)], step_kinds=BUILT_IN_KINDS)
    assert checked.problems == []
    return [f"{one.path}: {one.message}" for one in checked.warnings if one.path.startswith("spec")]


def test_a_field_that_a_step_does_not_have_is_a_warning() -> None:
    assert warnings_of({"uses": "git-push", "config": {"pth": "./out"}}) == [
        "spec.steps[0].config.pth: git-push has no field 'pth'; did you mean 'path'?",
        "spec.steps[0].config: git-push needs path",
    ]
    assert warnings_of({"uses": "git-clone"}) == [
        "spec.steps[0].config: git-clone needs checkout and repoURL"
    ]


def test_what_only_the_promotion_can_tell_is_no_warning() -> None:
    assert warnings_of(
        {"uses": "git-push", "config": {"path": "${{ vars.x }}"}},
        {"uses": "git-push", "config": {"${{ vars.key }}": "./out"}},
        {"uses": "compose-output", "config": {"any": "field"}},
        {"uses": "of-a-package", "config": {"any": "field"}},
    ) == [
        "spec.steps[3].uses: unknown step kind 'of-a-package': Errored unless a package of the worker brings it"
    ]
