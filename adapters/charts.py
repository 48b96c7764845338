"""Helm chart repositories: the versions in a classic ``index.yaml``, and the tags of a chart in a registry."""

from __future__ import annotations

import asyncio
import base64
import re
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
_MOST_KNOWN = 1_000
# The C parser reads a big index some ten times faster; every scalar stays the text it was written as.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_ENTRIES = re.compile(rb"^entries:[ \t]*\r?$", re.MULTILINE)
_INDENTED = re.compile(rb"^( +)[^\s#]", re.MULTILINE)


@dataclass(slots=True)
class Charts:
    """Reads chart repositories; an index that did not change is not fetched again (``ETag``)."""

    http: Http
    oci: Oci
    _known: OrderedDict[str, tuple[str, list[str]]] = field(default_factory=OrderedDict, repr=False)

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
        headers = {"Authorization": _basic(credentials)} if credentials else {}
        # Who asks is part of the key: an answer to one project's credentials is not for another.
        key = f"{repo_url} {name} {headers.get('Authorization', '')}"
        etag, known = self._known.get(key, ("", []))
        if etag:
            headers["If-None-Match"] = etag
        answer = await self.http.request(
            "GET",
            f"{repo_url.rstrip('/')}/index.yaml",
            headers=headers,
            verify=verify,
            max_bytes=MOST_INDEX_BYTES,
            timeout=INDEX_SECONDS,
            follow_redirects=True,
        )
        if etag and answer.status == 304:
            return known
        if not answer.ok:
            raise answer.error(f"reading {repo_url}", _hint(answer.status, credentials))
        # In a thread: a big index takes its time, and the worker has other work.
        versions = await asyncio.to_thread(read_versions, answer.body, name)
        if versions is None:
            raise AdapterError(f"chart {name!r} is not in the index of {repo_url}", status=404)
        if new := answer.header("etag"):
            self._known[key] = (new, versions)
            self._known.move_to_end(key)
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return versions


def _hint(status: int, credentials: Credentials | None) -> str:
    if status not in (401, 403):
        return ""
    if credentials is None:
        return "there are no credentials for it"
    return f"the credentials of Secret {credentials.source!r} were refused"


def read_versions(index: bytes, name: str) -> list[str] | None:
    """Return the versions of one chart in an ``index.yaml``, None if the chart is not there.

    Only the lines of that chart are parsed where they can be told apart: an index holds thousands of others.

    Raises:
        AdapterError: if it is not an index of charts.
    """
    part = _lines_of(index, name)
    if part is not None:
        try:
            # _Loader is PyYAML's base loader: it builds only text, lists and maps.
            return _versions(yaml.load(part, _Loader)[name])  # noqa: S506
        except (yaml.YAMLError, KeyError, TypeError):
            pass  # an alias, or a layout of its own: the whole has to be read
    try:
        content = yaml.load(index, _Loader)  # noqa: S506
    except yaml.YAMLError as error:
        raise AdapterError("the index of the chart repository is not valid YAML") from error
    entries = content.get("entries") if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise AdapterError("the chart repository has no index of charts: its index.yaml has no entries")
    return _versions(entries[name]) if isinstance(entries.get(name), list) else None


def _versions(entries: Any) -> list[str]:
    if not isinstance(entries, list):
        raise TypeError
    versions = (entry.get("version") for entry in entries if isinstance(entry, dict))
    return [version for version in versions if isinstance(version, str)]


def _lines_of(index: bytes, name: str) -> bytes | None:
    """The key of a chart below ``entries`` and what belongs to it, None if it is not laid out line by line."""
    start = _ENTRIES.search(index)
    first = _INDENTED.search(index, start.end()) if start else None
    if first is None:
        return None
    indent, key = first.group(1), re.escape(name.encode())
    quoted = b"|".join((key, b'"' + key + b'"', b"'" + key + b"'"))
    head = re.compile(rb"^" + indent + rb"(?:" + quoted + rb"):[ \t]*\r?$", re.MULTILINE)
    found = head.search(index, first.start())
    if found is None:
        return None
    # The list may stand at the indent of its key, so that only another key, or less indent, ends it.
    ending = re.compile(rb"^(?: {0,%d}[^\s#-]|---|\.\.\.)" % len(indent), re.MULTILINE)
    end = ending.search(index, found.end())
    return index[found.start() : end.start() if end else len(index)]


def _basic(credentials: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
