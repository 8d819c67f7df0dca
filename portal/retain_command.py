"""``portal retain``: what is past its time, and let it go. The night does the same by itself."""

from collections.abc import Callable
from datetime import timedelta

import structlog

from messaging import retention
from messaging.redactions import count_open, hurry_redactions
from portal.erasing import finish_erasures, finish_messages, remove_files
from portal.redacting import redact
from portal.services import Services
from tracking.retention import forget_old

log = structlog.get_logger()
Step = Callable[[Services], int]


def retain(services: Services, *, should_stop: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Let go what is past its time, a part at a time; return how much of each sort went."""
    steps: dict[str, Step] = {
        "positions and estimates": _positions,
        "words of texts and mails": _sent_words,
        "words of inbound texts": _inbound_words,
        "chat lines": _lines,
        "rows older than 13 months": _rows,
        "messages that were on their way when their person was erased": finish_messages,
        "deliveries whose person went": finish_erasures,
    }
    went = dict.fromkeys(steps, 0)
    for name, step in steps.items():
        while not should_stop():
            part = step(services)
            went[name] += part
            if not part:
                break
    went["messages emptied or deleted at Twilio"], waiting = redact(services, should_stop=should_stop)
    log.info("retained", gone=sum(went.values()), waiting_at_provider=waiting)
    return went


def report_retention(services: Services, *, is_sure: bool) -> int:
    """Say what is past its time; with ``is_sure`` let it go and say how much went. Return 0."""
    if not is_sure:
        with services.database.reading() as session:
            past = retention.count_past(session, services.clock.now())
        print("Past its time:")
        for name, count in past.items():
            print(f"  {count:>9,}  {name}")
        print("Nothing was changed. The night lets it go by itself; `--yes` does it now.")
        return 0
    with services.database.writing() as session:
        hurry_redactions(session)
    print("Gone:")
    for name, count in retain(services).items():
        print(f"  {count:>9,}  {name}")
    with services.database.reading() as session:
        waiting = count_open(session)
    if waiting:
        print(f"Still to be emptied or deleted at Twilio: {waiting:,}. The night tries again.")
    return 0


def _positions(services: Services) -> int:
    with services.database.writing() as session:
        kept = timedelta(days=services.settings.positions_days)
        return forget_old(session, services.clock.now(), positions_kept=kept)


def _sent_words(services: Services) -> int:
    with services.database.writing() as session:
        return retention.forget_sent_words(session, services.clock.now())


def _inbound_words(services: Services) -> int:
    with services.database.writing() as session:
        return retention.forget_inbound_words(session, services.clock.now())


def _lines(services: Services) -> int:
    with services.database.writing() as session:
        gone, hashes = retention.forget_lines(session, services.clock.now())
    remove_files(services, hashes)
    return gone


def _rows(services: Services) -> int:
    with services.database.writing() as session:
        return retention.forget_rows(session, services.clock.now())
