"""URLs read and written as Go's ``net/url`` does, which decides what a repository URL is equal to.

Text is handled as UTF-8 bytes, one character per byte, because escapes stand for bytes.
"""

from __future__ import annotations

import ipaddress
import string
from dataclasses import dataclass, replace

_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")
_PATH = _UNRESERVED | set("$&+,/:;=@")
_HOST = _UNRESERVED | set("!\"$&'()*+,:;<=>[]")
_USER = _UNRESERVED | set("$&+,;=")
_FRAGMENT = _UNRESERVED | set("!$&()*+,/:;=?@")
_USER_RAW = _UNRESERVED | set(":!$&'()*+,;=%@")
_ALREADY_ENCODED = set("!$&'()*+,;=:@[]%")
_SCHEME_TAIL = frozenset(string.ascii_letters + string.digits + "+-.")
_HEX = frozenset(string.hexdigits)


@dataclass(frozen=True)
class URL:
    """The parts of a URL; ``raw_path`` and ``raw_fragment`` keep an unusual but valid escaping."""

    scheme: str = ""
    opaque: str = ""
    user: tuple[str, str | None] | None = None
    host: str = ""
    path: str = ""
    raw_path: str = ""
    force_query: bool = False
    raw_query: str = ""
    fragment: str = ""
    raw_fragment: str = ""
    omit_host: bool = False

    def without_user(self) -> URL:
        """Return the URL with user name and password left out."""
        return replace(self, user=None)

    def with_path(self, path: str) -> URL:
        """Return the URL with another unescaped path."""
        return replace(self, path=path)

    def has_parameters(self) -> bool:
        """Return whether the query holds at least one readable parameter."""
        for pair in self.raw_query.split("&"):
            key, _, value = pair.partition("=")
            if pair and ";" not in pair and _is_escaped_well(key) and _is_escaped_well(value):
                return True
        return False

    def __str__(self) -> str:
        text = f"{self.scheme}:" if self.scheme else ""
        text += self.opaque or self._hierarchy(bool(text))
        if self.force_query or self.raw_query:
            text += f"?{self.raw_query}"
        if self.fragment:
            text += "#" + _escape_as(self.fragment, self.raw_fragment, _FRAGMENT)
        return text.encode("latin-1").decode("utf-8", "replace")

    def _hierarchy(self, after_scheme: bool) -> str:
        path = self.path if self.path == "*" else _escape_as(self.path, self.raw_path, _PATH)
        text = self._authority()
        if path and not path.startswith("/") and self.host:
            text += "/"
        if not text and not after_scheme and ":" in path.partition("/")[0]:
            text = "./"
        return text + path

    def _authority(self) -> str:
        if not (self.scheme or self.host or self.user) or (
            self.omit_host and not self.host and self.user is None
        ):
            return ""
        text = "//" if self.host or self.path or self.user else ""
        if self.user is not None:
            name, password = self.user
            text += _escape(name, _USER)
            text += "@" if password is None else f":{_escape(password, _USER)}@"
        return text + _escape(self.host, _HOST)


def parse_url(text: str) -> URL:
    """Return the parts of a URL.

    Raises:
        ValueError: if the URL does not parse.
    Source: Go net/url Parse (Go 1.26).
    """
    raw = text.encode("utf-8", "replace").decode("latin-1")
    body, _, fragment = raw.partition("#")
    url = _parse(body)
    if not fragment:
        return url
    plain = _unescape(fragment)
    kept = "" if _escape(plain, _FRAGMENT) == fragment else fragment
    return replace(url, fragment=plain, raw_fragment=kept)


def _parse(raw: str) -> URL:
    if any(char < " " or char == "\x7f" for char in raw):
        raise ValueError("control character in URL")
    if raw == "*":
        return URL(path="*")
    scheme, rest = _split_scheme(raw)
    force_query = rest.endswith("?") and rest.count("?") == 1
    rest, _, raw_query = rest.partition("?")
    url = URL(scheme=scheme, force_query=force_query, raw_query=raw_query)
    if not rest.startswith("/"):
        if scheme:
            return replace(url, opaque=rest)
        if ":" in rest.partition("/")[0]:
            raise ValueError("first path segment in URL cannot contain colon")
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, rest = rest[2:].partition("/")
        rest = slash + rest
        user, host = _parse_authority(scheme, authority)
        url = replace(url, user=user, host=host)
    elif scheme and rest.startswith("/"):
        url = replace(url, omit_host=True)
    path = _unescape(rest)
    return replace(url, path=path, raw_path="" if _escape(path, _PATH) == rest else rest)


