"""Images for the demo: which registry serves them, and how one is pushed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from freightway.adapters.dev_server import answers, free_port
from freightway.adapters.http import Http
from freightway.errors import FreightwayError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
_START_SECONDS = 15.0
_STOP_SECONDS = 5.0


class DockerRegistry:
    """The program ``docker-registry`` of this machine, with its data below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    @staticmethod
    def is_installed() -> bool:
        """Whether the machine has it."""
        return shutil.which("docker-registry") is not None

    @property
    def host(self) -> str:
        """Address and port."""
        return f"127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            FreightwayError: if it does not come up.
        """
        config = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self._folder / "data")}},
            "http": {"addr": self.host},
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "config.yml"
        # JSON is YAML.
        file.write_text(json.dumps(config))
        with (self._folder / "registry.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                "docker-registry",
                "serve",
                str(file),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ.get("PATH", os.defpath), "OTEL_TRACES_EXPORTER": "none"},
                start_new_session=True,
            )
        for _ in range(int(_START_SECONDS / 0.05)):
            if self._process.returncode is not None or answers(f"http://{self.host}/v2/"):
                break
            await asyncio.sleep(0.05)
        if self._process.returncode is not None or not answers(f"http://{self.host}/v2/"):
            await self.stop()
            raise FreightwayError(f"docker-registry did not start; see {self._folder / 'registry.log'}")

    async def stop(self) -> None:
        """End it."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()


async def push_image(http: Http, host: str, repository: str, tag: str, *, created: str) -> str:
    """Push an image without layers, as a build would; returns its digest.

    Args:
        created: when it was built, RFC 3339.
    Raises:
        FreightwayError: if the registry refuses it.
    """
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Env": [f"VERSION={tag}"]},
        "rootfs": {"type": "layers", "diff_ids": []},
    }
    raw = json.dumps(config).encode()
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    base = f"http://{host}/v2/{repository}"
    begun = await http.request("POST", f"{base}/blobs/uploads/")
    location = begun.header("location")
    if begun.status != 202 or not location:
        raise FreightwayError(f"the registry took no upload: status {begun.status}")
    stored = await http.request(
        "PUT",
        location if "://" in location else f"http://{host}{location}",
        params={"digest": digest},
        headers={"Content-Type": "application/octet-stream"},
        content=raw,
    )
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(raw), "digest": digest},
        "layers": [],
    }
    tagged = await http.request(
        "PUT",
        f"{base}/manifests/{tag}",
        headers={"Content-Type": MANIFEST},
        content=json.dumps(manifest).encode(),
    )
    if stored.status != 201 or tagged.status != 201:
        raise FreightwayError(f"the registry did not take {repository}:{tag}: {tagged.text[:200]}")
    return tagged.header("docker-content-digest")
