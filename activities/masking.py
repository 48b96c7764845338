"""Secrets and machine paths are taken out of everything that leaves a step.

Every value that the data lookup or the credential store handed out is looked for as it is and in the forms it
takes on its way through a tool: base64 (also as a part of a longer text such as ``user:password``), URL encoding
and JSON or Go quoting. Values of one to three characters are not looked for, those of four to seven only as a
whole word, and in a value that is to be stored only if they are all of it: otherwise a Secret that holds ``on`` or
``admin`` would black out every message and refuse every output.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 4
SHORTEST_ANYWHERE = 8
_SHORTEST_LINE = 16


class Masker:
    """Finds secrets in texts and values.

    Args:
        secrets: gives every value handed out so far; asked anew each time, since a step may get more.
        paths: absolute folder -> what people see instead of it.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]], paths: Mapping[Path, str] | None = None) -> None:
        self._secrets = secrets
        self._paths = {str(path): shown for path, shown in (paths or {}).items()}
        self._known: frozenset[str] = frozenset()
        self._in_text: re.Pattern[str] | None = None
        self._in_value: re.Pattern[str] | None = None

    def hide(self, path: Path, shown: str = "") -> None:
        """Show a folder as ``shown`` (empty: paths inside it are relative) from now on."""
        self._paths[str(path)] = shown

    def text(self, text: str) -> str:
        """Return the text with secrets masked and machine paths replaced."""
        self._update()
        if self._in_text is not None:
            text = self._in_text.sub(MASK, text)
        for path, shown in sorted(self._paths.items(), key=lambda item: -len(item[0])):
            text = text.replace(path + "/", f"{shown}/" if shown else "").replace(path, shown or ".")
        return text

    def holds_secret(self, value: Any) -> bool:
        """Return whether a plain JSON value holds a secret, in a key or in a value."""
        return self.find(value) is not None

    def find(self, value: Any, path: str = "") -> str | None:
        """Return the path of the first place that holds a secret, None if there is none."""
        self._update()
        return _find(self._in_value, value, path) if self._in_value is not None else None

    def _update(self) -> None:
        secrets = frozenset(self._secrets())
        if secrets != self._known:
            self._known = secrets
            self._in_text = _compile(secrets, r"(?<!\w){}(?!\w)")
            self._in_value = _compile(secrets, r"\A{}\Z")


def _find(pattern: re.Pattern[str], value: Any, path: str) -> str | None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            place = f"{path}.{key}" if path else str(key)
            if pattern.search(str(key)):
                return path or "(root)"
            if (found := _find(pattern, item, place)) is not None:
                return found
        return None
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            if (found := _find(pattern, item, f"{path}[{index}]")) is not None:
                return found
        return None
    if value is None or isinstance(value, bool):
        return None
    return (path or "(root)") if any(pattern.search(text) for text in _written(value)) else None


def _written(value: Any) -> tuple[str, ...]:
    """How a scalar may be written; a secret of digits becomes a number on its way through a template."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return (str(int(value)), repr(value))
    return (str(value),)


def _compile(secrets: Iterable[str], short: str) -> re.Pattern[str] | None:
    """A pattern of all forms; ``short`` says where those of a short secret count."""
    anywhere: set[str] = set()
    words: set[str] = set()
    for secret in secrets:
        for form in _forms(secret):
            if len(form) >= SHORTEST_ANYWHERE:
                anywhere.add(form)
            elif len(form) >= SHORTEST:
                words.add(form)
    parts = [re.escape(form) for form in sorted(anywhere, key=len, reverse=True)]
    parts += [short.format(re.escape(form)) for form in sorted(words, key=len, reverse=True)]
    return re.compile("|".join(parts)) if parts else None


def _forms(secret: str) -> set[str]:
    bare = secret.strip()
    if len(bare) < SHORTEST:
        return set()
    forms = {secret, bare, quote(bare, safe=""), quote(bare), quote_plus(bare)}
    forms |= {form.replace("%2F", "%2f").replace("%3A", "%3a") for form in tuple(forms)}
    for text in (secret, bare):
        forms |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        forms |= _base64_forms(text.encode("utf-8", "surrogatepass"))
    forms |= {line.strip() for line in bare.splitlines() if len(line.strip()) >= _SHORTEST_LINE}
    return forms


def _base64_forms(data: bytes) -> set[str]:
    """Base64 of the bytes at each of the three alignments, without the characters that neighbours change."""
    forms = set()
    for shift in range(3):
        padded = b"\0" * shift + data
        text = base64.b64encode(padded).decode()
        first = (0, 2, 3)[shift]
        last = len(text.rstrip("=")) - (1 if len(padded) % 3 else 0)
        core = text[first:last]
        if len(core) >= SHORTEST_ANYWHERE:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    whole = base64.b64encode(data).decode()
    return forms | {whole, base64.urlsafe_b64encode(data).decode()}