def _split_scheme(raw: str) -> tuple[str, str]:
    for index, char in enumerate(raw):
        if char == ":":
            if index == 0:
                raise ValueError("missing protocol scheme")
            return raw[:index].lower(), raw[index + 1 :]
        if char not in _SCHEME_TAIL or (index == 0 and char not in string.ascii_letters):
            break
    return "", raw


def _parse_authority(scheme: str, authority: str) -> tuple[tuple[str, str | None] | None, str]:
    info, at, host = authority.rpartition("@")
    host = _parse_host(scheme, host)
    if not at:
        return None, host
    if not set(info) <= _USER_RAW:
        raise ValueError("invalid userinfo")
    name, colon, password = info.partition(":")
    return (_unescape(name), _unescape(password) if colon else None), host


def _parse_host(scheme: str, host: str) -> str:
    bracket = host.rfind("[")
    if bracket > 0:
        raise ValueError("invalid IP-literal")
    if bracket == 0:
        return _parse_ip_literal(host)
    first, last = host.find(":"), host.rfind(":")
    if first >= 0:
        # Go is strict about several colons only for http and https.
        _check_port(host[first if scheme in {"http", "https"} else last :])
    return _unescape_host(host)


def _parse_ip_literal(host: str) -> str:
    inside, closed, port = host[1:].rpartition("]")
    if not closed:
        raise ValueError("missing ']' in host")
    _check_port(port)
    address, zone_mark, zone = inside.partition("%25")
    plain = _unescape_host(address)
    # RFC 6874: the zone after %25 may be escaped freely, as long as it holds bytes a host may hold.
    zone = _unescape(zone) if zone_mark else ""
    if zone_mark and (not zone or not set(zone) <= _HOST | {" ", "%"}):
        raise ValueError("invalid zone in host")
    bare, percent, _ = plain.partition("%")
    if percent or not _is_ipv6(bare):
        raise ValueError("invalid IP-literal")
    return f"[{plain}%{zone}]{port}" if zone_mark else f"[{plain}]{port}"


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _check_port(text: str) -> None:
    if text and (text[0] != ":" or not set(text[1:]) <= set(string.digits)):
        raise ValueError(f"invalid port {text!r} after host")


def _unescape_host(text: str) -> str:
    for index, char in enumerate(text):
        # In a host only bytes beyond ASCII, and the percent sign itself, may be escaped.
        if (
            char == "%"
            and text[index + 1 : index + 2] in set("01234567")
            and text[index : index + 3] != "%25"
        ):
            raise ValueError("invalid escape in host")
        if char != "%" and char < "\x80" and char not in _HOST:
            raise ValueError(f"invalid character {char!r} in host name")
    return _unescape(text)


def _is_escaped_well(text: str) -> bool:
    pieces = text.split("%")[1:]
    return all(len(piece) >= 2 and piece[0] in _HEX and piece[1] in _HEX for piece in pieces)


def _unescape(text: str) -> str:
    if not _is_escaped_well(text):
        raise ValueError("invalid URL escape")
    first, *pieces = text.split("%")
    return first + "".join(chr(int(piece[:2], 16)) + piece[2:] for piece in pieces)


def _escape(text: str, allowed: frozenset[str]) -> str:
    return "".join(char if char in allowed else f"%{ord(char):02X}" for char in text)


def _escape_as(plain: str, raw: str, allowed: frozenset[str]) -> str:
    """Keep an escaping that still stands for the same text, else escape anew."""
    valid = raw and set(raw) <= allowed | _ALREADY_ENCODED
    if valid and _is_escaped_well(raw) and _unescape(raw) == plain:
        return raw
    return _escape(plain, allowed)
