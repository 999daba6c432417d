"""What the process writes about itself: structured lines on standard error.

One JSON object per line (or prose for a human's terminal), with the id of the request it belongs
to. Secrets never appear: the names under which they travel are blanked wherever they turn up.
"""

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any, Final, TextIO

import structlog

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request being answered; the same that its ``X-Request-Id`` header carries."""

SECRETS: Final = frozenset(
    {
        "authorization",
        "kalshi-access-signature",
        "operator_token",
        "password",
        "private_key",
        "private_key_pem",
        "secret",
        "signature",
        "token",
    }
)

Event = MutableMapping[str, Any]


def configure_logging(level: str, style: str, stream: TextIO | None = None) -> None:
    """Send everything, also what libraries log, to ``stream`` (standard error)."""
    processors: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _add_request_id,
        _hide_secrets,
    ]
    if style == "json":
        processors.append(structlog.processors.format_exc_info)
        renderer: Any = structlog.processors.JSONRenderer(sort_keys=False)
    else:
        target = stream or sys.stderr
        renderer = structlog.dev.ConsoleRenderer(
            colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=processors,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Its lines about connections and start-up repeat what Augury says itself.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *processors,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _add_request_id(logger: Any, method: str, event: Event) -> Event:
    current = request_id.get()
    if current:
        event.setdefault("request_id", current)
    return event


def _hide_secrets(logger: Any, method: str, event: Event) -> Event:
    for name in event:
        if name.lower() in SECRETS:
            event[name] = "(hidden)"
    return event
