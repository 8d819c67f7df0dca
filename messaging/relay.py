"""The relay: carries a chat line by text or mail to where the other side is, from our number, so theirs stay hidden."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Voice, first_name, plain_line
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus, advance, dedupe_key
from messaging.outbox import queue
from messaging.quick_replies import words_for
from messaging.reply_texts import language_of
from tracking.deliveries import Delivery
from tracking.routes import RouteStatus

# How long a line waits to be seen on the page before it goes out as a text (issue 5 part 5; the second is our choice).
TO_DRIVER_AFTER = timedelta(minutes=2)
TO_RECIPIENT_AFTER = timedelta(seconds=30)
USEFUL_TO_DRIVER = timedelta(hours=4)  # our choice: a shift's end is not far then
USEFUL_TO_RECIPIENT = timedelta(hours=24)


def carry(
    session: Session,
    *,
    delivery: Delivery,
    line: ChatMessage,
    to_driver: bool,
    now: datetime,
    ids: Callable[[], str],
) -> str | None:
    """Plan the text or mail that brings ``line`` to the other side; None when nobody is to be sent anything.

    A recipient's line goes to the driver's phone when ``to_driver``; a driver's or support's to the recipient. It waits
    a little, and ``withdraw`` takes it back when the line is seen on the page before.
    """
    if line.is_internal or line.voice is Voice.SYSTEM:
        return None
    if line.voice is Voice.RECIPIENT:
        return _to_driver(session, delivery, line, now, ids) if to_driver else None
    return _to_recipient(session, delivery, line, now, ids)


def tell_driver(
    session: Session, delivery: Delivery, line_id: int, text: str, now: datetime, ids: Callable[[], str]
) -> str | None:
    """Plan the text that tells the driver of a line of ours while the route is under way; None when it is not.

    Like a recipient's line it waits two minutes to be seen on the page.
    """
    route = delivery.stop.route
    if route.status is not RouteStatus.STARTED or not delivery.is_open:
        return None
    return queue(
        session,
        kind=Kind.CHAT,
        channel=Channel.SMS,
        subject=delivery.id,
        occasion=_told_occasion(line_id),
        delivery_id=delivery.id,
        to_address=route.driver.phone,
        locale=route.driver.locale,
        context={"to": "driver", "author": "", "stop": delivery.stop.sequence, "text": plain_line(text)},
        now=now,
        due_at=now + TO_DRIVER_AFTER,
        useful_until=now + USEFUL_TO_DRIVER,
        ids=ids,
    )


def withdraw_told(session: Session, delivery_id: str, line_ids: Iterable[int]) -> int:
    """Take back the texts that were to tell the driver of these lines of ours; return how many."""
    occasions = [_told_occasion(line_id) for line_id in line_ids]
    return _withdraw(session, [_key(delivery_id, Channel.SMS, occasion) for occasion in occasions])


def withdraw(session: Session, delivery_id: str, line_ids: Iterable[int]) -> int:
    """Take back what is still due for these lines, because they were seen; return how many were taken back."""
    return _withdraw(session, [key for line_id in line_ids for key in _keys(delivery_id, line_id)])


def _withdraw(session: Session, keys: Sequence[str]) -> int:
    if not keys:
        return 0
    statement = select(Notification.id).where(
        Notification.dedupe_key.in_(keys), Notification.status == NotificationStatus.DUE
    )
    due = list(session.scalars(statement))
    return sum(advance(session, found, NotificationStatus.WITHDRAWN, reason="seen on the page") for found in due)


def carried(session: Session, delivery_id: str, line_ids: Iterable[int]) -> dict[int, Notification]:
    """Return, by line, the text or mail that was planned to carry it."""
    wanted = {key: line_id for line_id in line_ids for key in _keys(delivery_id, line_id)}
    if not wanted:
        return {}
    found = session.scalars(select(Notification).where(Notification.dedupe_key.in_(wanted)))
    return {wanted[notification.dedupe_key]: notification for notification in found}


def last_asked(session: Session, phone: str, since: datetime) -> str | None:
    """Return the delivery whose recipient's line was last texted to this driver's phone since then; None for none."""
    statement = select(Notification.delivery_id).where(
        Notification.to_address == phone,
        Notification.kind == Kind.CHAT,
        Notification.accepted_at.is_not(None),
        Notification.accepted_at >= since,
    )
    return session.scalar(statement.order_by(Notification.accepted_at.desc(), Notification.id).limit(1))


def _keys(delivery_id: str, line_id: int) -> list[str]:
    return [_key(delivery_id, channel, _occasion(line_id)) for channel in Channel]


def _key(delivery_id: str, channel: Channel, occasion: str) -> str:
    return dedupe_key(subject=delivery_id, kind=Kind.CHAT, channel=channel, occasion=occasion)


def _occasion(line_id: int) -> str:
    return f"line-{line_id}"


def _told_occasion(line_id: int) -> str:
    return f"told-{line_id}"


def _to_driver(
    session: Session, delivery: Delivery, line: ChatMessage, now: datetime, ids: Callable[[], str]
) -> str | None:
    driver, stop = delivery.stop.route.driver, delivery.stop
    author = first_name(delivery.recipient_name)
    words = words_for(session, line.body, driver.locale)
    return queue(
        session,
        kind=Kind.CHAT,
        channel=Channel.SMS,
        subject=delivery.id,
        occasion=_occasion(line.id),
        delivery_id=delivery.id,
        to_address=driver.phone,
        locale=driver.locale,
        context={
            "to": "driver",
            "author": author,
            "stop": stop.sequence,
            "text": f"{_STOP_WORD[language_of(driver.locale)]} {stop.sequence} {author}: {plain_line(words)}",
        },
        now=now,
        due_at=now + TO_DRIVER_AFTER,
        useful_until=now + USEFUL_TO_DRIVER,
        ids=ids,
    )


def _to_recipient(
    session: Session, delivery: Delivery, line: ChatMessage, now: datetime, ids: Callable[[], str]
) -> str | None:
    address = delivery.phone or delivery.email
    if address is None:
        return None
    is_driver = line.voice is Voice.DRIVER
    language = language_of(delivery.locale)
    author = first_name(delivery.stop.route.driver.name) if is_driver else ""
    words = words_for(session, line.body, delivery.locale)
    prefix = f"{author} ({_DRIVER_WORD[language]}): " if is_driver else f"{_SUPPORT_WORD[language]}: "
    return queue(
        session,
        kind=Kind.CHAT,
        channel=Channel.SMS if delivery.phone else Channel.EMAIL,
        subject=delivery.id,
        occasion=_occasion(line.id),
        delivery_id=delivery.id,
        to_address=address,
        locale=delivery.locale,
        context={
            "to": "recipient",
            "author": author,
            "from": line.voice.value,
            "text": f"{prefix}{plain_line(words)}",
        },
        now=now,
        due_at=now + TO_RECIPIENT_AFTER,
        useful_until=now + USEFUL_TO_RECIPIENT,
        ids=ids,
    )


_STOP_WORD = {"en": "Stop", "es": "Parada"}
_DRIVER_WORD = {"en": "driver", "es": "conductor"}
_SUPPORT_WORD = {"en": "Support", "es": "Soporte"}
