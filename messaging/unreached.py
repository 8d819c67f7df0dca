"""Who could not be reached: what failed and why, what was tried, what to do; and what settles itself.

A message on this list failed on every channel there was, or may have been lost. It leaves the list by a person's
word, which can be taken back, or on proof that they know: they opened their page, wrote, or got a later text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, exists, func, select, update
from sqlalchemy.orm import Session

from messaging.cases import Task, TaskKind, resolve_task
from messaging.chat_lines import ChatMessage, Conversation, Voice
from messaging.contacts import Contact, masked
from messaging.dead_addresses import living_contact
from messaging.in_force import rules_in_force
from messaging.inbound_texts import InboundMessage
from messaging.kinds import RULES, Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.outbox import queue
from messaging.reconciler import subject_of
from messaging.schedule import PLANNED_KINDS, planned
from tracking.deliveries import Delivery, DeliveryStatus, load_many

UNREACHED = (TaskKind.COULD_NOT_REACH, TaskKind.POSSIBLY_LOST)
MOST = 200
SETTLED_SHOWN = timedelta(days=7)
SYSTEM = "system"
_S = NotificationStatus
_AGAIN = "again-"  # how the occasion of a message begins that somebody asked for again


@dataclass(frozen=True, slots=True)
class Tried:
    """One try to reach a person. ``to`` is masked; ``why`` is empty for what is still on its way."""

    channel: Channel
    to: str
    at: datetime
    status: NotificationStatus
    why: str
    code: str


@dataclass(frozen=True, slots=True)
class Unreached:
    """One line of the list. ``failed`` is the message it is about; ``can_resend`` when its words are still true.

    ``can_write`` when there is an address that a message could arrive at.
    """

    task: Task
    failed: Notification | None
    delivery: Delivery | None
    tried: tuple[Tried, ...]
    can_resend: bool
    can_write: bool


def unreached(session: Session, *, now: datetime, pepper: str, settled: bool = False) -> list[Unreached]:
    """Return what is on the list, oldest first; or, ``settled``, what left it within seven days, newest first."""
    tasks = _tasks(session, now, settled=settled)
    failed = _by_id(session, [task.notification_id for task in tasks if task.notification_id])
    deliveries = load_many(session, [task.delivery_id for task in tasks if task.delivery_id])
    tries = _tries(session, list(deliveries))
    found = []
    for task in tasks:
        row, delivery = failed.get(task.notification_id or ""), deliveries.get(task.delivery_id or "")
        contact = None if delivery is None else _contact(session, delivery, pepper)
        can = row is not None and delivery is not None and bool(_again(session, row, delivery, contact, now))
        mine = () if row is None else tuple(_tried(one) for one in _same(row, tries.get(row.delivery_id or "", [row])))
        writes = contact is not None and (contact.phone is not None or contact.email is not None)
        found.append(Unreached(task, row, delivery, mine, can and not settled, writes and not settled))
    return found


def _contact(session: Session, delivery: Delivery, pepper: str) -> Contact | None:
    """Return where the recipient could be written to; None for somebody who was erased."""
    return None if delivery.erased_at is not None else living_contact(session, delivery, pepper)


def _tasks(session: Session, now: datetime, *, settled: bool) -> list[Task]:
    statement = select(Task).where(Task.kind.in_(UNREACHED)).limit(MOST)
    if settled:
        late = statement.where(Task.resolved_at > now - SETTLED_SHOWN)
        return list(session.scalars(late.order_by(Task.resolved_at.desc(), Task.id)))
    return list(session.scalars(statement.where(Task.resolved_at.is_(None)).order_by(Task.opened_at, Task.id)))


def _by_id(session: Session, ids: Sequence[str]) -> dict[str, Notification]:
    return {row.id: row for row in session.scalars(select(Notification).where(Notification.id.in_(ids)))}


def _tries(session: Session, delivery_ids: Sequence[str]) -> dict[str, list[Notification]]:
    tried: dict[str, list[Notification]] = {}
    statement = select(Notification).where(Notification.delivery_id.in_(delivery_ids), Notification.attempt > 0)
    for row in session.scalars(statement.order_by(Notification.created_at, Notification.id)):
        tried.setdefault(row.delivery_id or "", []).append(row)
    return tried


def _same(row: Notification, tried: Sequence[Notification]) -> list[Notification]:
    """Return the tries to say what ``row`` says: on either channel, and what was sent again for them."""
    same = {one.id for one in tried if (one.kind, one.occasion) == (row.kind, row.occasion)} | {row.id}
    same |= {one.id for one in tried if one.instead_of in same or one.id == row.instead_of}
    return [one for one in tried if one.id in same]


def _tried(row: Notification) -> Tried:
    return Tried(
        channel=row.channel,
        to=masked(row.to_address or ""),
        at=row.final_at or row.accepted_at or row.due_at,
        status=row.status,
        why=row.reason if row.status in {_S.UNDELIVERED, _S.FAILED, _S.SUPPRESSED, _S.EXPIRED} else "",
        code=row.error_code or "",
    )


def _again(
    session: Session, failed: Notification, delivery: Delivery, contact: Contact | None, now: datetime
) -> list[tuple[Channel, str]]:
    """Return where the same words may go again and could arrive: nowhere once they are not true or of no use.

    ``contact`` is what ``_contact`` returns.
    """
    is_over = failed.useful_until is not None and failed.useful_until <= now
    if contact is None or is_over or failed.kind not in PLANNED_KINDS:
        return []
    rules = rules_in_force(session)
    wanted = planned(subject_of(session, delivery, now), rules=rules, contact=contact, told=(), now=now)
    if failed.kind not in {one.kind for one in wanted}:
        return []
    return [(channel, contact.address(channel) or "") for channel in contact.channels(RULES[failed.kind].reach)]


def send_again(session: Session, task_id: str, *, now: datetime, ids: Callable[[], str], pepper: str) -> list[Channel]:
    """Send the message of a task again, to where the recipient is reached today; return the channels, none in vain."""
    task = session.get(Task, task_id, with_for_update=True)
    if task is None or task.kind not in UNREACHED or task.resolved_at is not None or task.notification_id is None:
        return []
    failed = session.get(Notification, task.notification_id)
    delivery = load_many(session, [task.delivery_id or ""]).get(task.delivery_id or "")
    if failed is None or delivery is None:
        return []
    to = _again(session, failed, delivery, _contact(session, delivery, pepper), now)
    return _queued(session, failed, delivery, to, now, ids)


def _queued(
    session: Session,
    failed: Notification,
    delivery: Delivery,
    to: Sequence[tuple[Channel, str]],
    now: datetime,
    ids: Callable[[], str],
) -> list[Channel]:
    occasion = f"{_AGAIN}{ids()}"
    context = {name: value for name, value in failed.context.items() if name != "said"} | {"is_wish": True}
    for channel, address in to:
        queue(
            session,
            kind=failed.kind,
            channel=channel,
            subject=delivery.id,
            occasion=occasion,
            delivery_id=delivery.id,
            to_address=address,
            locale=delivery.locale,
            context=context,
            now=now,
            ids=ids,
            useful_until=failed.useful_until,
            instead_of=failed.id,
        )
    return [channel for channel, _ in to]


def reopen(session: Session, task_id: str, now: datetime) -> bool:
    """Put a settled line back on the list; False when it is on it, or is none of it.

    It is as if it had come ``now``: what settled it before does so no more.
    """
    settled = update(Task).where(Task.id == task_id, Task.kind.in_(UNREACHED), Task.resolved_at.is_not(None))
    result = session.execute(
        settled.values(resolved_at=None, resolved_by=None, resolution="", opened_at=now).execution_options(
            synchronize_session="fetch"
        )
    )
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def they_know(session: Session, delivery_id: str, how: str, now: datetime) -> bool:
    """Take a delivery's lines off the list because its recipient has just shown that they know."""
    open_ones = update(Task).where(
        Task.delivery_id == delivery_id, Task.kind.in_(UNREACHED), Task.resolved_at.is_(None)
    )
    result = session.execute(
        open_ones.values(resolved_at=now, resolved_by=SYSTEM, resolution=how).execution_options(
            synchronize_session="fetch"
        )
    )
    assert isinstance(result, CursorResult)
    return result.rowcount > 0


