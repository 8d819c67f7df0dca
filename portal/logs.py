"""Structured logs that carry ids and nothing else about people (DESIGN 9).

Only fields on the list get through; anything that looks like a number, an address or a token is replaced, also inside
messages of libraries that log by themselves.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

MASK = "•••"
_SECRETS = (
    re.compile(r"(/(?:t|d|u)/)[A-Za-z0-9._~%-]{12,}"),  # link tokens in paths
    re.compile(r"((?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"((?:ticket|id|deviceid|key)=)[A-Za-z0-9._~-]{12,}"),
)
# Possessive, and begun only where a word begins: else a long line of a stranger's takes the square of its length.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++\.[\w.-]+")
_PHONE = re.compile(r"(?<![\w.:-])\+?\d[\d ().-]{7,}\d(?![\w:-])")


def scrubbed(text: str) -> str:
    """Return ``text`` without tokens, email addresses and phone numbers."""
    for pattern in _SECRETS:
        text = pattern.sub(rf"\1{MASK}", text)
    return _PHONE.sub(MASK, _EMAIL.sub(MASK, text))


def scrub_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Scrub every text of a log line but its timestamp; numbers and ids pass."""
    for name, value in event.items():
        if isinstance(value, str) and name not in {"timestamp", "level"}:
            event[name] = scrubbed(value)
    return event


def configure(level: int = logging.INFO) -> None:
    """Send every log line, ours and libraries', to standard error as one JSON object."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        scrub_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn.access", "werkzeug", "aiohttp.access", "twilio.http_client", "alembic.runtime.migration"):
        logging.getLogger(name).setLevel(logging.WARNING)  # they log whole URLs and bodies, or a line a look
    for name in ("uvicorn", "uvicorn.error", "rq.worker"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
