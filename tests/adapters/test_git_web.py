"""Web addresses of commits on the known kinds of Git servers."""

from __future__ import annotations

import pytest

from freightway.adapters.git_web import commit_url


@pytest.mark.parametrize(
    ("url", "provider", "expected"),
    [
        ("https://github.com/Acme/Env.git", None, "https://github.com/acme/env/commit/c0ffee"),
        ("git@github.com:acme/env.git", None, "https://github.com/acme/env/commit/c0ffee"),
        ("https://acme.ghe.com/a/b", None, "https://acme.ghe.com/a/b/commit/c0ffee"),
        (
            "https://gitlab.example.com:8443/g/s/p.git",
            None,
            "https://gitlab.example.com:8443/g/s/p/-/commit/c0ffee",
        ),
        ("https://gitea.example.com/a/b", None, "https://gitea.example.com/a/b/commit/c0ffee"),
        ("https://bitbucket.org/a/b", None, "https://bitbucket.org/a/b/commits/c0ffee"),
        ("https://git.example.com/a/b", "gitea", "https://git.example.com/a/b/commit/c0ffee"),
        ("https://git.example.com/a/b", None, None),
        ("https://dev.azure.com/o/p/_git/r", None, None),
        ("/srv/git/env.git", "github", None),
    ],
)
def test_address_of_a_commit(url: str, provider: str | None, expected: str | None) -> None:
    assert commit_url(url, "c0ffee", provider) == expected