def anything_open(session: Session) -> bool:
    """Tell whether the list holds anything."""
    return bool(session.scalar(select(exists().where(Task.kind.in_(UNREACHED), Task.resolved_at.is_(None)))))


def settle_by_themselves(session: Session, *, now: datetime, ids: Callable[[], str], pepper: str) -> int:
    """Take off the list what settled itself; return how many lines.

    A corrected contact gets the message at once where its words are still true: nobody has told that person yet.
    """
    settled = 0
    tasks = _tasks(session, now, settled=False)
    failed = _by_id(session, [task.notification_id for task in tasks if task.notification_id])
    deliveries = load_many(session, [task.delivery_id for task in tasks if task.delivery_id])
    tries = _tries(session, list(deliveries))
    for task in tasks:
        row, delivery = failed.get(task.notification_id or ""), deliveries.get(task.delivery_id or "")
        if row is None or delivery is None or row.context.get("to") == "driver":
            continue
        how = _proof(session, task, row, delivery)
        if how is None and _is_corrected(_same(row, tries.get(delivery.id, [row])), delivery):
            to = _again(session, row, delivery, _contact(session, delivery, pepper), now)
            sent = _queued(session, row, delivery, to, now, ids)
            how = "The contact was corrected" + (", and the message went out again." if sent else ".")
        if how is not None:
            settled += resolve_task(session, task.id, resolved_by=SYSTEM, resolution=how, now=now)
    return settled


def _proof(session: Session, task: Task, failed: Notification, delivery: Delivery) -> str | None:
    """Return what proves, since the line came, that the recipient knows or need not."""
    since = task.opened_at
    if delivery.status is DeliveryStatus.DELIVERED and delivery.status_at > since and failed.kind not in _OUTCOMES:
        return "It was delivered meanwhile."
    wrote = exists().where(
        ChatMessage.conversation_id == Conversation.id,
        Conversation.delivery_id == delivery.id,
        ChatMessage.voice == Voice.RECIPIENT,
        ChatMessage.at > since,
    )
    texted = exists().where(InboundMessage.from_address == delivery.phone, InboundMessage.received_at > since)
    if session.scalar(select(wrote | texted)):
        return "They wrote."
    if delivery.seen_at is not None and delivery.seen_at > since:
        return "They opened their page."
    later = select(func.count()).where(
        Notification.delivery_id == delivery.id,
        Notification.status == _S.DELIVERED,
        Notification.final_at > since,
        Notification.created_at > failed.created_at,
        Notification.to_address.in_([address for address in (delivery.phone, delivery.email) if address]),
    )
    return "A later message arrived." if session.scalar(later) else None


# These tell of the delivery itself, so that it was delivered settles nothing.
_OUTCOMES = frozenset({Kind.DELIVERED, Kind.RATING_REQUEST, Kind.CASE_FOLLOW_UP})


def _is_corrected(tried: Sequence[Notification], delivery: Delivery) -> bool:
    """True when a channel that was tried leads to an address today that was not."""
    known = Contact(delivery.phone, delivery.email)
    used = {(row.channel, row.to_address) for row in tried}
    return any(
        known.address(channel) is not None and (channel, known.address(channel)) not in used
        for channel in {channel for channel, _ in used}
    )
