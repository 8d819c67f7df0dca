"""``portal bounce``: take one mail that came to a return address, from a mail server's pipe.

It says nothing and ends with 0, whatever the mail was, so that no mail server ever answers to it. Only when the record
is away it ends with 75, and the server brings the mail again later (sysexits.h, EX_TEMPFAIL).
"""

import os
from collections.abc import Callable, Mapping
from typing import BinaryIO

import structlog
from sqlalchemy.exc import SQLAlchemyError

from messaging.bounces import LARGEST, take_mail
from messaging.consent import pepper_of
from messaging.kinds import Channel
from portal.revision import WrongRevision
from portal.services import Services
from portal.settings import BadSettings
from portal.ways_out import return_addresses
from tracking.facts import delivery_changed, inbox_changed, publish
from tracking.ids import new_id

log = structlog.get_logger()

TRY_AGAIN = os.EX_TEMPFAIL
# What Postfix' local(8) tells a command; pipe(8) tells by arguments.
RECIPIENT_NAMES = ("ORIGINAL_RECIPIENT", "RECIPIENT")


def take_piped_bounce(
    build: Callable[[], Services],
    mail: BinaryIO,
    *,
    recipient: str | None,
    sender: str | None,
    environ: Mapping[str, str],
) -> int:
    """Make the services ready and take one mail; whatever is missing on our side is for the server to try again."""
    try:
        services = build()
    except (BadSettings, WrongRevision, SQLAlchemyError) as error:
        log.error("bounce not taken", error=type(error).__name__)
        return TRY_AGAIN
    return take_bounce(services, mail, recipient=recipient, sender=sender, environ=environ)


def take_bounce(
    services: Services, mail: BinaryIO, *, recipient: str | None, sender: str | None, environ: Mapping[str, str]
) -> int:
    """Read one mail and act on it; return the exit status."""
    raw = mail.read(LARGEST)
    while mail.read(LARGEST):  # the server would else get SIGPIPE and call the mail undeliverable
        continue
    told = [environ[name] for name in RECIPIENT_NAMES if name in environ]
    try:
        with services.database.writing() as session:
            changed = take_mail(
                session,
                raw,
                recipients=[recipient, *told] if recipient else told,
                sender=environ.get("SENDER") if sender is None else sender,
                returns=return_addresses(services.settings),
                now=services.clock.now(),
                ids=new_id,
                pepper=pepper_of(services.settings.secret_keys),
            )
            delivery_id = None if changed is None else changed.delivery_id
    except SQLAlchemyError as error:
        log.error("bounce not taken", error=type(error).__name__)
        return TRY_AGAIN
    if changed is not None:
        publish(services.redis, [inbox_changed(), *([delivery_changed(delivery_id)] if delivery_id else [])])
        services.wake.reconcile()
        services.wake.send(Channel.SMS)
    return 0
