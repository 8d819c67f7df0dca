"""Redacting: empty or delete at the provider what must go there. What it refuses now is tried again later."""

import asyncio
from collections.abc import Callable

import structlog

from messaging.channels.base import CannotLook
from messaging.channels.twilio import TwilioSms
from messaging.redactions import Redaction, count_open, note_redacted, open_redactions
from portal.services import Services
from portal.ways_out import texts_out

log = structlog.get_logger()

PART, AT_ONCE = 200, 10
SILENT_AFTER = 10  # troubles in one part, and nothing done: the provider is away, the rest waits


def redact(services: Services, *, should_stop: Callable[[], bool] = lambda: False) -> tuple[int, int]:
    """Do what may be done now; return how many messages are gone at the provider, and how many still wait."""
    done = asyncio.run(_redact(services, should_stop))
    with services.database.reading() as session:
        waiting = count_open(session)
    log.info("redacted at the provider", done=done, waiting=waiting)
    return done, waiting


async def _redact(services: Services, should_stop: Callable[[], bool]) -> int:
    provider, done = texts_out(services), 0
    try:
        while not should_stop():
            with services.database.reading() as session:
                part = open_redactions(session, elapsed=services.clock.elapsed(), limit=PART)
            if not part:
                break
            troubles = await _ask(provider, part)
            now, elapsed = services.clock.now(), services.clock.elapsed()
            with services.database.writing() as session:
                note_redacted(session, list(zip(part, troubles, strict=True)), now=now, elapsed=elapsed)
            well = sum(trouble is None for trouble in troubles)
            done += well
            if not well and len(part) >= SILENT_AFTER:
                break
    finally:
        await provider.close()
    return done


async def _ask(provider: TwilioSms, part: list[Redaction]) -> list[str | None]:
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(row: Redaction) -> str | None:
        async with at_once:
            try:
                await provider.redact(row.provider_ref, is_whole=row.is_whole)
            except CannotLook as error:
                return str(error)
        return None

    return list(await asyncio.gather(*(one(row) for row in part)))
