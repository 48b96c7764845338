"""An OCI registry in memory that follows the distribution specification: push, pull, list of tags in pages.

It stands in where the machine has no ``docker-registry``. Source: OCI Distribution Specification 1.1, sections Pull,
Push and Content Discovery; differs: no referrers, and nothing is kept when it stops.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import uuid
from dataclasses import dataclass, field
from urllib.parse import quote

from freightway.cli.demo_pipeline.loopback import LoopbackServer, Reply, Request

_NAME = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ROUTES = (
    ("tags", re.compile(rf"/v2/({_NAME})/tags/list")),
    ("manifest", re.compile(rf"/v2/({_NAME})/manifests/([^/]+)")),
    ("upload", re.compile(rf"/v2/({_NAME})/blobs/uploads/([^/]*)")),
    ("blob", re.compile(rf"/v2/({_NAME})/blobs/([^/]+)")),
)
MOST_MANIFEST_BYTES = 4 * 1024 * 1024
"""The specification asks registries to take at least this much."""
PAGE = 1000
"""Most tags in one answer."""


@dataclass(slots=True)
class _Repository:
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)


class OwnRegistry:
    """A registry that anybody on this machine may read and write."""

    def __init__(self) -> None:
        self._repositories: dict[str, _Repository] = {}
        self._lock = threading.Lock()
        self._server = LoopbackServer(self.answer)

    @property
    def host(self) -> str:
        """Address and port."""
        return self._server.host

    def close(self) -> None:
        """Stop listening; what was pushed is gone."""
        self._server.close()

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        if request.path in ("/v2", "/v2/"):
            return Reply(200, b"{}", {"Docker-Distribution-Api-Version": "registry/2.0"})
        for route, pattern in _ROUTES:
            found = pattern.fullmatch(request.path)
            if found:
                with self._lock:
                    reply: Reply = getattr(self, f"_{route}")(request, *found.groups())
                return reply
        return _error(404, "NAME_INVALID", "no such address")

    def _tags(self, request: Request, name: str) -> Reply:
        if request.method != "GET":
            return _unsupported()
        repository = self._repositories.get(name)
        if repository is None:
            return _error(404, "NAME_UNKNOWN", f"repository {name} is not known")
        given, last = request.parameters.get("n", str(PAGE)), request.parameters.get("last", "")
        if not given.isdecimal():
            return _error(400, "PAGINATION_NUMBER_INVALID", "n must be a number")
        tags = [tag for tag in sorted(repository.tags) if tag > last]
        page = tags[: min(int(given), PAGE)]
        reply = Reply.of({"name": name, "tags": page})
        if page and len(page) < len(tags):
            following = f"/v2/{name}/tags/list?n={given}&last={quote(page[-1], safe='')}"
            return Reply(200, reply.body, {**reply.headers, "Link": f'<{following}>; rel="next"'})
        return reply

    # -- manifests -------------------------------------------------------------------------------------------------

    def _manifest(self, request: Request, name: str, reference: str) -> Reply:
        if not (_TAG.fullmatch(reference) or _DIGEST.fullmatch(reference)):
            return _error(404, "MANIFEST_INVALID", f"{reference} is neither a tag nor a digest")
        if request.method == "PUT":
            return self._put_manifest(request, name, reference)
        repository = self._repositories.get(name, _Repository())
        digest = repository.tags.get(reference, reference)
        if digest not in repository.manifests:
            return _error(404, "MANIFEST_UNKNOWN", f"{reference} is not known to {name}")
        if request.method in ("GET", "HEAD"):
            kind, body = repository.manifests[digest]
            headers = {
                "Content-Type": kind,
                "Docker-Content-Digest": digest,
                "Content-Length": str(len(body)),
            }
            return Reply(200, body, headers)
        if request.method == "DELETE":
            return _delete_manifest(repository, reference, digest)
        return _unsupported()

    def _put_manifest(self, request: Request, name: str, reference: str) -> Reply:
        if len(request.body) > MOST_MANIFEST_BYTES:
            return _error(413, "SIZE_INVALID", "the manifest is too large")
        digest = _digest(request.body)
        if reference.startswith("sha256:") and reference != digest:
            return _error(400, "DIGEST_INVALID", "the digest is not that of the manifest")
        try:
            content = json.loads(request.body)
            children = [entry["digest"] for entry in content.get("manifests") or ()]
            blobs = [entry["digest"] for entry in content.get("layers") or ()]
            blobs += [content["config"]["digest"]] if "config" in content else []
        except (ValueError, TypeError, KeyError, AttributeError):
            return _error(400, "MANIFEST_INVALID", "the manifest is not one")
        repository = self._repositories.setdefault(name, _Repository())
        missing = [one for one in blobs if one not in repository.blobs]
        missing += [one for one in children if one not in repository.manifests]
        if missing:
            return _error(404, "MANIFEST_BLOB_UNKNOWN", f"not pushed yet: {', '.join(missing)}")
        kind = request.headers.get("content-type") or content.get("mediaType") or "application/octet-stream"
        repository.manifests[digest] = (kind, request.body)
        if not reference.startswith("sha256:"):
            repository.tags[reference] = digest
        headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": digest}
        return Reply(201, b"", headers)

    # -- blobs -----------------------------------------------------------------------------------------------------

    def _blob(self, request: Request, name: str, digest: str) -> Reply:
        repository = self._repositories.get(name, _Repository())
        if digest not in repository.blobs:
            return _error(404, "BLOB_UNKNOWN", f"{digest} is not known to {name}")
        if request.method == "DELETE":
            del repository.blobs[digest]
            return Reply(202)
        if request.method not in ("GET", "HEAD"):
            return _unsupported()
        body = repository.blobs[digest]
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "Content-Length": str(len(body)),
        }
        return Reply(200, body, headers)

    def _upload(self, request: Request, name: str, session: str) -> Reply:
        if request.method == "POST" and not session:
            return self._begin_upload(request, name)
        repository = self._repositories.get(name, _Repository())
        so_far = repository.uploads.get(session)
        if so_far is None:
            return _error(404, "BLOB_UPLOAD_UNKNOWN", "the upload is not known")
        if request.method == "DELETE":
            del repository.uploads[session]
            return Reply(204)
        if request.method == "GET":
            return _upload_state(204, name, session, len(so_far))
        if request.method not in ("PATCH", "PUT"):
            return _unsupported()
        start = request.headers.get("content-range", "").partition("-")[0]
        if start and start != str(len(so_far)):
            return _upload_state(416, name, session, len(so_far))
        so_far += request.body
        if request.method == "PATCH":
            return _upload_state(202, name, session, len(so_far))
        del repository.uploads[session]
        return self._store(name, bytes(so_far), request.parameters.get("digest", ""))

    def _begin_upload(self, request: Request, name: str) -> Reply:
        repository = self._repositories.setdefault(name, _Repository())
        asked = request.parameters
        if "digest" in asked:
            return self._store(name, request.body, asked["digest"])
        source = self._repositories.get(asked.get("from", ""))
        mounted = source.blobs.get(asked.get("mount", "")) if source else None
        if mounted is not None:
            return self._store(name, mounted, asked["mount"])
        session = uuid.uuid4().hex
        repository.uploads[session] = bytearray()
        return _upload_state(202, name, session, 0)

    def _store(self, name: str, content: bytes, digest: str) -> Reply:
        if digest != _digest(content):
            return _error(400, "DIGEST_INVALID", "the digest is not that of the content")
        self._repositories.setdefault(name, _Repository()).blobs[digest] = content
        headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
        return Reply(201, b"", headers)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _delete_manifest(repository: _Repository, reference: str, digest: str) -> Reply:
    if reference in repository.tags:
        del repository.tags[reference]
        return Reply(202)
    del repository.manifests[digest]
    repository.tags = {tag: target for tag, target in repository.tags.items() if target != digest}
    return Reply(202)


def _upload_state(status: int, name: str, session: str, length: int) -> Reply:
    headers = {"Location": f"/v2/{name}/blobs/uploads/{session}", "Range": f"0-{max(length - 1, 0)}"}
    return Reply(status, b"", headers)


def _unsupported() -> Reply:
    return _error(405, "UNSUPPORTED", "the operation is not supported")


def _error(status: int, code: str, message: str) -> Reply:
    return Reply.of({"errors": [{"code": code, "message": message}]}, status)
