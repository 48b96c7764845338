"""What git said, as a sentence: which host, what is wrong, whether trying again may help.

git tells nothing but 128 and prose (English, because the locale is fixed), so the prose is read here and
nowhere else. No sentence holds a secret or a path of this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from freightway.adapters.git_environment import Access
from freightway.adapters.processes import ProcessFailed, ProcessTimedOut
from freightway.errors import AdapterError

_MASK = "***"
_REJECTED = re.compile(
    r"non-fast-forward|fetch first|stale info|cannot lock ref|incorrect old value|failed to update ref",
    re.IGNORECASE,
)
_AUTHENTICATION = re.compile(
    r"authentication failed|could not read (?:username|password)|unable to read askpass|terminal prompts disabled"
    r"|returned error: 40[13]|permission denied \(|invalid credentials|access denied",
    re.IGNORECASE,
)
_NOT_FOUND = re.compile(
    r"repository .* not found|repository not found|returned error: 404|does not appear to be a git repository"
    r"|could not be found or you don't have permission|/info/refs not valid|not a git repository",
    re.IGNORECASE,
)
_HOST_KEY = re.compile(r"host key verification failed|no .* host key is known", re.IGNORECASE)
_CERTIFICATE = re.compile(r"certificate|ssl_error|self.signed", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"could not resolve|failed to connect|couldn't connect|connection (?:refused|reset|timed out|closed)|timed out"
    r"|network is unreachable|no route to host|temporary failure in name resolution",
    re.IGNORECASE,
)
_BROKEN = re.compile(
    r"early eof|unexpected disconnect|rpc failed|hung up unexpectedly|empty reply|operation too slow|less than .* bytes"
    r"|transfer closed|returned error: (?:429|5\d\d)|curl \d+|expected flush|invalid index-pack output|the remote end|handshake|ssl_connect|tls connect error",
    re.IGNORECASE,
)
_PROTOCOL = re.compile(r"transport '([^']*)' not allowed", re.IGNORECASE)
_STATUS = re.compile(r"returned error: (\d{3})")
_NO_REF = re.compile(r"couldn't find remote ref (\S+)|not our ref|no such remote ref", re.IGNORECASE)
_HOOK = re.compile(r"remote: (.+)")


class PushRejected(AdapterError):
    """The branch moved on the server between our look and our push."""


class RefMissing(AdapterError):
    """The server has no such branch, tag or commit."""


def scrub(text: str, secrets: Iterable[str] = (), paths: Iterable[str] = ()) -> str:
    """Return a text of git without secrets, machine paths and prefixes of severity."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    for path in sorted(filter(None, paths), key=len, reverse=True):
        text = text.replace(path + "/", "").replace(path, ".")
    text = re.sub(r"(\w+://)[^/@\s']+@", r"\1", text)
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    lines = [re.sub(r"^(fatal|error): ", "", line) for line in lines if not line.startswith("hint:")]
    return "; ".join(lines)[-800:]


def translate(
    error: ProcessFailed | ProcessTimedOut, verb: str, access: Access, paths: Iterable[str]
) -> AdapterError:
    """Return what a failed git command that talked to a repository means."""
    url, host = scrub(access.url.text, paths=()), access.url.host
    if isinstance(error, ProcessTimedOut):
        return AdapterError(f"git {verb} of {url} took too long and was ended", host=host, retryable=True)
    said = error.stderr + "\n" + error.stdout
    detail = scrub(error.stderr or error.stdout, access.secrets, paths)
    found = _STATUS.search(said)
    status = int(found.group(1)) if found else 0
    return _diagnose(said, detail, verb, url, access, status)


def _diagnose(said: str, detail: str, verb: str, url: str, access: Access, status: int) -> AdapterError:
    host = access.url.host
    if verb == "push" and _REJECTED.search(said):
        return PushRejected(f"{url} rejected the push: {detail}", host=host, retryable=True)
    if _NO_REF.search(said):
        return RefMissing(f"{url} has no such branch, tag or commit: {detail}", host=host)
    if match := _PROTOCOL.search(said):
        return AdapterError(f"git may not use the protocol {match.group(1)!r} asked for by {url}", host=host)
    if _HOST_KEY.search(said):
        return AdapterError(f"the SSH host key of {host} is not known: add it to the known hosts", host=host)
    if _AUTHENTICATION.search(said):
        why = "check the stored git credentials" if access.secrets else "no git credentials are stored for it"
        return AdapterError(f"{host} refused access to {url}: {why}", host=host, status=status or 401)
    if _NOT_FOUND.search(said):
        return AdapterError(
            f"repository {url} was not found, or may not be seen", host=host, status=status or 404
        )
    if _UNREACHABLE.search(said):
        return AdapterError(f"{host or url} cannot be reached: {detail}", host=host, retryable=True)
    if _CERTIFICATE.search(said):
        return AdapterError(f"the TLS certificate of {host} is not trusted: {detail}", host=host)
    if status == 429 or status >= 500 or _BROKEN.search(said):
        return AdapterError(
            f"{host or url} broke off or refused the {verb}: {detail}",
            host=host,
            status=status,
            retryable=True,
        )
    if verb == "push" and (hook := _HOOK.findall(said)):
        told = scrub("; ".join(hook), access.secrets)
        return AdapterError(f"{url} declined the push: {told}", host=host)
    return AdapterError(f"git {verb} of {url} failed: {detail or 'no output'}", host=host)
