"""Helm chart repositories: the versions in a classic ``index.yaml``, and the tags of a chart in a registry."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import yaml

from freightway.adapters.credentials import Credentials
from freightway.adapters.http import Http
from freightway.adapters.oci import Oci
from freightway.errors import AdapterError

MOST_INDEX_BYTES = 128 * 1024 * 1024
INDEX_SECONDS = 120.0
_MOST_INDEXES = 32
# The C parser reads a big index some ten times faster; every scalar stays the text it was written as.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(slots=True)
class Charts:
    """Reads chart repositories; an index that did not change is not fetched again (``ETag``)."""

    http: Http
    oci: Oci
    _indexes: OrderedDict[str, tuple[str, dict[str, list[str]]]] = field(
        default_factory=OrderedDict, repr=False
    )

    async def versions(
        self, repo_url: str, name: str, credentials: Credentials | None = None, *, verify: bool = True
    ) -> list[str]:
        """Return a chart's versions as they are written: of an index, or the tags of ``oci://…``.

        Raises:
            AdapterError: if the repository cannot be read, or does not know the chart.
            FreightwayError: if the URL is not the name of a repository.
        """
        if repo_url.startswith("oci://"):
            return await self.oci.repository(repo_url, credentials, verify=verify).tags()
        entries = await self._index(repo_url, credentials, verify=verify)
        if name not in entries:
            raise AdapterError(f"chart {name!r} is not in the index of {repo_url}", status=404)
        return entries[name]

    async def _index(
        self, repo_url: str, credentials: Credentials | None, *, verify: bool
    ) -> dict[str, list[str]]:
        url = f"{repo_url.rstrip('/')}/index.yaml"
        headers = {"Authorization": _basic(credentials)} if credentials else {}
        # Who asks is part of the key: an answer to one project's credentials is not for another.
        key = f"{url} {headers.get('Authorization', '')}"
        etag, known = self._indexes.get(key, ("", {}))
        if etag:
            headers["If-None-Match"] = etag
        answer = await self.http.request(
            "GET",
            url,
            headers=headers,
            verify=verify,
            max_bytes=MOST_INDEX_BYTES,
            timeout=INDEX_SECONDS,
            follow_redirects=True,
        )
        if etag and answer.status == 304:
            return known
        if not answer.ok:
            hint = ""
            if answer.status in (401, 403):
                source = (
                    f"the credentials of Secret {credentials.source!r} were refused" if credentials else ""
                )
                hint = source or "there are no credentials for it"
            raise answer.error(f"reading {repo_url}", hint)
        # In a thread: a big index takes seconds to parse, and the worker has other work.
        entries = await asyncio.to_thread(_parse, answer.body, repo_url)
        if new := answer.header("etag"):
            self._indexes[key] = (new, entries)
            self._indexes.move_to_end(key)
            while len(self._indexes) > _MOST_INDEXES:
                self._indexes.popitem(last=False)
        return entries


def _parse(body: bytes, repo_url: str) -> dict[str, list[str]]:
    try:
        # _Loader is PyYAML's base loader: it builds only text, lists and maps.
        content = yaml.load(body, _Loader)  # noqa: S506
    except yaml.YAMLError as error:
        raise AdapterError(f"the index of {repo_url} is not valid YAML") from error
    entries = content.get("entries") if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise AdapterError(f"{repo_url} has no index of charts: its index.yaml has no entries")
    return {
        str(name): [
            version["version"]
            for version in versions or []
            if isinstance(version, dict) and isinstance(version.get("version"), str)
        ]
        for name, versions in entries.items()
        if isinstance(versions, list)
    }


def _basic(credentials: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
