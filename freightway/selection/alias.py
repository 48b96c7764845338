"""Aliases of Freight: a name that people can say, made from the name that they cannot.

One rule: the same Freight gets the same alias wherever it is asked for, unless it is taken there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container

from freightway.selection.alias_words import ADJECTIVES, ANIMALS

_PLAIN_TRIES = 1_000


def alias_for(seed: str, taken: Container[str]) -> str:
    """Return an alias such as ``brave-otter`` that is not taken.

    Args:
        seed: the Freight's name, from which alone the alias is drawn.
        taken: aliases in use; after a thousand of them in a row a number is added to the words.
    Source: Kargo's Freight webhook draws at random; here the draw is a hash, so that it can be repeated.
    """
    attempt = 0
    while (alias := _draw(seed, attempt)) in taken:
        attempt += 1
    return alias


def _draw(seed: str, attempt: int) -> str:
    digest = hashlib.sha256(f"{seed}/{attempt}".encode()).digest()
    adjective = ADJECTIVES[int.from_bytes(digest[:8], "big") % len(ADJECTIVES)]
    animal = ANIMALS[int.from_bytes(digest[8:16], "big") % len(ANIMALS)]
    return f"{adjective}-{animal}" if attempt < _PLAIN_TRIES else f"{adjective}-{animal}-{attempt}"
