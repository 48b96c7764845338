"""GitHub Apps: short-lived tokens for one repository, minted with the app's private key and kept until they age.

Source: Kargo pkg/credentials/github; differs: a new token is not probed before it is used.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from freightway.adapters.http import Http
from freightway.adapters.secret_files import Manifest
from freightway.errors import AdapterError, FreightwayError

SCOPES_ANNOTATION = "kargo.akuity.io/github-token-scopes"
"""JSON object: project -> names of the repositories that its tokens may reach."""

_MARGIN_SECONDS = 300.0
_DEFAULT_LIFE_SECONDS = 40 * 60.0


@dataclass(slots=True)
class GitHubApps:
    """Mints installation tokens and keeps them until five minutes before they expire."""

    http: Http
    _tokens: dict[tuple[str, str, str, str], tuple[str, float]] = field(default_factory=dict, repr=False)

    async def token(self, project: str, repo_url: str, secret: Manifest) -> str | None:
        """Return a token for one repository, None if the app's scopes leave this project or repository out.

        Raises:
            FreightwayError: if the Secret is incomplete or its key is not an RSA key.
            AdapterError: if GitHub gave no token.
        """
        parts = urlsplit(repo_url)
        path = parts.path.strip("/").removesuffix(".git").split("/")
        app = secret.data.get("githubAppClientID") or secret.data.get("githubAppID", "")
        installation = secret.data.get("githubAppInstallationID", "")
        if not app or not installation.isdigit():
            raise FreightwayError(
                f"Secret {secret.name!r} needs githubAppClientID (or githubAppID) and a numeric "
                "githubAppInstallationID"
            )
        if parts.scheme not in ("http", "https") or len(path) < 2:
            return None
        repository = path[-1]
        if not _in_scope(secret, project, repository):
            return None
        base = _api(parts.scheme, parts.netloc.rpartition("@")[2])
        key = (base, app, installation, repository)
        known = self._tokens.get(key)
        if known and known[1] > time.time():
            return known[0]
        token, until = await self._mint(base, app, installation, repository, secret)
        self._tokens[key] = (token, until)
        return token

    async def _mint(
        self, base: str, app: str, installation: str, repository: str, secret: Manifest
    ) -> tuple[str, float]:
        response = await self.http.request(
            "POST",
            f"{base}/app/installations/{installation}/access_tokens",
            headers={
                "Authorization": f"Bearer {_sign(app, secret)}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
            },
            content=json.dumps({"repositories": [repository]}),
        )
        if not response.ok:
            raise response.error(f"minting a token of the GitHub App in Secret {secret.name!r}")
        answer: dict[str, Any] = response.json()
        token = answer.get("token")
        if not isinstance(token, str) or not token:
            raise AdapterError(f"the GitHub App in Secret {secret.name!r} was given no token")
        return token, _until(answer.get("expires_at"))


def _until(expires_at: object) -> float:
    if isinstance(expires_at, str):
        try:
            return datetime.fromisoformat(expires_at).timestamp() - _MARGIN_SECONDS
        except ValueError:
            pass
    return time.time() + _DEFAULT_LIFE_SECONDS


def _api(scheme: str, host: str) -> str:
    return "https://api.github.com" if host.lower() == "github.com" else f"{scheme}://{host}/api/v3"


def _in_scope(secret: Manifest, project: str, repository: str) -> bool:
    text = secret.annotations.get(SCOPES_ANNOTATION)
    if text is None:
        return True
    try:
        scopes = json.loads(text)
        return repository in (scopes.get(project) or ())
    except (ValueError, AttributeError, TypeError) as error:
        raise FreightwayError(
            f"annotation {SCOPES_ANNOTATION} of Secret {secret.name!r} is not a JSON object of project -> "
            "list of repositories"
        ) from error


def _sign(app: str, secret: Manifest) -> str:
    """A JSON web token (RS256) that says: I am this app, for the next nine minutes."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    pem = secret.data["githubAppPrivateKey"].strip()
    try:
        raw = pem.encode() if pem.startswith("-----") else base64.b64decode(pem, validate=True)
        key = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError) as error:
        raise FreightwayError(
            f"githubAppPrivateKey of Secret {secret.name!r} is not a private key in PEM form"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise FreightwayError(f"githubAppPrivateKey of Secret {secret.name!r} is not an RSA key")
    now = int(time.time())
    claims = {"iat": now - 60, "exp": now + 540, "iss": app}
    signed = ".".join(_encode(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_encode(signature)}"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
