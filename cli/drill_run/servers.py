"""The outside servers of the drill: Git over HTTP, an Argo CD stand-in and a receiver of HTTP requests.

Each keeps a record of what it saw and did. A *gate* is asked before a request takes effect and again before it is
answered; there the drill kills the worker that sent it. Which worker that is the servers know because each host has
credentials of its own.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from freightway.cli.demo_pipeline.argocd import ArgoCD
from freightway.cli.demo_pipeline.git_server import BareRepository, GitServer
from freightway.cli.demo_pipeline.loopback import LoopbackServer, Reply, Request

Moment = Literal["before", "after"]
Gate = Callable[[str, str, Moment], bool]
"""Asked with step kind, host and moment; True means the sender is dead, so nobody waits for an answer."""

_PROMOTION_INFO = "kargo.akuity.io/promotion"
_GONE = Reply(503, b"nobody waits for this answer\n", {"Connection": "close"})


def password_of(host: str) -> str:
    """Return the Git password, Argo CD token and receiver token of a host; made up, for loopback servers only."""
    return f"drill-password-of-{host}"


@dataclass(frozen=True, slots=True)
class Seen:
    """One effect at an outside server.

    Attributes:
        at: seconds of a steady clock.
        kind: ``http`` or ``argocd-update``.
    """

    at: float
    kind: str
    promotion: str


@dataclass(slots=True)
class Record:
    """What the outside servers saw, in order.

    Attributes:
        effects: effects that took place.
        answered: repeated requests that were recognised by their key and had no effect, by promotion.
    """

    effects: list[Seen] = field(default_factory=list)
    answered: list[Seen] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, promotion: str, *, again: bool = False) -> None:
        """Note an effect, or a request that was only answered again."""
        with self._lock:
            (self.answered if again else self.effects).append(Seen(time.monotonic(), kind, promotion))

    def promotions(self, kind: str) -> list[str]:
        """Return the promotion of each effect of a kind, in order."""
        with self._lock:
            return [seen.promotion for seen in self.effects if seen.kind == kind]


class DrillGit(GitServer):
    """The Git server; a user for each host."""

    def __init__(self, root: Path, hosts: tuple[str, ...], gate: Gate) -> None:
        self._gate = gate
        self._hosts = {_basic(host, password_of(host)): host for host in hosts}
        super().__init__(root, user="drill", password=password_of("drill"))

    def _answer(self, request: Request) -> Reply:
        host = self._hosts.get(request.headers.get("authorization", ""))
        if host is None:
            return super()._answer(request)
        writes = "git-receive-pack" in request.path
        kind = "git-push" if writes else "git-clone"
        # Pushing begins with a question for the refs, which changes nothing.
        if request.method == "POST" and self._gate(kind, host, "before"):
            return _GONE
        known = {**request.headers, "authorization": _basic("drill", password_of("drill"))}
        reply = super()._answer(Request(request.method, request.path, request.query, known, request.body))
        return _GONE if request.method == "POST" and self._gate(kind, host, "after") else reply


@dataclass(slots=True)
class DrillArgoCD(ArgoCD):
    """The Argo CD stand-in; a token for each host, and a note of every sync that began."""

    hosts: tuple[str, ...] = ()
    gate: Gate = lambda _kind, _host, _moment: False
    record: Record = field(default_factory=Record)

    def _answer(self, request: Request) -> Reply:
        given = request.headers.get("authorization", "")
        host = next((name for name in self.hosts if given == f"Bearer {password_of(name)}"), "")
        if not host:
            return super(DrillArgoCD, self)._answer(request)
        syncs = request.method == "POST" and request.path.endswith("/sync")
        if syncs and self.gate("argocd-update", host, "before"):
            return _GONE
        known = {**request.headers, "authorization": f"Bearer {self.token}"}
        reply = super(DrillArgoCD, self)._answer(
            Request(request.method, request.path, request.query, known, request.body)
        )
        if syncs and reply.status == 200:
            self.record.note("argocd-update", _promotion_of(request.json()))
            if self.gate("argocd-update", host, "after"):
                return _GONE
        return reply


class Receiver:
    """Takes requests with an ``Idempotency-Key`` and applies each key once."""

    def __init__(self, hosts: tuple[str, ...], gate: Gate, record: Record) -> None:
        self._hosts = {f"Bearer {password_of(host)}": host for host in hosts}
        self._gate = gate
        self._record = record
        self._keys: set[str] = set()
        self._lock = threading.Lock()
        self._server = LoopbackServer(self._answer)

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"{self._server.url}/deployments"

    def close(self) -> None:
        """Stop listening."""
        self._server.close()

    def _answer(self, request: Request) -> Reply:
        host = self._hosts.get(request.headers.get("authorization", ""))
        key = request.headers.get("idempotency-key", "")
        if host is None or not key or request.method != "POST":
            return Reply.of({"error": "wants a token, a key and POST"}, 400)
        if self._gate("http", host, "before"):
            return _GONE
        with self._lock:
            again = key in self._keys
            self._keys.add(key)
            self._record.note("http", str(request.json().get("promotion")), again=again)
        return _GONE if self._gate("http", host, "after") else Reply.of({"accepted": True, "again": again})


class DrillRepository(BareRepository):
    """What the count reads from the Git server's folder."""

    def subjects(self, branch: str) -> list[str]:
        """Return the first line of every commit of a branch, oldest first."""
        from freightway.cli.demo_pipeline.git_server import git

        return git(self.folder, "log", "--reverse", "--format=%s", branch, "--").splitlines()

    def check(self) -> str:
        """Return what is wrong with the repository's objects, empty if nothing is."""
        from freightway.cli.demo_pipeline.git_server import git
        from freightway.errors import FreightwayError

        try:
            git(self.folder, "fsck", "--connectivity-only", "--no-dangling")
        except FreightwayError as error:
            return str(error)
        return ""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _promotion_of(body: Any) -> str:
    return next((one["value"] for one in body.get("infos") or () if one.get("name") == _PROMOTION_INFO), "")
