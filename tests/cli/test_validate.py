"""freightway validate: what it prints and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from freightway.cli.validate import validate_command

EXAMPLE = Path(__file__).parents[2] / "examples" / "guestbook"
PROJECT = "apiVersion: kargo.akuity.io/v1alpha1\nkind: Project\nmetadata: {name: p}\n"
BROKEN = "apiVersion: kargo.akuity.io/v1alpha1\nkind: Project\nmetadata: {name: P}\nfoo: 1\n"
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n"


def validate(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(validate_command, [str(argument) for argument in arguments], input=stdin)


def test_the_example_is_valid():
    result = validate("-f", EXAMPLE)
    assert result.output == (
        "9 resources valid in form (1 AnalysisTemplate, 1 Project, 1 ProjectConfig, 1 PromotionTask, 4 Stage, "
        "1 Warehouse), 0 problems, 0 warnings\n"
    )
    assert result.exit_code == 0


def test_a_part_of_the_example_misses_the_rest():
    result = validate("-f", EXAMPLE / "stages.yaml")
    assert result.exit_code == 1
    assert (
        f"{EXAMPLE}/stages.yaml:14: Stage/dev: spec.requestedFreight[0].origin.name: unknown Warehouse"
        in result.output
    )


def test_problems_are_printed_with_place_and_counted(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(BROKEN)
    result = validate("-f", file)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0].startswith(f"{file}:3: Project/P: metadata.name: 'P' is not a valid name")
    assert lines[1] == f"{file}:4: Project/P: foo: unknown field"
    assert lines[2] == "0 resources valid in form, 2 problems, 0 warnings"


def test_warnings_are_marked_and_do_not_fail(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: c, labels: {kargo.akuity.io/cred-type: git}}\n"
    )
    result = validate("-f", file)
    assert result.exit_code == 0
    assert result.output.startswith(f"{file}:1: Secret/c: warning: is skipped: credentials are never sent")
    assert result.output.endswith("0 problems, 1 warning, 1 document skipped\n")


def test_an_unknown_step_kind_is_a_warning(tmp_path):
    file = tmp_path / "t.yaml"
    file.write_text(
        PROJECT
        + "---\napiVersion: kargo.akuity.io/v1alpha1\nkind: PromotionTask\nmetadata: {name: t, namespace: p}\n"
        + "spec: {steps: [{uses: fail}, {uses: git-pull}]}\n"
    )
    result = validate("-f", file)
    assert result.exit_code == 0
    assert "spec.steps[1].uses: warning: unknown step kind 'git-pull'" in result.output
    assert "1 warning" in result.output


def test_folders_are_read_with_all_that_is_below_them(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a" / "p.yml").write_text(PROJECT)
    (tmp_path / "a" / "b" / "q.json").write_text(
        '{"apiVersion": "kargo.akuity.io/v1alpha1", "kind": "Project", "metadata": {"name": "q"}}'
    )
    (tmp_path / "a" / "notes.txt").write_text("a: [")
    (tmp_path / ".hidden" / "x.yaml").write_text("a: [")
    assert validate("-f", tmp_path).output.startswith("2 resources valid in form (2 Project), 0 problems")


def test_a_file_given_twice_is_read_once(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(PROJECT)
    assert validate("-f", file, "-f", tmp_path).exit_code == 0


def test_duplicates_across_files_name_both_places(tmp_path):
    (tmp_path / "a.yaml").write_text(PROJECT)
    (tmp_path / "b.yaml").write_text("# again\n" + PROJECT)
    result = validate("-f", tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}/b.yaml:4: Project/p: metadata.name: Project p is defined twice" in result.output
    assert f"{tmp_path}/a.yaml:1" in result.output


def test_standard_input_is_a_file_too():
    assert validate("-f", "-", stdin=PROJECT).exit_code == 0
    assert "-:4: Project/P: foo: unknown field" in validate("-f", "-", stdin=BROKEN).output


def test_skipped_documents_are_counted_and_named_when_asked():
    assert validate("-f", "-", stdin=DEPLOYMENT).output.endswith("1 document skipped\n")
    assert "Deployment/d" not in validate("-f", "-", stdin=DEPLOYMENT).output
    assert (
        "-:1: Deployment/d: skipped, not one of Freightway's kinds"
        in validate("-vf", "-", stdin=DEPLOYMENT).output
    )


def test_a_file_that_is_not_text_is_a_problem():
    result = validate("-f", "-", stdin=b"\xff\xfe\x00")
    assert result.exit_code == 1
    assert "is not UTF-8 text" in result.output


@pytest.mark.parametrize("arguments", [["-f", "nowhere"], [], ["--nonsense"]])
def test_wrong_use_ends_with_two(arguments):
    assert validate(*arguments).exit_code == 2


def test_a_missing_path_is_named():
    assert "'nowhere' not found" in validate("-f", "nowhere").output


def test_what_a_project_has_on_the_server_is_not_known(tmp_path):
    """A Stage alone names a Warehouse that was applied before: the note says who can tell."""
    stage = (
        "apiVersion: kargo.akuity.io/v1alpha1\nkind: Stage\nmetadata: {name: s, namespace: p}\nspec:\n"
        "  requestedFreight: [{origin: {kind: Warehouse, name: w}, sources: {direct: true}}]\n"
    )
    file = tmp_path / "s.yaml"
    file.write_text(stage)
    result = validate("-f", file)
    assert result.exit_code == 1
    assert "unknown Warehouse 'w' in project 'p'" in result.output
    assert result.output.endswith(
        "note: only these files were looked at; what project p has on the server already is known to: freightway apply "
        "--dry-run\n"
    )
    file.write_text(f"{PROJECT}---\n{stage}")
    assert "note:" not in validate("-f", file).output
