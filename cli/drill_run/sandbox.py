"""The drill's sandbox: its Git repository, its project, its Freight, and what each promotion does.

Every promotion makes one commit, whose message is its name, sends one HTTP request and has Argo CD sync once. Half
of the Stages push to a branch of their own and half to one branch together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from freightway.adapters.credential_files import write_credentials
from freightway.cli.demo_pipeline.git_server import git
from freightway.cli.drill_run.servers import password_of

WAREHOUSE = "source"
REPOSITORY = "drill.git"
SHARED_BRANCH = "deploy/shared"
KINDS = ("git-clone", "yaml-update", "git-commit", "git-push", "http", "argocd-update")
"""The kinds of step of a promotion, in order."""

_ENTRIES = 1500
"""Entries of the file that yaml-update edits: so many that a kill can meet it."""


def stages(count: int) -> tuple[str, ...]:
    """Return the names of the drill's Stages."""
    return tuple(f"s{number}" for number in range(1, count + 1))


def branch_of(stage: str) -> str:
    """Return the branch that a Stage pushes to."""
    return f"deploy/{stage}" if int(stage[1:]) % 2 else SHARED_BRANCH


def file_of(stage: str) -> str:
    """Return the file that a Stage's promotions edit."""
    return f"apps/{stage}.yaml"


def application_of(stage: str) -> str:
    """Return the Argo CD Application of a Stage."""
    return f"drill-{stage}"


def seed(bare: Path, names: tuple[str, ...], freights: int) -> list[str]:
    """Fill the repository: branches for the Stages and one commit for each Freight; returns the commits."""
    branches = sorted({branch_of(stage) for stage in names})
    stream = list(_branch("refs/heads/base", [_files(names, 0)], "base"))
    for branch in branches:
        stream += [f"reset refs/heads/{branch}\nfrom refs/heads/base\n\n"]
    sources = [_files(names, number) for number in range(1, freights + 1)]
    stream += list(_branch("refs/heads/main", sources, "source"))
    _fast_import(bare, "".join(stream))
    return git(bare, "rev-list", "--reverse", "main").splitlines()


def write_secrets(home: Path, host: str, project: str, git_url: str, argocd: str) -> None:
    """Give a worker host its own credentials for every server."""
    write_credentials(
        home,
        project=project,
        name="git",
        kind="git",
        repo_url=git_url,
        username=host,
        password=password_of(host),
    )
    folder = home / "secrets" / project
    manifests = {
        "argocd": ({"freightway.dev/type": "argocd"}, {"server": argocd, "token": password_of(host)}),
        "receiver": ({}, {"token": password_of(host)}),
    }
    for name, (labels, data) in manifests.items():
        file = folder / f"{name}.yaml"
        file.touch(mode=0o600)
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}}
        file.write_text(yaml.safe_dump({**secret, "stringData": data}))


def resources(project: str, names: tuple[str, ...], git_url: str, receiver: str) -> list[dict[str, Any]]:
    """Return what the drill applies."""
    warehouse = {
        "apiVersion": "kargo.akuity.io/v1alpha1",
        "kind": "Warehouse",
        "metadata": {"name": WAREHOUSE, "namespace": project},
        "spec": {
            "freightCreationPolicy": "Manual",
            "interval": "1h",
            "subscriptions": [{"git": {"repoURL": git_url, "branch": "main", "discoveryLimit": 1}}],
        },
    }
    head = {
        "apiVersion": "kargo.akuity.io/v1alpha1",
        "kind": "Project",
        "metadata": {"name": project},
    }
    return [head, warehouse, *(_stage(project, stage, git_url, receiver) for stage in names)]


def freight(git_url: str, commit: str, number: int) -> dict[str, Any]:
    """Return Freight made of one commit."""
    return {
        "alias": f"drill-{number}",
        "origin": {"kind": "Warehouse", "name": WAREHOUSE},
        "commits": [{"repoURL": git_url, "id": commit, "branch": "main"}],
    }


def _stage(project: str, stage: str, git_url: str, receiver: str) -> dict[str, Any]:
    origin = {"kind": "Warehouse", "name": WAREHOUSE}
    return {
        "apiVersion": "kargo.akuity.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": stage, "namespace": project},
        "spec": {
            "requestedFreight": [{"origin": origin, "sources": {"direct": True}}],
            "promotionTemplate": {"spec": {"steps": _steps(stage, git_url, receiver)}},
        },
    }


def _steps(stage: str, git_url: str, receiver: str) -> list[dict[str, Any]]:
    checkout = [
        {"commit": f"${{{{ commitFrom('{git_url}').ID }}}}", "path": "./src"},
        {"branch": branch_of(stage), "path": "./out"},
    ]
    updates = [
        {"key": "freight", "value": "${{ ctx.targetFreight.name }}"},
        {"key": "promotion", "value": "${{ ctx.promotion }}"},
    ]
    app: dict[str, Any] = {"name": application_of(stage)}
    if branch_of(stage) != SHARED_BRANCH:
        app["sources"] = [{"repoURL": git_url, "desiredRevision": "${{ outputs.push.commit }}"}]
    request = {
        "url": receiver,
        "method": "POST",
        "headers": [
            {"name": "Authorization", "value": "Bearer ${{ secret('receiver').token }}"},
            {"name": "Content-Type", "value": "application/json"},
        ],
        # quote() keeps it a text; JSON in a template would arrive as an object.
        "body": "${{ quote({'promotion': ctx.promotion, 'commit': outputs.push.commit}) }}",
    }
    retry = {"errorThreshold": 10}
    return [
        {"uses": "git-clone", "as": "clone", "config": {"repoURL": git_url, "checkout": checkout}},
        {
            "uses": "yaml-update",
            "as": "edit",
            "config": {"path": f"./out/{file_of(stage)}", "updates": updates},
        },
        {
            "uses": "git-commit",
            "as": "commit",
            "config": {"path": "./out", "message": "${{ ctx.promotion }}"},
        },
        {
            "uses": "git-push",
            "as": "push",
            "retry": retry,
            "config": {"path": "./out", "targetBranch": branch_of(stage)},
        },
        {"uses": "http", "as": "announce", "retry": retry, "config": request},
        {"uses": "argocd-update", "as": "sync", "retry": retry, "config": {"apps": [app]}},
    ]


def _files(names: tuple[str, ...], number: int) -> dict[str, str]:
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "drill"},
        "spec": {
            "template": {"spec": {"containers": [{"name": "app", "image": f"drill.local/app:{number}"}]}}
        },
    }
    files = {"manifests.yaml": yaml.safe_dump(manifest), "number.txt": f"{number}\n"}
    if number == 0:
        entries = "".join(f"  entry-{one}: value-{one}\n" for one in range(_ENTRIES))
        files |= {file_of(stage): f"freight: none\npromotion: none\nentries:\n{entries}" for stage in names}
    return files


def _branch(ref: str, commits: list[dict[str, str]], word: str) -> Iterator[str]:
    """Yield commits for ``git fast-import``."""
    for number, files in enumerate(commits):
        message = f"{word} {number}"
        yield f"commit {ref}\ncommitter Ada Example <ada@example.com> {1_700_000_000 + number} +0000\n"
        yield f"data {len(message)}\n{message}\n"
        for path, text in files.items():
            yield f"M 100644 inline {path}\ndata {len(text.encode())}\n{text}\n"
        yield "\n"


def _fast_import(bare: Path, stream: str) -> None:
    import subprocess

    subprocess.run(
        ["git", "-C", str(bare), "fast-import", "--quiet"], input=stream.encode(), check=True, timeout=120
    )
