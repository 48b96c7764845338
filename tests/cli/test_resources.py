"""Resources from the command line: Freight, credentials, holds, freezes, refreshes, descriptions, deletion."""

from __future__ import annotations

import os
import pty
import stat
import subprocess

import yaml

from tests.servers.freightway_stack import CLI, environment


def secret(pipeline, project, name):
    return pipeline.stack.home / "secrets" / project / name


def test_everything_is_described(pipeline):
    assert "Stages" in pipeline.stack.ok("describe", "project", pipeline.project)
    shown = pipeline.ok("describe", "warehouse", "app")
    assert "creates Freight  Manual" in shown
    assert pipeline.git.url("app.git") in shown
    shown = pipeline.ok("describe", "freight", "first")
    assert pipeline.head in shown
    assert pipeline.data("describe", "freight", "first")["alias"] == "first"
    printed = pipeline.ok("describe", "stage", "prod", "-o", "yaml")
    assert yaml.safe_load(printed)["name"] == "prod"


def test_descriptions_of_what_is_not_there_say_what_is(pipeline):
    assert "it has app" in pipeline.refused("describe", "warehouse", "nope")
    assert "it has broken, dev" in pipeline.refused("describe", "stage", "nope")
    assert "first (" in pipeline.refused("describe", "freight", "nope")
    assert "promotion 'nope' not found" in pipeline.refused("describe", "promotion", "nope")
    assert "belongs to a project" in pipeline.stack.cli("describe", "stage", "dev").stderr
    told = pipeline.stack.cli("describe", "project", "nope")
    assert told.returncode == 1
    assert pipeline.project in told.stderr


def test_lists_of_an_unknown_project_say_what_exists(pipeline):
    told = pipeline.stack.cli("get", "stages", "-p", "nope")
    assert told.returncode == 1
    assert "the projects are" in told.stderr
    assert "there is: broken, dev" in pipeline.refused("get", "stages", "nope")


def test_freight_is_made_of_chosen_artifacts(pipeline):
    older = pipeline.git.log("app.git", "%H")[1]
    told = pipeline.refused("create", "freight", "--warehouse", "app", "--commit", "0000000")
    assert "commit '0000000' is not among what Warehouse 'app' has discovered" in told
    assert "it has app" in pipeline.refused("create", "freight", "--warehouse", "nope")
    assert "exists: first" in pipeline.refused("create", "freight", "--warehouse", "app")
    made = pipeline.ok(
        "create", "freight", "--warehouse", "app", "--commit", f"app@{older[:7]}", "--alias", "old"
    )
    assert "Freight old (" in made
    assert older in pipeline.ok("describe", "freight", "old")
    assert "is now aged" in pipeline.ok("update", "freight", "old", "--alias", "aged")
    pipeline.until("freight", "aged", lambda record: record["alias"] == "aged")
    assert "is taken by" in pipeline.refused("update", "freight", "aged", "--alias", "first")
    assert "not found" in pipeline.refused("update", "freight", "old", "--alias", "other")
    assert "would be deleted" in pipeline.ok("delete", "freight", "aged", "--dry-run")
    assert "Freight/aged" in pipeline.ok("delete", "freight", "aged")
    assert "Freight 'aged' not found" in pipeline.refused("delete", "freight/aged")


def test_freight_is_made_from_a_manifest(pipeline, tmp_path):
    older = pipeline.git.log("app.git", "%H")[1]
    file = tmp_path / "freight.yaml"
    file.write_text(
        f"apiVersion: kargo.akuity.io/v1alpha1\nkind: Freight\nmetadata: {{namespace: {pipeline.project}}}\n"
        f"origin: {{kind: Warehouse, name: app}}\n"
        f"commits: [{{repoURL: '{pipeline.git.url('app.git')}', id: {older}}}]\n"
    )
    assert "Freight by-hand (" in pipeline.ok("create", "freight", "-f", file, "--alias", "by-hand")
    pipeline.ok("delete", "freight", "by-hand")


def test_freight_that_a_stage_holds_is_not_deleted(pipeline):
    pipeline.promote("dev", "--wait")
    pipeline.until("freight", "first", lambda record: record["currentlyIn"])
    assert "is in dev" in pipeline.refused("delete", "freight", "first")


