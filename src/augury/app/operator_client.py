"""Talking to a running exchange's operator API: what the commands of the command line stand on."""

import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import httpx

from augury.app.tokens import read_token

PREFIX: Final = "/operator/v1"
TIMEOUT_SECONDS: Final = 60.0


class OperatorRefused(Exception):
    """The exchange did not do it. ``fields`` maps parts of the request to what is wrong."""

    def __init__(self, status: int, code: str, message: str, fields: dict[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields


class OperatorUnreachable(Exception):
    """Nothing answered, or what answered is no exchange."""


class OperatorClient:
    """Blocking calls; one per operation of the API."""

    def __init__(self, url: str, token: str, ca_file: Path | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise OperatorUnreachable(f"{url!r} is not an address such as http://127.0.0.1:8080")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            verify=_trust(ca_file) if parts.scheme == "https" else True,
            # A proxy from the environment has no business between an operator and an exchange.
            trust_env=False,
        )

    @classmethod
    def from_token_file(
        cls, url: str, token_file: Path, ca_file: Path | None = None
    ) -> "OperatorClient":
        """Raises ``TokenError`` when the file cannot be used."""
        return cls(url, read_token(token_file), ca_file)

    def get(self, *path: str, **query: Any) -> Any:
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return self._call("GET", path, params=given)

    def post(self, *path: str, body: dict[str, Any] | None = None) -> Any:
        return self._call("POST", path, json=body or {})

    def patch(self, *path: str, body: dict[str, Any]) -> Any:
        return self._call("PATCH", path, json=body)

    def put(self, *path: str, body: dict[str, Any]) -> Any:
        return self._call("PUT", path, json=body)

    def delete(self, *path: str) -> Any:
        return self._call("DELETE", path)

    def _call(self, method: str, path: tuple[str, ...], **arguments: Any) -> Any:
        address = "/".join([PREFIX, *(quote(part, safe="@") for part in path)])
        try:
            response = self._http.request(method, address, **arguments)
        except httpx.HTTPError as error:
            raise OperatorUnreachable(f"{self.url} does not answer: {error}") from None
        try:
            answer = response.json()
        except ValueError:
            raise OperatorUnreachable(
                f"{self.url} answered {response.status_code} with something that is not JSON"
            ) from None
        if response.is_success:
            return answer
        fields = answer if isinstance(answer, dict) else {}
        raise OperatorRefused(
            response.status_code,
            str(fields.get("code", response.status_code)),
            str(fields.get("message", response.reason_phrase)),
            dict(fields.get("fields") or {}),
        )

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise OperatorUnreachable(f"{ca_file}: {error}") from None
