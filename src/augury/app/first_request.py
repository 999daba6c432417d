"""``augury request``, and the same signed request for those who use something else."""

import os
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from augury.app.console import DEFAULT_URL, AuthorityOption, UrlOption, fail, print_json

BASE: Final = "/trade-api/v2"

SCRIPT: Final = '''\
"""A first signed request, with nothing but the `cryptography` package."""

import base64
import json
import ssl
import time
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

URL = {url!r}
KEY_ID = {key_id!r}
KEY_FILE = {key_file!r}
AUTHORITY = {authority!r}  # the certificate to trust for https, or None

with open(KEY_FILE, "rb") as file:
    key = serialization.load_pem_private_key(file.read(), password=None)


def call(method, path, body=None):
    timestamp = str(int(time.time() * 1000))
    message = timestamp + method + path.split("?")[0]
    signature = key.sign(
        message.encode(),
        padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH),
        hashes.SHA256(),
    )
    request = urllib.request.Request(
        URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={{
            "Content-Type": "application/json",
            "KALSHI-ACCESS-KEY": KEY_ID,
            "KALSHI-ACCESS-TIMESTAMP": timestamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode(),
        }},
    )
    context = ssl.create_default_context(cafile=AUTHORITY) if AUTHORITY else None
    with urllib.request.urlopen(request, context=context) as answer:
        return json.load(answer)


print(json.dumps(call("GET", "/trade-api/v2/portfolio/balance"), indent=2))
'''


def request(
    method: Annotated[str, typer.Argument(help="GET, POST, PUT or DELETE.")],
    path: Annotated[str, typer.Argument(help="For example /portfolio/balance; may carry a query.")],
    body: Annotated[str | None, typer.Option(help="JSON to send, or @file.")] = None,
    key_id: Annotated[
        str | None, typer.Option(envvar="AUGURY_KEY_ID", help="Id of the API key.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(envvar="AUGURY_KEY_FILE", help="Its private key (PEM).")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Shape of the answer: legacy, 3.6 or latest.")
    ] = None,
    url: UrlOption = DEFAULT_URL,
    ca_file: AuthorityOption = None,
) -> None:
    """Send one request to the trading API, signed when a key is given, and print the answer."""
    import ssl

    import httpx

    if not path.startswith(BASE):
        path = BASE + ("" if path.startswith("/") else "/") + path
    headers: dict[str, str] = {}
    if (key_id is None) != (key_file is None):
        fail("--key-id and --key-file belong together", 2)
    try:
        if key_id is not None and key_file is not None:
            from augury.client import Signer

            headers = Signer.from_file(key_id, key_file).headers(method, path)
        content = _content(body)
        verify: Any = ssl.create_default_context(cafile=ca_file) if ca_file else True
    except (OSError, ValueError) as error:
        fail(str(error))
    if content is not None:
        headers["Content-Type"] = "application/json"
    if profile is not None:
        headers["KALSHI-API-PROFILE"] = profile
    try:
        with httpx.Client(verify=verify, trust_env=False, timeout=30) as client:
            answer = client.request(
                method.upper(), url.rstrip("/") + path, content=content, headers=headers
            )
    except httpx.HTTPError as error:
        fail(f"{url} does not answer: {error}")
    try:
        if answer.content:
            print_json(answer.json(), pretty=True)
    except ValueError:
        print(answer.text)
    if not answer.is_success:
        fail(f"{answer.status_code} {answer.reason_phrase}")


def _content(body: str | None) -> bytes | None:
    if body is None:
        return None
    return Path(body[1:]).read_bytes() if body.startswith("@") else body.encode()


def write_script(path: Path, url: str, key_id: str, key_file: Path, authority: Path | None) -> None:
    """A Python file that sends the request; it names the key's file and holds no secret."""
    text = SCRIPT.format(
        url=url,
        key_id=key_id,
        key_file=_absolute(key_file),
        authority=_absolute(authority) if authority else None,
    )
    path.write_text(text, encoding="utf-8")


def curl_text(url: str, key_id: str, key_file: str, authority: Path | None) -> list[str]:
    """Lines for a shell."""
    trust = f" --cacert {_absolute(authority)}" if authority else ""
    sign = (
        'S=$(printf %s "${T}GET$P" | openssl dgst -sha256 -sigopt rsa_padding_mode:pss '
        f"-sigopt rsa_pss_saltlen:digest -sign {key_file} | openssl base64 -A)"
    )
    send = (
        f'curl -s{trust} -H "KALSHI-ACCESS-KEY: {key_id}" -H "KALSHI-ACCESS-TIMESTAMP: $T" '
        f'-H "KALSHI-ACCESS-SIGNATURE: $S" "{url}$P"'
    )
    return [f"P={BASE}/portfolio/balance; T=$(date +%s)000", sign, send]


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100
