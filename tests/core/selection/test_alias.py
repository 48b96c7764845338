"""Aliases are drawn from the name, readable, and never taken twice."""

from __future__ import annotations

import re

from freightway.selection.alias import alias_for
from freightway.selection.alias_words import ADJECTIVES, ANIMALS

NAME = "d6218c154b8b543d849560d02d940a1a37cdbf20"


def test_alias_is_the_same_for_the_same_freight() -> None:
    assert alias_for(NAME, set()) == alias_for(NAME, set())


def test_taken_alias_is_not_given_again() -> None:
    taken: set[str] = set()
    for _ in range(50):
        alias = alias_for(NAME, taken)
        assert alias not in taken
        taken.add(alias)


def test_alias_is_a_valid_label() -> None:
    for number in range(500):
        assert re.fullmatch(r"[a-z]+-[a-z]+", alias_for(str(number), ()))
    assert max(map(len, ADJECTIVES)) + max(map(len, ANIMALS)) < 50


def test_alias_is_found_when_every_pair_of_words_is_taken() -> None:
    taken = {f"{adjective}-{animal}" for adjective in ADJECTIVES for animal in ANIMALS}
    assert re.fullmatch(r"[a-z]+-[a-z]+-[0-9]+", alias_for(NAME, taken))


def test_words_are_many_and_unique() -> None:
    for words in (ADJECTIVES, ANIMALS):
        assert len(words) >= 250
        assert len(set(words)) == len(words)
