"""One bare mirror per repository and host: fetched incrementally, read by everybody, written under a lock.

Workspaces borrow its objects (``objects/info/alternates``), so an object that came in never goes again: git's
own collection is off, and packs are only ever joined with everything kept (``repack -a -d -k``). Workspaces
never write into it. Whoever reads the mirror first asks the server with their own credentials what it has
(:meth:`Mirror.look`), so that a mirror shows nobody what the server would not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from freightway.adapters.git import Git, GitHost
from freightway.adapters.git_errors import RefMissing
from freightway.errors import AdapterError

_MOST_PACKS = 60
"""More packs than this are joined, or every look-up of an object would slow down."""

_FEW_REFS = 100
_REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


@dataclass(frozen=True, slots=True)
class Refs:
    """The branches and tags of a repository at one moment.

    Attributes:
        default: name of the branch that HEAD stands for, empty if the server does not tell.
        branches: commit id by branch name.
        tags: object id by tag name (the tag object's id for an annotated tag).
        peeled: commit id by name of an annotated tag.
        head: commit id of HEAD, empty for an empty repository.
    """

    default: str = ""
    head: str = ""
    branches: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    peeled: Mapping[str, str] = field(default_factory=dict)

    def by_name(self) -> dict[str, str]:
        """Return object ids by full name."""
        heads = {f"refs/heads/{name}": commit for name, commit in self.branches.items()}
        return heads | {f"refs/tags/{name}": object_id for name, object_id in self.tags.items()}

    def tag_commit(self, name: str) -> str:
        """Return the commit a tag stands for, empty if there is no such tag."""
        return self.peeled.get(name) or self.tags.get(name, "")


class Mirror:
    """The mirror of one repository."""

    def __init__(self, host: GitHost, url: str, *, blobless: bool = False) -> None:
        self._host = host
        self._name = f"mirror {url} {'blobless' if blobless else ''}"
        self._blobless = blobless
        key = sha256(url.encode()).hexdigest() + ("-blobless" if blobless else "")
        self.path = host.mirrors / f"{key}.git"

    async def look(self, git: Git) -> Refs:
        """Ask the server for its branches and tags; transfers nothing else.

        Raises:
            AdapterError: if the server cannot be asked or refuses.
        """
        url = git.access.url.text
        done = await git.remote("ls-remote", "--symref", "--", url, "HEAD", "refs/heads/*", "refs/tags/*")
        return _parse_refs(done.text)

    async def update(self, git: Git, seen: Refs | None = None) -> Refs:
        """Bring the mirror up to date and return the branches and tags it holds.

        Args:
            seen: what :meth:`look` just gave, to spare another look.
        Raises:
            AdapterError: if the server cannot be asked or the transfer fails.
        """
        seen = seen or await self.look(git)
        if self.path.is_dir():
            held = await self._held(git, seen)
            if _same(held, seen):
                return held
        async with self._host.lock(self._name) as descriptor:
            writer = git.holding(descriptor)
            await self._create(writer)
            held = await self._held(writer, seen)
            if not _same(held, seen):
                await self._follow(writer, held, seen)
                held = await self._held(writer, seen)
        return held

    async def ensure(self, git: Git, commit: str) -> bool:
        """Fetch a commit by its full id if the mirror lacks it; False if the server does not give it."""
        if await self.has(git, commit):
            return True
        async with self._host.lock(self._name) as descriptor:
            writer = git.holding(descriptor)
            try:
                # The ref keeps the commit findable for later fetches; branches and tags stay the server's.
                await self._fetch(writer, f"+{commit}:refs/kept/{commit}", prune=False)
            except AdapterError as error:
                if error.retryable or error.status:
                    raise
                return False
        return await self.has(git, commit)

    async def has(self, git: Git, commit: str) -> bool:
        """Whether the mirror holds a commit."""
        env = self._local()
        done = await git.run("cat-file", "-e", f"{commit}^{{commit}}", cwd=self.path, env=env, check=False)
        return done.returncode == 0

    async def resolve(self, git: Git, commit: str) -> str:
        """Return the full id of a commit named by a full or short id, empty if the mirror does not know it."""
        env = self._local()
        done = await git.run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}",
            cwd=self.path, env=env, check=False,
        )  # fmt: skip
        return done.text.strip() if done.returncode == 0 else ""

    async def read(self, git: Git, *args: str, stdin: str | None = None) -> str:
        """Run a reading command in the mirror; blobs that a blobless mirror lacks are not fetched."""
        return (await git.run(*args, cwd=self.path, env=self._local(), stdin=stdin)).text

    def _local(self) -> dict[str, str]:
        return {"GIT_DIR": str(self.path), "GIT_NO_LAZY_FETCH": "1"}

    async def _held(self, git: Git, seen: Refs) -> Refs:
        text = await self.read(
            git, "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/tags/"
        )
        branches: dict[str, str] = {}
        tags: dict[str, str] = {}
        for line in text.splitlines():
            object_id, _, name = line.partition(" ")
            if name.startswith("refs/heads/"):
                branches[name[11:]] = object_id
            else:
                tags[name[10:]] = object_id
        # What a tag stands for was told by the server; git would have to read each tag to tell it again.
        peeled = {tag: commit for tag, commit in seen.peeled.items() if tags.get(tag) == seen.tags.get(tag)}
        for tag in [tag for tag, object_id in tags.items() if seen.tags.get(tag) != object_id]:
            commit = await self.resolve(git, f"refs/tags/{tag}")
            peeled |= {tag: commit} if commit else {}
        return Refs(seen.default, branches.get(seen.default, seen.head), branches, tags, peeled)

    async def _follow(self, git: Git, held: Refs, seen: Refs) -> None:
        """Fetch what changed; by name if it is little, since git looks at each ref that a pattern covers."""
        old, new = held.by_name(), seen.by_name()
        gone = [name for name in old if name not in new]
        changed = [name for name, object_id in new.items() if old.get(name) != object_id]
        if len(gone) + len(changed) <= _FEW_REFS:
            if gone:
                await self.read(
                    git, "update-ref", "--stdin", stdin="".join(f"delete {name}\n" for name in gone)
                )
            try:
                if changed:
                    await self._fetch(git, *(f"+{name}:{name}" for name in changed), prune=False)
                return
            except RefMissing:
                pass  # Deleted since we looked.
        await self._fetch(git, *_REFSPECS, prune=True)
        await self.read(git, "pack-refs", "--all")

    async def _create(self, git: Git) -> None:
        if self.path.is_dir():
            self._remove_leftovers()
            return
        fresh = self.path.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A clone writes all refs as one file, where a fetch makes a file of each.
        options = [
            "--quiet",
            "--bare",
            "--no-local",
            "--template=",
            *(["--filter=blob:none"] if self._blobless else []),
        ]
        await git.remote("clone", *options, "--", git.access.url.text, str(fresh))
        fresh.rename(self.path)

    def _remove_leftovers(self) -> None:
        """Remove what a killed git left behind; nobody can be writing, for writers hold the lock with us."""
        for folder, _, names in os.walk(self.path):
            for name in names:
                if name.endswith(".lock") or name.startswith("tmp_"):
                    Path(folder, name).unlink(missing_ok=True)

    async def _fetch(self, git: Git, *refspecs: str, prune: bool) -> None:
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"]
        options += ["--prune"] if prune else []
        options += ["--filter=blob:none"] if self._blobless else []
        await git.remote("fetch", *options, "origin", *refspecs, env={"GIT_DIR": str(self.path)})
        packs = self.path / "objects/pack"
        if not self._blobless and len(list(packs.glob("*.pack"))) > _MOST_PACKS:
            await self.read(git, "repack", "-a", "-d", "-k", "--quiet")
            await self.read(git, "pack-refs", "--all")


def remote_section(config: Mapping[str, str]) -> str:
    """Return the section of the remote ``origin`` for a repository's configuration file."""
    lines = ['[remote "origin"]']
    for key, value in config.items():
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'\t{key} = "{quoted}"')
    return "\n".join(lines) + "\n"


def _same(held: Refs, seen: Refs) -> bool:
    return held.branches == seen.branches and held.tags == seen.tags


def _parse_refs(text: str) -> Refs:
    default, head = "", ""
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    peeled: dict[str, str] = {}
    for line in text.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: refs/heads/") and name == "HEAD":
            default = value[16:]
        elif name == "HEAD":
            head = value
        elif name.startswith("refs/heads/"):
            branches[name[11:]] = value
        elif name.startswith("refs/tags/") and name.endswith("^{}"):
            peeled[name[10:-3]] = value
        elif name.startswith("refs/tags/"):
            tags[name[10:]] = value
    return Refs(default, head, branches, tags, peeled)
