"""Credentials are found as Kargo finds them, follow changes of the files and never show."""

import base64
import json
import stat
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from freightway.adapters.credentials import Credentials, CredentialStore, write_credentials, write_generic
from freightway.adapters.data import FolderData
from freightway.adapters.http import Http
from freightway.errors import FreightwayError, Refused
from tests.servers.http_server import HttpServer, Reply


def put(
    home: Path, folder: str, name: str, kind: str = "git", *, encoded: bool = False, **parts: str
) -> Path:
    """Write a manifest; ``annotations`` is JSON."""
    annotations = json.loads(parts.pop("annotations", "{}"))
    values = {
        key: base64.b64encode(value.encode()).decode() if encoded else value for key, value in parts.items()
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"kargo.akuity.io/cred-type": kind}, "annotations": annotations},
        "data" if encoded else "stringData": values,
    }
    path = home / "secrets" / folder / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(manifest))
    return path


def basic(url: str, password: str = "pw") -> dict[str, str]:
    return {"repoURL": url, "username": "u", "password": password}


async def password_of(
    store: CredentialStore, url: str, kind: str = "git", project: str = "demo"
) -> str | None:
    found = await store.get(project, kind, url)
    return found.password if found else None


@pytest.mark.parametrize("encoded", [True, False])
async def test_secret_is_found_by_its_normal_url(tmp_path, encoded):
    put(tmp_path, "demo", "a", encoded=encoded, **basic("https://Git.example.com/Team/App.git"))
    store = CredentialStore(tmp_path)
    found = await store.get("demo", "git", "https://git.example.com/team/app/")
    assert found == Credentials("u", "pw", source="a")


@pytest.mark.parametrize(
    ("kind", "stored", "asked"),
    [
        ("image", "docker.io/library/nginx", "nginx"),
        ("image", "ghcr.io/Team/App", "ghcr.io/team/app:v1"),
        ("helm", "oci://ghcr.io/team/chart", "ghcr.io/team/chart"),
        ("git", "git@host.example.com:team/app.git", "ssh://git@host.example.com/team/app"),
    ],
)
async def test_normal_form_depends_on_the_kind(tmp_path, kind, stored, asked):
    put(tmp_path, "demo", "a", kind, **basic(stored))
    assert await password_of(CredentialStore(tmp_path), asked, kind) == "pw"


async def test_kind_and_project_must_fit(tmp_path):
    put(tmp_path, "other", "a", **basic("https://h.example.com/r"))
    put(tmp_path, "demo", "b", "image", **basic("https://h.example.com/r"))
    assert await password_of(CredentialStore(tmp_path), "https://h.example.com/r") is None


async def test_project_comes_before_shared_and_names_decide(tmp_path):
    url = "https://h.example.com/r"
    put(tmp_path, "shared", "a", **basic(url, "shared"))
    store = CredentialStore(tmp_path)
    assert await password_of(store, url) == "shared"
    put(tmp_path, "demo", "z", **basic(url, "late"))
    assert await password_of(store, url) == "late"
    put(tmp_path, "demo", "m", **{**basic("h[.]example", "regex"), "repoURLIsRegex": "true"})
    assert await password_of(store, url) == "regex"


async def test_broken_regex_is_skipped(tmp_path):
    put(tmp_path, "demo", "a", **{**basic("(", "bad"), "repoURLIsRegex": "true"})
    put(tmp_path, "demo", "b", **{**basic("^https://", "good"), "repoURLIsRegex": "true"})
    assert await password_of(CredentialStore(tmp_path), "https://h.example.com/r") == "good"


async def test_first_fit_wins_even_if_it_is_empty(tmp_path):
    put(tmp_path, "demo", "a", **basic("https://h.example.com/r", ""))
    put(tmp_path, "demo", "b", **basic("https://h.example.com/r"))
    assert await password_of(CredentialStore(tmp_path), "https://h.example.com/r") is None


async def test_ssh_key_is_handed_out(tmp_path):
    put(tmp_path, "demo", "a", repoURL="git@h.example.com:t/r.git", sshPrivateKey="KEY")
    store = CredentialStore(tmp_path)
    found = await store.get("demo", "git", "git@h.example.com:t/r.git")
    assert found is not None
    assert found.ssh_private_key == "KEY"
    assert list(store.secrets()) == ["KEY"]


async def test_plain_http_gets_none_unless_allowed(tmp_path, monkeypatch):
    url = "http://h.example.com/r"
    put(tmp_path, "demo", "a", **basic(url))
    put(tmp_path, "demo", "l", **basic("http://127.0.0.1:3000/r", "local"))
    store = CredentialStore(tmp_path)
    assert await password_of(store, url) is None
    assert await password_of(store, "http://127.0.0.1:3000/r") == "local"
    monkeypatch.setenv("FREIGHTWAY_ALLOW_HTTP_CREDENTIALS", "true")
    assert await password_of(store, url) == "pw"
    monkeypatch.delenv("FREIGHTWAY_ALLOW_HTTP_CREDENTIALS")
    put(tmp_path, "demo", "a", annotations='{"freightway.dev/allow-http": "true"}', **basic(url))
    assert await password_of(store, url) == "pw"


async def test_changed_and_removed_files_are_followed(tmp_path):
    url = "https://h.example.com/r"
    path = put(tmp_path, "demo", "a", **basic(url, "one"))
    store = CredentialStore(tmp_path)
    assert await password_of(store, url) == "one"
    put(tmp_path, "demo", "a", **basic(url, "second"))
    assert await password_of(store, url) == "second"
    path.unlink()
    assert await password_of(store, url) is None
    assert set(store.secrets()) == {"one", "second"}


