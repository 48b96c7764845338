"""A Git server over HTTP: ``git http-backend`` behind a server that asks for a user and a password."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from freightway.cli.demo_pipeline.loopback import LoopbackServer, Reply, Request
from freightway.errors import FreightwayError

_SECONDS = 60


def _environment() -> dict[str, str]:
    """The environment of every git here: nothing of the user's own configuration."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada Example",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada Example",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
        "LC_ALL": "C",
    }


def git(where: Path, *arguments: str) -> str:
    """Run git in a folder and return what it printed.

    Raises:
        FreightwayError: if git is missing or fails, with what it said.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(where), *arguments],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except FileNotFoundError as error:
        raise FreightwayError("git is not installed, and the demo needs it") from error
    if done.returncode:
        raise FreightwayError(f"git {arguments[0]} failed: {done.stderr.strip()[:500]}")
    return done.stdout.strip()


def need_git() -> None:
    """See that git and its HTTP server are there.

    Raises:
        FreightwayError: if not, with what to install.
    """
    if shutil.which("git") is None:
        raise FreightwayError("git is not installed, and the demo needs it")
    folder = Path(git(Path.cwd(), "--exec-path"))
    if not (folder / "git-http-backend").exists() and not (folder / "git-http-backend.exe").exists():
        raise FreightwayError(f"git-http-backend is missing in {folder}; install git's full package")


class GitServer:
    """Serves the bare repositories of a folder to whoever knows the password."""

    def __init__(self, root: Path, *, user: str, password: str) -> None:
        self.root = root
        self._expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._user = user
        self._server = LoopbackServer(self._answer)

    @property
    def host(self) -> str:
        """Address and port."""
        return self._server.host

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def create(self, name: str, files: Mapping[str, str]) -> Path:
        """Make a bare repository whose branch ``main`` holds these files; returns its folder."""
        bare, work = self.root / name, self.root / f".{name}.work"
        for folder in (bare, work):
            folder.mkdir(parents=True)
        git(bare, "init", "-q", "--bare", "--initial-branch=main")
        git(bare, "config", "http.receivepack", "true")
        for path, text in files.items():
            target = work / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        git(work, "init", "-q", "--initial-branch=main")
        git(work, "add", "-A")
        git(work, "commit", "-q", "-m", "Kustomize bases and overlays of the guestbook")
        git(work, "push", "-q", str(bare), "main")
        shutil.rmtree(work)
        return bare

    def _answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != self._expected:
            return Reply(
                401, b"a user and a password are needed\n", {"WWW-Authenticate": 'Basic realm="git"'}
            )
        environment = _environment() | {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(request.body)),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
            "REMOTE_USER": self._user,
        }
        done = subprocess.run(
            ["git", "http-backend"],
            env=environment,
            input=request.body,
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
        return _reply(done.stdout)


def _reply(output: bytes) -> Reply:
    """Turn the answer of a CGI program into an HTTP answer."""
    head, _, content = output.partition(b"\r\n\r\n")
    status, headers = 200, {}
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "status":
            status = int(value.split()[0])
        elif name:
            headers[name] = value
    return Reply(status if head else 500, content, headers)


class BareRepository:
    """What is read from a repository on the server, as its owner would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def head(self, branch: str) -> str:
        """Return the commit of a branch, empty if there is none."""
        return git(self.folder, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

    def show(self, commit: str, path: str) -> str:
        """Return a file of a commit."""
        return git(self.folder, "show", f"{commit}:{path}")

    def subject(self, commit: str) -> str:
        """Return the first line of a commit's message."""
        return git(self.folder, "log", "-1", "--format=%s", commit)
