"""A real Git server over HTTP for tests: ``git http-backend`` behind a threaded server with basic auth.

It counts requests, and refuses, slows down or cuts answers when a test asks for it.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_CLEAN = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
    "LC_ALL": "C",
}


def run_git(where: Path, *args: str, date: str = "", stdin: str | None = None) -> str:
    """Run git as the owner of the server would, and return what it printed."""
    env = dict(_CLEAN)
    if date:
        env |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    done = subprocess.run(
        ["git", "-C", str(where), *args], env=env, input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class GitServer:
    """The server and its folder of bare repositories.

    Attributes:
        user, password: what basic auth asks for; an empty password lets everybody read and write.
        requests: number of requests by service: ``refs``, ``git-upload-pack``, ``git-receive-pack``.
        status: answer every request with this status instead of serving it (0: serve).
        delay: event that must be set before an upload-pack answer is sent, None for at once.
        cut_after: bytes of an upload-pack answer after which the connection is cut, None for never.
        drop_push_answers: number of pushes that are carried out but whose answer is never sent.
        before_push: called once with nothing, just before the next push is carried out.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.user, self.password = "robot", ""
        self.requests: Counter[str] = Counter()
        self.users: set[str] = set()
        self.status = 0
        self.delay: threading.Event | None = None
        self.reached = threading.Event()
        self.cut_after: int | None = None
        self.drop_push_answers = 0
        self.before_push: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    def url(self, name: str) -> str:
        return f"http://{self.host}/{name}"

    def close(self) -> None:
        if self.delay:
            self.delay.set()
        self._http.shutdown()
        self._http.server_close()

    def create(self, name: str, files: dict[str, str] | None = None, branch: str = "main") -> Path:
        """Create a bare repository, with one commit of ``files`` unless there are none."""
        bare = self.root / name
        bare.mkdir(parents=True)
        run_git(bare, "init", "-q", "--bare", f"--initial-branch={branch}")
        run_git(bare, "config", "http.receivepack", "true")
        if files:
            self.commit(name, files, branch=branch)
        return bare

    def commit(
        self,
        name: str,
        files: dict[str, str | None],
        *,
        branch: str = "main",
        message: str = "change",
        date: str = "@1700000000 +0000",
    ) -> str:
        """Add a commit to a branch on the server, as somebody else's push would; None deletes a file."""
        bare = self.root / name
        index = bare / f"test-index-{threading.get_ident()}"
        try:
            return self._commit(bare, index, files, branch, message, date)
        finally:
            index.unlink(missing_ok=True)

    def _commit(
        self, bare: Path, index: Path, files: dict[str, str | None], branch: str, message: str, date: str
    ) -> str:
        env = _CLEAN | {"GIT_INDEX_FILE": str(index), "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}

        def git(*args: str, stdin: str | None = None) -> str:
            done = subprocess.run(
                ["git", "-C", str(bare), *args],
                env=env,
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        parent = git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        if parent:
            git("read-tree", parent)
        for path, content in files.items():
            if content is None:
                git("rm", "--cached", "-q", "--", path)
                continue
            mode, text = ("120000", content[3:]) if content.startswith("-> ") else ("100644", content)
            blob = git("hash-object", "-w", "--stdin", stdin=text)
            git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
        tree = git("write-tree")
        parents = ["-p", parent] if parent else []
        commit = git("commit-tree", tree, *parents, "-F", "-", stdin=message)
        git("update-ref", f"refs/heads/{branch}", commit)
        return commit

    def head(self, name: str, branch: str = "main") -> str:
        return run_git(self.root / name, "rev-parse", "--verify", f"refs/heads/{branch}")

    def show(self, name: str, path: str, branch: str = "main") -> str:
        return run_git(self.root / name, "show", f"{branch}:{path}")

    def log(self, name: str, form: str = "%s", branch: str = "main") -> list[str]:
        return run_git(self.root / name, "log", f"--format={form}", branch).splitlines()

    def take_drop(self) -> bool:
        with self._lock:
            self.drop_push_answers -= 1
            return self.drop_push_answers >= 0

    def take_before_push(self) -> Callable[[], None] | None:
        with self._lock:
            hook, self.before_push = self.before_push, None
            return hook

    def count(self, service: str) -> None:
        with self._lock:
            self.requests[service] += 1


@contextmanager
def serve_git(root: Path) -> Iterator[GitServer]:
    """Serve the repositories of a folder until the block ends."""
    server = GitServer(root)
    try:
        yield server
    finally:
        server.close()


def _handler(server: GitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self._body())

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", "0")))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _authorised(self) -> bool:
            if not server.password:
                return True
            given = self.headers.get("Authorization", "")
            if not given.startswith("Basic "):
                return False
            user, _, password = base64.b64decode(given[6:]).decode().partition(":")
            server.users.add(user)
            return (user, password) == (server.user, server.password)

        def _serve(self, body: bytes) -> None:
            path, _, query = self.path.partition("?")
            last = path.rsplit("/", 1)[-1]
            service = last if last in ("git-upload-pack", "git-receive-pack") else "refs"
            server.count(service)
            if server.status:
                self._plain(server.status, b"not now")
                return
            if not self._authorised():
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.end_headers()
                return
            if service == "git-receive-pack" and (hook := server.take_before_push()):
                hook()
            self._answer(service, self._backend(path, query, body))

        def _plain(self, status: int, text: bytes) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text)

        def _backend(self, path: str, query: str, body: bytes) -> bytes:
            env = _CLEAN | {
                "GIT_PROJECT_ROOT": str(server.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_USER": server.user,
            }
            done = subprocess.run(
                ["git", "http-backend"], env=env, input=body, capture_output=True, check=False
            )
            return done.stdout

        def _answer(self, service: str, answer: bytes) -> None:
            if service == "git-receive-pack" and server.take_drop():
                return
            if service == "git-upload-pack" and server.delay is not None:
                server.reached.set()
                server.delay.wait(30)
            head, _, content = answer.partition(b"\r\n\r\n")
            status, headers = 200, []
            for line in head.decode().split("\r\n"):
                name, _, value = line.partition(": ")
                if name.lower() == "status":
                    status = int(value.split()[0])
                elif name:
                    headers.append((name, value))
            cut = server.cut_after if service == "git-upload-pack" else None
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content if cut is None else content[:cut])

    return Handler