async def test_broken_file_hides_only_itself_and_shows_no_value(tmp_path):
    put(tmp_path, "demo", "good", **basic("https://h.example.com/r"))
    (tmp_path / "secrets/demo/bad.yaml").write_text("kind: Secret\nstringData: {password: planted\n")
    (tmp_path / "secrets/demo/odd.yaml").write_text(
        "kind: Secret\nmetadata: {name: odd}\ndata: {password: planted!}\n"
    )
    store = CredentialStore(tmp_path)
    assert await password_of(store, "https://h.example.com/r") == "pw"
    texts = sorted(str(problem) for problem in store.problems())
    assert len(texts) == 2
    assert texts[0].startswith("bad.yaml:")
    assert "data.password of Secret 'odd' is not base64" in texts[1]
    assert "planted" not in "".join(texts)


async def test_values_do_not_show(tmp_path):
    put(tmp_path, "demo", "a", **basic("https://h.example.com/r", "planted"))
    store = CredentialStore(tmp_path)
    found = await store.get("demo", "git", "https://h.example.com/r")
    manifest = store.find("demo", "git", "https://h.example.com/r")
    assert "planted" not in repr((found, store, manifest))


async def test_cloud_key_is_refused_with_what_to_do(tmp_path):
    put(tmp_path, "demo", "a", "image", repoURL="1.dkr.ecr.eu-west-1.amazonaws.com/app", awsAccessKeyID="x")
    with pytest.raises(FreightwayError, match="'a' holds an AWS access key, which is not supported; store"):
        await CredentialStore(tmp_path).get("demo", "image", "1.dkr.ecr.eu-west-1.amazonaws.com/app")


@pytest.mark.parametrize("project", ["shared", "../demo", "", "Demo"])
async def test_project_name_cannot_reach_other_folders(tmp_path, project):
    put(tmp_path, "demo", "a", **basic("https://h.example.com/r"))
    put(tmp_path, "shared", "token", "image", pin="1")
    assert await password_of(CredentialStore(tmp_path), "https://h.example.com/r", project=project) is None
    assert FolderData(tmp_path).secret(project, "token") == {}


async def test_written_credentials_are_private_and_found(tmp_path):
    path = write_credentials(
        tmp_path,
        project="demo",
        name="repo",
        kind="git",
        repo_url="https://h/r",
        username="u",
        password="0123",
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert await password_of(CredentialStore(tmp_path), "https://h/r") == "0123"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "svn"}, "use git, helm or image"),
        ({"password": ""}, "give a username and a password"),
        ({"name": "../x"}, "lower-case letters"),
        ({"project": "shared"}, "its folder is the shared one"),
        ({"repo_url": ""}, "need the URL"),
    ],
)
def test_credentials_that_make_no_sense_are_not_written(tmp_path, change, message):
    parts = {"project": "demo", "name": "r", "kind": "git", "repo_url": "https://h/r", "username": "u"}
    with pytest.raises(Refused, match=message):
        write_credentials(tmp_path, **{**parts, "password": "p", **change})
    assert not (tmp_path / "secrets").exists()


def test_existing_file_is_kept_unless_replaced(tmp_path):
    write_generic(tmp_path, project=None, name="g", data={"k": "1"})
    with pytest.raises(Refused, match="is there already"):
        write_generic(tmp_path, project=None, name="g", data={"k": "2"})
    write_generic(tmp_path, project=None, name="g", data={"k": "2"}, replace=True)
    assert FolderData(tmp_path).shared_secret("g") == {"k": "2"}


def test_expression_data_follows_kargo(tmp_path):
    put(tmp_path, "demo", "any", "git", pin="1234")
    put(tmp_path, "shared", "typed", "git", pin="no")
    put(tmp_path, "shared", "copied", "git", pin="yes", annotations='{"kargo.akuity.io/replicate-to": "*"}')
    (tmp_path / "secrets/demo/map.yaml").write_text(
        "kind: ConfigMap\nmetadata: {name: settings}\ndata: {level: '3'}\n---\n"
        "kind: ConfigMap\nmetadata: {name: second}\ndata: {a: b}\n"
    )
    data = FolderData(tmp_path)
    assert data.secret("demo", "any") == {"pin": "1234"}
    assert data.secret("demo", "missing") == {}
    assert data.shared_secret("typed") == {}
    assert data.secret("demo", "copied") == {"pin": "yes"}
    assert data.config_map("demo", "settings") == {"level": "3"}
    assert data.config_map("demo", "second") == {"a": "b"}
    assert data.shared_config_map("settings") == {}
    assert set(data.secrets()) == {"1234", "yes"}


async def test_github_app_token_is_minted_once_for_its_repository(tmp_path):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    ).decode()
    answer = Reply(201, json={"token": "ghs_minted", "expires_at": "2999-01-01T00:00:00Z"})
    async with HttpServer(lambda _: answer) as server, Http() as http:
        url = f"{server.url}/team/app.git"
        put(
            tmp_path,
            "demo",
            "app",
            repoURL=url,
            githubAppClientID="Iv1",
            githubAppInstallationID="42",
            githubAppPrivateKey=pem,
        )
        store = CredentialStore(tmp_path, http)
        found = [await store.get("demo", "git", url) for _ in range(2)]
    assert [(one.username, one.password) for one in found] == [("kargo", "ghs_minted")] * 2
    assert server.paths() == ["POST /api/v3/app/installations/42/access_tokens"]
    assert server.requests[0].json() == {"repositories": ["app"]}
    token = server.requests[0].headers["authorization"].removeprefix("Bearer ")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["iss"] == "Iv1"
    assert claims["exp"] - claims["iat"] == 600
    assert {"ghs_minted", pem} <= set(store.secrets())
