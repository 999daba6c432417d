"""The published Python clients 3.2.0, unmodified, behind one blocking interface.

Only ``host`` differs from what their own documentation shows.
"""

import asyncio
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tests.conftest import require_external
from tests.rest_harness import Caller, key_pair

SYNC = "kalshi_python_sync"
ASYNC = "kalshi_python_async"


def load(name: str) -> ModuleType:
    """The client's package; without it the test is left out loudly."""
    try:
        return importlib.import_module(name)
    except ImportError:
        require_external(f"the Python package {name}", False)
        raise


class Blocking:
    """Calls of the asynchronous client, one at a time, on a loop of their own."""

    def __init__(self, client: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._loop.run_until_complete(method(*args, **kwargs))

        return call


@contextmanager
def published_client(name: str, caller: Caller) -> Iterator[Any]:
    """A client that signs with ``caller``'s key."""
    package = load(name)
    configuration = package.Configuration(
        host=f"{str(caller.client.base_url).rstrip('/')}/trade-api/v2"
    )
    if caller.signer is not None:
        configuration.api_key_id = caller.signer.key_id
        configuration.private_key_pem = key_pair().private_pem
    if name == SYNC:
        yield package.KalshiClient(configuration)
        return
    loop = asyncio.new_event_loop()
    try:

        async def make() -> Any:
            return package.KalshiClient(configuration)

        client = loop.run_until_complete(make())
        yield Blocking(client, loop)
        loop.run_until_complete(client.rest_client.close())
    finally:
        loop.close()
