"""What the steps that edit files say of bad input, and that they leave the files alone then."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from step_bench import Bench

FILES = {
    "a.yaml": "a: 1\nl: [1]\nm: {x: 1}\n",
    "broken.yaml": "a: b: c\n",
    "two.yaml": "a: 1\n---\nb: 2\n",
    "twice.yaml": "a: 1\na: 2\n",
    "empty.yaml": " \n",
    "a.json": '{"a": 1}',
    "broken.json": "{",
    "a.toml": "a = 1\n[t]\nb = 2\n",
    "broken.toml": "a =",
    "k/kustomization.yaml": "images: []\n",
    "k2/kustomization.yaml": "",
    "k2/Kustomization": "",
    "list.yaml": "- 1\n",
}


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    bench = await Bench.make(tmp_path / "home")
    bench.write(FILES)
    return bench


def update(path: str, key: str = "a", value: Any = 2) -> dict[str, Any]:
    return {"path": path, "updates": [{"key": key, "value": value}]}


def take(path: str, source: str = "a") -> dict[str, Any]:
    return {"path": path, "outputs": [{"name": "o", "fromExpression": source}]}


@pytest.mark.parametrize(
    ("uses", "config", "message"),
    [
        ("yaml-update", {}, "path is required"),
        ("yaml-update", {"path": "a.yaml", "updates": []}, "updates: Array must have at least 1 items"),
        ("yaml-update", {"path": "", "updates": [{"key": "a", "value": 1}]}, "path: String length must be"),
        ("yaml-update", {**update("a.yaml"), "x": 1}, "Additional property x is not allowed"),
        ("json-update", {"path": "a.json", "updates": [{"key": "a"}]}, "updates.0: value is required"),
        ("json-update", {"path": 5, "updates": []}, "path: Invalid type. Expected: string, given: integer"),
        ("yaml-merge", {"inFiles": [], "outFile": "x"}, "inFiles: Array must have at least 1 items"),
        ("yaml-parse", {"path": "a.yaml", "outputs": []}, "outputs: Array must have at least 1 items"),
        ("copy", {"inPath": "a"}, "outPath is required"),
        ("delete", {}, "give either path or paths"),
        ("delete", {"path": "a", "paths": ["b"]}, "give either path or paths"),
        ("set-metadata", {"updates": [{"kind": "Pod", "name": "a", "values": {"a": 1}}]}, "must be one of"),
        (
            "set-metadata",
            {"updates": [{"kind": "Stage", "name": "a", "values": {}}]},
            "at least 1 properties",
        ),
        ("kustomize-set-image", {"path": "k", "images": [{"image": "a"}]}, "'tag' or 'digest'"),
        (
            "kustomize-set-image",
            {"path": "k", "images": [{"image": "a", "tag": "1", "digest": "2"}]},
            "'tag' or",
        ),
        (
            "kustomize-build",
            {"path": "k", "outPath": "o", "outputFormat": "x"},
            "outputFormat must be one of",
        ),
        ("helm-template", {"path": "c", "outPath": "o"}, "releaseName is required"),
        ("wait-for-approval", {"approvals": 0}, "approvals"),
        ("wait-for-approval", {"approvals": 2, "approvers": ["ann"]}, "fewer approvers"),
        ("wait-for-approval", {"deadline": "0s"}, "deadline must be positive"),
        ("wait-for-approval", {"deadline": "soon"}, "deadline"),
        ("compose-output", {}, "at least 1 properties"),
    ],
)
async def test_a_wrong_configuration_fails_for_good(
    bench: Bench, uses: str, config: dict[str, Any], message: str
) -> None:
    outcome = await bench.run(uses, config)
    assert (outcome.status, outcome.terminal) == ("Failed", True)
    assert message in outcome.message
    assert f"invalid {uses} config: " in outcome.message
    assert bench.files() == FILES


@pytest.mark.parametrize(
    ("uses", "config", "message"),
    [
        ("yaml-update", update("none.yaml"), "'none.yaml' cannot be read: No such file"),
        ("yaml-update", update("k"), "'k' cannot be read: Is a directory"),
        ("yaml-update", update("broken.yaml"), "file 'broken.yaml': line 1"),
        ("yaml-update", update("a.yaml", "b"), "b"),
        ("yaml-update", update("a.yaml", "m"), "m"),
        ("yaml-update", update("a.yaml", "l.7"), "l.7"),
        ("json-update", update("broken.json"), "JSON"),
        ("json-update", update("a.json", "a", None), "null"),
        ("toml-update", update("broken.toml"), "not TOML"),
        ("toml-update", update("a.toml", "t"), "a table"),
        ("toml-update", update("a.toml", "none"), "does not exist"),
        (
            "yaml-merge",
            {"inFiles": ["a.yaml", "none.yaml"], "outFile": "o.yaml"},
            "'none.yaml' does not exist",
        ),
        ("yaml-merge", {"inFiles": ["a.yaml", "list.yaml"], "outFile": "o.yaml"}, "list.yaml"),
        ("yaml-parse", take("empty.yaml"), "could not parse empty YAML file"),
        ("yaml-parse", take("broken.yaml"), "not one YAML document"),
        ("yaml-parse", take("two.yaml"), "not one YAML document"),
        ("yaml-parse", take("twice.yaml"), "'a' is there twice"),
        ("yaml-parse", take("a.yaml", "none.deeper.still"), "output 'o'"),
        ("yaml-parse", take("a.yaml", "1 +"), "output 'o'"),
        ("json-parse", take("broken.json"), "not JSON"),
        ("toml-parse", take("broken.toml"), "not TOML"),
        ("copy", {"inPath": "none", "outPath": "o"}, "failed to copy 'none' to 'o': No such file"),
        ("copy", {"inPath": "a.yaml", "outPath": "k"}, "failed to copy 'a.yaml' to 'k': Is a directory"),
        ("copy", {"inPath": "k", "outPath": "a.yaml"}, "failed to copy 'k' to 'a.yaml': File exists"),
        ("delete", {"path": "none", "strict": True}, 'path "none" does not exist'),
        (
            "delete",
            {"paths": ["*.x"], "pathsAreGlobs": True, "strict": True},
            'no paths matched pattern "*.x"',
        ),
        ("delete", {"path": "../x"}, "outside the working directory"),
        ("delete", {"path": "."}, "outside the working directory"),
        ("delete", {"paths": ["a.yaml", "../x"]}, "outside the working directory"),
        ("delete", {"path": "../*", "pathsAreGlobs": True}, "outside the working directory"),
        (
            "delete",
            {"path": "[a", "pathsAreGlobs": True},
            'invalid glob pattern "[a": a bracket is not closed',
        ),
        ("kustomize-set-image", {"path": "none"}, "'none' cannot be read"),
        ("kustomize-set-image", {"path": "."}, "there is no kustomization.yaml"),
        ("kustomize-set-image", {"path": "k2", "images": [{"image": "a", "tag": "1"}]}, "several"),
        ("kustomize-build", {"path": "none", "outPath": "o"}, "'none' does not exist"),
        ("kustomize-build", {"path": "k2", "outPath": "o"}, "Found multiple kustomization files"),
        ("helm-template", {"path": "none", "outPath": "o", "releaseName": "r"}, "'none': it does not exist"),
    ],
)
async def test_a_wrong_file_is_an_error_and_changes_nothing(
    bench: Bench, tmp_path: Path, uses: str, config: dict[str, Any], message: str
) -> None:
    outcome = await bench.run(uses, config)
    assert (outcome.status, outcome.error) == ("Errored", True)
    assert message in outcome.message
    assert str(tmp_path) not in outcome.message
    assert bench.files() == FILES


async def test_a_yaml_file_of_aliases_is_refused_before_it_fills_the_memory(bench: Bench) -> None:
    levels = ["a: &l0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"b{n}: &l{n + 1} [{', '.join([f'*l{n}'] * 9)}]" for n in range(9)]
    bench.write({"bomb.yaml": "\n".join(levels)})
    outcome = await bench.run("yaml-parse", take("bomb.yaml"))
    assert "holds too much once its aliases are written out" in outcome.message


async def test_text_that_is_not_utf_8_is_refused(bench: Bench) -> None:
    (bench.root / "latin.yaml").write_bytes(b"a: \xe9\n")
    outcome = await bench.run("yaml-update", update("latin.yaml"))
    assert "'latin.yaml' is not UTF-8 text" in outcome.message


async def test_an_edited_file_keeps_its_mode(bench: Bench) -> None:
    (bench.root / "a.yaml").chmod(0o640)
    assert (await bench.run("yaml-update", update("a.yaml"))).status == "Succeeded"
    assert stat.S_IMODE((bench.root / "a.yaml").stat().st_mode) == 0o640


async def test_links_are_followed_only_inside_the_workspace(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("a: 1\n")
    (bench.root / "absolute.yaml").symlink_to(outside)
    (bench.root / "inside.yaml").symlink_to("/a.yaml")
    assert (await bench.run("yaml-update", update("absolute.yaml"))).status == "Errored"
    assert outside.read_text() == "a: 1\n"
    assert (await bench.run("yaml-update", update("inside.yaml"))).status == "Succeeded"
    assert (bench.root / "a.yaml").read_text().startswith("a: 2\n")
    assert (bench.root / "inside.yaml").is_symlink()


async def test_copy_leaves_links_and_git_out(bench: Bench) -> None:
    bench.write({"in/a": "a", "in/.git": "gitdir: x", "in/sub/.git/config": "x"})
    (bench.root / "in/link").symlink_to("a")
    os.mkfifo(bench.root / "in/pipe")
    assert (
        await bench.run("copy", {"inPath": "in", "outPath": "out", "ignore": "!.git"})
    ).status == "Succeeded"
    assert sorted(path.name for path in (bench.root / "out").rglob("*")) == ["a", "sub"]


async def test_copy_does_not_write_through_a_link_that_leads_out(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    bench.write({"in/sub/a": "a"})
    (bench.root / "out").mkdir()
    (bench.root / "out/sub").symlink_to(outside)
    await bench.run("copy", {"inPath": "in", "outPath": "out"})
    assert list(outside.iterdir()) == []


async def test_copy_into_the_folder_that_is_copied_ends(bench: Bench) -> None:
    assert (await bench.run("copy", {"inPath": ".", "outPath": "all"})).status == "Succeeded"
    copied = {
        name.removeprefix("all/"): text for name, text in bench.files().items() if name.startswith("all/")
    }
    assert copied == FILES


async def test_copy_keeps_who_may_run_a_file(bench: Bench) -> None:
    (bench.root / "a.json").chmod(0o755)
    await bench.run("copy", {"inPath": "a.json", "outPath": "b.json"})
    assert stat.S_IMODE((bench.root / "b.json").stat().st_mode) == 0o755


async def test_delete_removes_a_link_and_not_what_it_leads_to(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("a")
    (bench.root / "link").symlink_to(outside)
    refused = await bench.run("delete", {"path": "link/a"})
    assert "outside the working directory" in refused.message
    assert (await bench.run("delete", {"path": "link"})).status == "Succeeded"
    assert not (bench.root / "link").is_symlink()
    assert (outside / "a").read_text() == "a"
