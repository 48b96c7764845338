"""Secrets are found in every form they take."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from freightway.activities.masking import MASK, Masker

SECRET = 'p4ss/w+rd "x" & né'


def masker(*secrets: str) -> Masker:
    return Masker(lambda: secrets, {Path("/srv/ws/work"): ""})


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)
def test_a_secret_is_masked_in_each_form(form: str) -> None:
    text = masker(SECRET).text(f"before {form} after")
    assert MASK in text
    assert form not in text
    assert text.startswith("before ")


@pytest.mark.parametrize("user", ["a", "ab", "abc", "octo"])
def test_a_secret_is_found_inside_a_longer_base64_text(user: str) -> None:
    token = "s3cr3t-tok3n-0123456789"
    header = base64.b64encode(f"{user}:{token}:end".encode()).decode()
    shown = masker(token).text(header)
    assert MASK in shown
    assert len(shown.replace(MASK, "")) <= len(header) - len(token)


def test_each_line_of_a_key_is_masked() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END KEY-----\n"
    assert "MIIEvQIBADANBgkqhkiG" not in masker(key).text("bad line MIIEvQIBADANBgkqhkiG here")


def test_short_values_are_masked_as_words_only_and_tiny_ones_not_at_all() -> None:
    assert masker("admin").text("admin of administrators") == f"{MASK} of administrators"
    assert masker("on").text("on and on") == "on and on"
    assert masker("admin").find({"by": "admin"}) == "by"
    assert masker("admin").find({"by": "an admin"}) is None


def test_machine_paths_are_shown_relative_to_the_workspace() -> None:
    assert masker().text("no file /srv/ws/work/a/b.yaml in /srv/ws/work") == "no file a/b.yaml in ."


def test_the_place_of_a_secret_in_a_value_is_named() -> None:
    found = masker("12345678", "hunter22hunter22")
    assert found.find({"a": [{"b": "x hunter22hunter22"}]}) == "a[0].b"
    assert found.find({"pin": 12345678.0}) == "pin"
    assert found.find({"hunter22hunter22": 1}) == "(root)"
    assert found.find({"a": [1, None, True, "ok"]}) is None


def test_secrets_handed_out_later_are_masked_too() -> None:
    handed: set[str] = set()
    later = Masker(lambda: handed)
    assert later.text("correct-horse") == "correct-horse"
    handed.add("correct-horse")
    assert later.text("correct-horse") == MASK
