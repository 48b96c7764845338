"""How requests to metrics servers are authenticated: OAuth2 client credentials and basic authentication."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from http.client import responses
from urllib.parse import parse_qs, quote_plus, urlencode

from freightway.activities.metrics.registry import MOST_BYTES, MetricContext
from freightway.adapters.http import HttpResponse
from freightway.errors import AdapterError, InvalidResource
from freightway.resources.analysis import BasicAuth, Header, OAuth2


def header_map(headers: Iterable[Header]) -> dict[str, str]:
    """Return the headers with lower-case names, the last value of each; ``Host`` is left out, the URL decides it."""
    found = {header.key.lower(): header.value for header in headers}
    found.pop("host", None)
    return found


def basic_header(auth: BasicAuth) -> dict[str, str]:
    """Return the header of basic authentication.

    Raises:
        InvalidResource: if only one of user name and password is given.
    """
    if not auth.username and not auth.password:
        return {}
    if not auth.username or not auth.password:
        raise InvalidResource("missing mandatory parameter in metric for basic authentication: give both")
    return {"authorization": _basic(auth.username, auth.password)}


async def oauth2_header(
    auth: OAuth2 | None, context: MetricContext, headers: Mapping[str, str], *, timeout: float, verify: bool
) -> dict[str, str]:
    """Fetch a token with the client-credentials grant and return the header that carries it.

    The client is authenticated with HTTP Basic first and, if that is refused, with form fields.

    Args:
        auth: the grant; nothing is done without its ``tokenUrl``.
        context: sends the request.
        headers: sent to the token endpoint as well.
        timeout: seconds for each request.
        verify: whether certificates are checked.
    Raises:
        InvalidResource: if the client id or secret is missing.
        AdapterError: if there is no token.
    """
    if auth is None or not auth.token_url:
        return {}
    if not auth.client_id or not auth.client_secret:
        raise InvalidResource("missing mandatory parameter in metric for OAuth2 setup")
    form = {"grant_type": "client_credentials"}
    if auth.scopes:
        form["scope"] = " ".join(auth.scopes)
    in_header = {"authorization": _basic(quote_plus(auth.client_id), quote_plus(auth.client_secret))}
    in_form = {"client_id": auth.client_id, "client_secret": auth.client_secret}
    for extra_headers, extra_form in ((in_header, {}), ({}, in_form)):
        answer = await context.http.request(
            "POST",
            auth.token_url,
            headers={"content-type": "application/x-www-form-urlencoded", **headers, **extra_headers},
            content=urlencode({**form, **extra_form}),
            timeout=timeout,
            verify=verify,
            max_bytes=MOST_BYTES,
        )
        if answer.ok:
            return {"authorization": f"Bearer {_token(answer)}"}
    reason = responses.get(answer.status, "")
    raise AdapterError(f"oauth2: cannot fetch token: {answer.status} {reason}".rstrip(), status=answer.status)


def _token(answer: HttpResponse) -> str:
    text = answer.body.decode("utf-8", "replace")
    token: object = None
    if "form-urlencoded" in answer.header("content-type") or "text/plain" in answer.header("content-type"):
        token = parse_qs(text).get("access_token", [""])[0]
    else:
        try:
            decoded = json.loads(text)
        except ValueError as error:
            raise AdapterError("oauth2: cannot parse the token: the answer is no JSON") from error
        token = decoded.get("access_token") if isinstance(decoded, dict) else None
    if not isinstance(token, str) or not token:
        raise AdapterError("oauth2: server response missing access_token")
    return token


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