def test_credentials_are_written_for_their_owner_alone(pipeline):
    made = ("create", "credentials", "git", "app", "--repo-url", pipeline.git.url("app.git"))
    assert "--password-stdin" in pipeline.refused(*made, "--username", "robot", code=2)
    done = pipeline.cli(*made, "--username", "robot", "--password-stdin", stdin="s3cret-of-robot\n")
    assert done.returncode == 0, done.stderr
    assert "s3cret-of-robot" not in done.stdout + done.stderr
    path = secret(pipeline, pipeline.project, "app.yaml")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = yaml.safe_load(path.read_text())
    assert written["metadata"]["labels"]["kargo.akuity.io/cred-type"] == "git"
    assert written["stringData"]["password"] == "s3cret-of-robot"
    refused = pipeline.refused(*made, "--username", "robot", "--password", "x")
    assert "is there already; replace it with --replace" in refused
    pipeline.ok(
        *made, "--username", "robot", "--password", "another", "--replace", "--description", "for app"
    )
    assert yaml.safe_load(path.read_text())["metadata"]["annotations"] == {
        "kargo.akuity.io/description": "for app"
    }


def test_discovery_uses_credentials_once_they_are_written(pipeline):
    pipeline.git.password = "s3cret-of-git"
    try:
        pipeline.ok(
            "create", "credentials", "git", "app", "--replace", "--repo-url", pipeline.git.url("app.git"),
            "--username", "robot", "--password", "wrong",
        )  # fmt: skip
        told = pipeline.refused("refresh", "warehouse", "app", "--wait")
        assert "could not look at everything" in told
        assert "s3cret-of-git" not in told
        pipeline.ok(
            "create", "credentials", "git", "app", "--replace", "--repo-url", pipeline.git.url("app.git"),
            "--username", "robot", "--password", "s3cret-of-git",
        )  # fmt: skip
        looked = pipeline.ok("refresh", "warehouse", "app", "--wait")
        newest = pipeline.data("get", "warehouses", "app")[0]["freight"]
        assert f"has looked at its subscriptions; its last Freight is {newest}\n" in looked
        assert newest.endswith(")"), "the alias comes first"
    finally:
        pipeline.git.password = ""


def test_generic_secrets_and_configmaps_are_written(pipeline, tmp_path):
    key = tmp_path / "key"
    key.write_text("line one\nline two\n")
    pipeline.ok("create", "generic-credentials", "token", "--set", "a=b=c", "--from-file", f"key={key}")
    written = yaml.safe_load(secret(pipeline, pipeline.project, "token.yaml").read_text())
    assert written["stringData"] == {"a": "b=c", "key": "line one\nline two\n"}
    pipeline.ok("create", "configmap", "token", "--set", "region=eu")
    written = yaml.safe_load(secret(pipeline, pipeline.project, "token.configmap.yaml").read_text())
    assert written["kind"] == "ConfigMap"
    assert written["data"] == {"region": "eu"}
    pipeline.stack.ok("create", "configmap", "everywhere", "--shared", "--set", "a=b")
    assert secret(pipeline, "shared", "everywhere.configmap.yaml").exists()
    assert "KEY=VALUE" in pipeline.refused("create", "configmap", "empty", code=2)
    assert "must be lower-case" in pipeline.refused("create", "configmap", "Bad Name", "--set", "a=b")


def test_hold_is_set_and_released(pipeline):
    assert "is held: hold-" in pipeline.ok("hold", "--stage", "dev", "--for", "1h", "--reason", "watching")
    [hold] = pipeline.data("describe", "stage", "dev")["holds"]
    assert hold["reason"] == "watching"
    assert "hold 'nope' not found; the holds are hold-" in pipeline.refused(
        "release", "nope", "--stage", "dev"
    )
    assert "released" in pipeline.ok("release", hold["id"], "--stage", "dev")
    assert "has no hold" in pipeline.refused("release", "--stage", "dev")
    assert "requests no Freight of Warehouse" in pipeline.refused(
        "hold", "--stage", "dev", "--warehouse", "nope"
    )
    assert "it has broken, dev" in pipeline.refused("hold", "--stage", "nope")
    assert "is not a duration" in pipeline.refused("hold", "--stage", "dev", "--for", "soon", code=2)


