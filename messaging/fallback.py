"""When a channel failed for good: the other one by itself, and a staff task when there is none left (DESIGN 6)."""

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import TaskKind, open_task
from messaging.channels.twilio_words import FILTERED
from messaging.contacts import contact_of, masked
from messaging.kinds import RULES, Channel, Kind, Promise
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import queue
from messaging.reply_texts import COURTESIES
from messaging.schedule import STATING
from tracking.deliveries import load

_S = NotificationStatus
_DEAD = frozenset({_S.UNDELIVERED, _S.FAILED, _S.SUPPRESSED, _S.EXPIRED})


def after_failure(
    session: Session, failed: Notification, *, now: datetime, ids: Callable[[], str], pepper: str
) -> str | None:
    """Do what a failed notification asks for; return the id of the mail that goes out instead, if one does.

    An SMS that failed is followed by the same words as a mail, where an address is known and it is still of use. When
    no channel is left, staff get a task, once for each occasion. A person who opted out is not worked around on the
    same channel, and is no task; nor is one who was erased meanwhile, nor a word of thanks: nobody need act on it. A
    text that a carrier took for spam is a task of its own, whatever else reached the person.
    """
    if failed.must_go:
        return None
    if failed.error_code == FILTERED:
        _list_filtered(session, failed, now=now, ids=ids)
    if failed.delivery_id is None:
        if failed.status is not _S.SUPPRESSED:
            _list(session, failed, now=now, ids=ids)
        return None
    other = _other(session, failed)
    if other is None and _is_useful(failed, now):
        mail_id = mail_instead(session, failed, now=now, ids=ids, pepper=pepper)
        if mail_id is not None:
            return mail_id
    if (other is None or other.status in _DEAD) and failed.status is not _S.SUPPRESSED:
        _list(session, failed, now=now, ids=ids)
    return None


def mail_instead(
    session: Session, row: Notification, *, now: datetime, ids: Callable[[], str], pepper: str
) -> str | None:
    """Queue the words of a text as a mail and return its id; None where no address may be used, or it is there."""
    if row.channel is not Channel.SMS or row.delivery_id is None or row.context.get("to") == "driver":
        return None
    email = contact_of(session, load(session, row.delivery_id), pepper).email
    if email is None:
        return None
    return queue(
        session,
        kind=row.kind,
        channel=Channel.EMAIL,
        subject=row.dedupe_key.partition("/")[0],
        occasion=row.occasion,
        delivery_id=row.delivery_id,
        to_address=email,
        locale=row.locale,
        context={name: value for name, value in row.context.items() if name != "said"},
        now=now,
        ids=ids,
        useful_until=row.useful_until,
        instead_of=row.id,
    )


def list_lost(session: Session, lost: Notification, *, now: datetime, ids: Callable[[], str]) -> None:
    """Tell staff of a message that may never have arrived and must not be sent twice."""
    if lost.must_go or _is_courtesy(lost):
        return
    open_task(
        session,
        kind=TaskKind.POSSIBLY_LOST,
        key=f"lost/{lost.id}",
        reason=f"Nobody knows whether the {lost.kind.replace('_', ' ')} message arrived.",
        now=now,
        ids=ids,
        delivery_id=lost.delivery_id,
        notification_id=lost.id,
        tried=_tried(lost),
    )


def _is_courtesy(failed: Notification) -> bool:
    return failed.kind is Kind.REPLY and failed.occasion in COURTESIES


def _is_useful(failed: Notification, now: datetime) -> bool:
    return failed.useful_until is None or failed.useful_until > now


def _other(session: Session, failed: Notification) -> Notification | None:
    """Return the notification on the other channel for the same occasion."""
    statement = select(Notification).where(
        Notification.delivery_id == failed.delivery_id,
        Notification.kind == failed.kind,
        Notification.channel != failed.channel,
    )
    if failed.kind not in STATING:
        statement = statement.where(Notification.occasion == failed.occasion)
    return session.scalar(statement.order_by(Notification.created_at.desc()).limit(1))


def _list(session: Session, failed: Notification, *, now: datetime, ids: Callable[[], str]) -> None:
    if _is_courtesy(failed):
        return
    if RULES[failed.kind].promise is Promise.HAPPENING_NOW and failed.status is _S.EXPIRED:
        return  # the page has it, and the moment is over
    about = failed.delivery_id or failed.route_id or failed.id
    open_task(
        session,
        kind=TaskKind.COULD_NOT_REACH,
        key=f"unreached/{about}/{failed.kind}/{failed.occasion}",
        reason=f"The {failed.kind.replace('_', ' ')} message did not arrive: {failed.reason or 'no reason was given'}.",
        now=now,
        ids=ids,
        delivery_id=failed.delivery_id,
        notification_id=failed.id,
        tried=_tried(failed),
    )


def _list_filtered(session: Session, failed: Notification, *, now: datetime, ids: Callable[[], str]) -> None:
    """Tell staff, once a day and kind, that a carrier takes our words for spam: more of them would end like this."""
    open_task(
        session,
        kind=TaskKind.FILTERED,
        key=f"filtered/{failed.kind}/{now.astimezone(UTC).date()}",
        reason=f"A carrier took the {failed.kind.replace('_', ' ')} text for spam and did not deliver it. "
        "Others with the same words may end like it.",
        now=now,
        ids=ids,
        delivery_id=failed.delivery_id,
        notification_id=failed.id,
        tried=_tried(failed),
    )


def _tried(row: Notification) -> str:
    """Return what was tried, as staff say it."""
    return f"{'text' if row.channel is Channel.SMS else 'email'} to {masked(row.to_address or '')}"
