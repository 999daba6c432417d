"""What schemathesis is told beyond the document; see tests/properties/test_rest_api_fuzz.py.

Values that schemathesis invents seldom name anything, so that most of its requests would end at the
first look-up. These hooks put things in place that the exchange has, sign each request with one of
several keys, and do to queries and headers what clients should not. What they choose follows from
the request itself, so that a failure can be sent again.
"""

import json
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import requests
import schemathesis

from augury.client.signing import Signer
from tests.documented import check_answer

FACTS: dict[str, Any] = json.loads(Path(os.environ["AUGURY_FUZZ_FACTS"]).read_text())
SIGNERS = [Signer(key_id, FACTS["private_key"]) for key_id in FACTS["keys"]]
KNOWN: dict[str, list[str]] = FACTS["known"]
"""Names and ids that the exchange has, by the name of the field or variable."""

ODD = ("", "0", "-1", "null", "batched", "%00", "é" * 40, "9" * 30, "1e9", "'; --", "{}", "..;")
HARMLESS_HEADERS = (
    {"Accept": "text/html"},
    {"Accept-Encoding": "br;q=1.0, *;q=0"},
    {"Content-Type": "text/xml; charset=utf-16"},
    {"If-None-Match": "*"},
    {"Range": "bytes=0-1"},
    {"X-Request-Id": "a" * 300},
    {"X-Forwarded-For": "203.0.113.9, 10.0.0.1"},
    {"Cookie": "session=1; session=2"},
    {"User-Agent": "OpenAPI-Generator/3.2.0/python"},
    {"Transfer-Encoding": "identity"},
    {"Connection": "close"},
    {"X-Long": "x" * 8000},
)


class Signed(requests.auth.AuthBase):
    """Signs what is really sent, with a key that follows from it."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        path = request.path_url.partition("?")[0]
        body = request.body if isinstance(request.body, bytes) else str(request.body).encode()
        # Most requests are the rich member's.
        signer = SIGNERS[0]
        dice = random.Random(f"{path} {body!r}")
        if dice.random() < 0.3:
            signer = dice.choice(SIGNERS)
        request.headers.update(signer.headers(str(request.method), path))
        return request


if SIGNERS:
    schemathesis.auth.set_from_requests(Signed())  # type: ignore[attr-defined]


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Name what is there, and misbehave a little."""
    dice = random.Random(repr((case.path_parameters, case.query, case.body)))
    for name in list(case.path_parameters or ()):
        # Without a value the path would be another one.
        value = _place(dice, name, case.path_parameters[name], 0.8)
        case.path_parameters[name] = value or "nothing"
    for name in list(case.query or ()):
        value = _place(dice, name, case.query[name], 0.5)
        if dice.random() < 0.05:
            value = [value, dice.choice(ODD)]
        case.query[name] = value
    if isinstance(case.body, dict):
        case.body = _placed(dice, case.body)
    if dice.random() < 0.1:
        case.headers = {**(case.headers or {}), **dice.choice(HARMLESS_HEADERS)}


def _placed(dice: random.Random, body: Mapping[str, Any]) -> dict[str, Any]:
    placed: dict[str, Any] = {}
    for name, value in body.items():
        if isinstance(value, dict):
            placed[name] = _placed(dice, value)
        elif isinstance(value, list):
            placed[name] = [
                _placed(dice, one) if isinstance(one, dict) else _place(dice, name, one, 0.7)
                for one in value
            ]
        else:
            placed[name] = _place(dice, name, value, 0.7)
    return placed


def _place(dice: random.Random, name: str, value: Any, chance: float) -> Any:
    """``value``, or with some chance one that exists, or now and then an odd one."""
    known = KNOWN.get(name)
    if known and dice.random() < chance:
        return dice.choice(known)
    return dice.choice(ODD) if isinstance(value, str) and dice.random() < 0.05 else value


@schemathesis.check
def as_documented(context: Any, response: Any, case: Any) -> None:
    """Status, code, type and every field are documented, and nothing more is there."""
    assert response.status_code < 500 or response.status_code == 503, response.text
    # What is no HTTP never becomes a request.
    if b'"malformed_request"' not in response.content:
        assert "x-request-id" in {name.lower() for name in response.headers}
    headers = [(name, values[0]) for name, values in response.headers.items()]
    # The content is decoded already.
    headers = [row for row in headers if row[0].lower() != "content-encoding"]
    answer = httpx.Response(response.status_code, headers=headers, content=response.content)
    check_answer(response.request.method, response.request.path_url, answer)