def test_freeze_keeps_chosen_stages_until_it_is_lifted(pipeline):
    pipeline.ok("freeze", "fair", "--selector", "region=eu", "--until", "2199-01-01", "--reason", "the fair")
    frozen = pipeline.promote("dev")
    pipeline.until("stage", "dev", lambda state: any(item["promotion"] == frozen for item in state["queue"]))
    assert "is in force" in pipeline.refused("freeze", "fair", "--reason", "again")
    assert "in force: fair" in pipeline.refused("unfreeze", "nope")
    assert "in the past" in pipeline.refused("freeze", "old", "--until", "2001-01-01", "--reason", "x")
    assert "frozen by ann" in pipeline.stack.ok("describe", "project", pipeline.project)
    pipeline.ok("unfreeze", "fair")
    pipeline.until("promotion", frozen, lambda state: state.get("phase") == "Succeeded")
    assert "the projects are" in pipeline.stack.cli("unfreeze", "x", "-p", "nope").stderr
    assert "--cluster" in pipeline.stack.cli("unfreeze", "x").stderr


def test_freeze_of_the_cluster_reaches_the_project(pipeline):
    pipeline.stack.ok("freeze", "all", "--cluster", "--reason", "everything stops")
    try:
        pipeline.until("project", pipeline.project, lambda state: state["cluster"]["freezes"])
    finally:
        pipeline.stack.ok("unfreeze", "all", "--cluster")


def test_stage_looks_again(pipeline):
    assert "Stage dev is Healthy" in pipeline.ok("refresh", "stage", "dev", "--wait")
    assert "it has broken, dev" in pipeline.refused("refresh", "stage", "nope")
    assert "it has app" in pipeline.refused("refresh", "warehouse", "nope")


def test_deletion_is_shown_first_and_done_by_name(pipeline):
    assert "AnalysisTemplate/asks" in pipeline.ok("delete", "template", "asks", "--dry-run")
    pipeline.ok("describe", "stage", "broken")
    assert f"Stage/broken in {pipeline.project} deleted" in pipeline.ok("delete", "stage", "broken")
    told = pipeline.refused("delete", "stage/broken")
    assert "Stage/broken not found" in told
    assert "Stage/dev" in told
    assert "no kind 'pod'" in pipeline.refused("delete", "pod", "x", code=2)
    gone = ""
    for _ in range(50):
        gone = pipeline.cli("describe", "stage", "broken").stderr
        if gone:
            break
    assert "Stage 'broken' not found" in gone


def test_deletion_asks_on_a_terminal(pipeline):
    for answer, code, outcome in (("n\n", 1, "nothing was deleted"), ("y\n", 0, "Stage/fan")):
        master, slave = pty.openpty()
        asked = subprocess.Popen(
            [*CLI, "delete", "stage", "fan", "-p", pipeline.project],
            env=environment(pipeline.stack.server.address, pipeline.stack.home),
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.write(master, answer.encode())
        printed, _ = asked.communicate(timeout=60)
        os.close(slave)
        os.close(master)
        assert "Stage/fan" in printed
        assert "would be deleted" in printed
        assert outcome in printed
        assert asked.returncode == code


def test_project_is_deleted_with_everything(stack, tmp_path):
    assert "Project/doomed created" in stack.ok("create", "project", "doomed")
    assert "is there already" in stack.ok("create", "project", "doomed")
    assert "'Doomed' is not a valid name" in stack.cli("create", "project", "Doomed").stderr
    file = tmp_path / "w.yaml"
    file.write_text(
        "apiVersion: kargo.akuity.io/v1alpha1\nkind: Warehouse\nmetadata: {name: w, namespace: doomed}\n"
        "spec: {interval: 24h, subscriptions: [{image: {repoURL: 127.0.0.1:1/app}}]}\n"
    )
    stack.ok("apply", "-f", file)
    assert "Warehouse/w in doomed would be deleted" in stack.ok("delete", "-f", file, "--dry-run")
    shown = stack.ok("delete", "project", "doomed", "--yes")
    assert "Warehouse/w in doomed deleted\nProject/doomed deleted" in shown
    gone = ""
    for _ in range(50):
        gone = stack.cli("describe", "project", "doomed").stderr
        if gone:
            break
    assert "project 'doomed' not found" in gone
