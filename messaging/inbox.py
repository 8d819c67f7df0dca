"""The inbox: conversations in queues, counted and searched, for support."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, union
from sqlalchemy.orm import Session

from messaging.cases import Case, CaseStatus
from messaging.chat_lines import ChatMessage, Conversation, Voice
from messaging.chat_states import SUPPORT_AFTER_END
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.drivers import Driver
from tracking.routes import Route
from tracking.stops import Stop

Queue = Literal["unanswered", "mine", "waiting", "cases", "all", "closed"]
QUEUES: tuple[Queue, ...] = ("unanswered", "mine", "waiting", "cases", "all", "closed")
PREVIEW_LENGTH = 120
MAX_QUERY_LENGTH = 100
LEAST_PHONE_DIGITS = 9  # shorter runs of digits are looked for in words and references, not in numbers
_ENDED = (DeliveryStatus.DELIVERED, DeliveryStatus.RETURNED, DeliveryStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One conversation in a list. ``unread`` counts lines no one of staff has seen."""

    delivery_id: str
    recipient_name: str
    reference: str
    status: DeliveryStatus
    route_id: str
    route_name: str
    driver_name: str
    stop_sequence: int
    last_voice: Voice | None
    last_body: str
    last_message_at: datetime | None
    waiting_since: datetime | None
    assigned_to: str | None
    taken_over_by: str | None
    unread: int
    has_open_case: bool


def inbox(
    session: Session,
    *,
    queue: Queue,
    staff_id: str | None,
    query: str | None = None,
    limit: int = 50,
    before: datetime | None = None,
    now: datetime,
) -> list[InboxRow]:
    """Return conversations of a queue: those that wait for us longest first, the others newest first.

    ``query`` looks in the words said, in names and references, and for one whole phone number. ``before`` is the
    ``last_message_at`` of the last row of the page before (of ``unanswered``: rows that wait since a later time).
    """
    statement = _rows().where(_in_queue(queue, staff_id, now))
    if query and query.strip():
        statement = statement.where(_matches(query))
    if queue == "unanswered":
        statement = statement.order_by(Conversation.waiting_since, Conversation.id)
        if before is not None:
            statement = statement.where(Conversation.waiting_since > before)
    else:
        statement = statement.order_by(Conversation.last_message_at.desc(), Conversation.id)
        if before is not None:
            statement = statement.where(Conversation.last_message_at < before)
    found = session.execute(statement.limit(limit)).all()
    ids = [row.Conversation.id for row in found]
    last, unread = _last_lines(session, ids), _unread(session, ids)
    cases = set(session.scalars(select(Case.delivery_id).where(Case.delivery_id.in_(ids), _IS_OPEN_CASE)))
    return [_row(row, last, unread, cases) for row in found]


def inbox_counts(session: Session, *, staff_id: str | None, now: datetime) -> dict[str, int]:
    """Return how many conversations each queue holds, from one look at the table."""
    counted = [func.count(case((_in_queue(queue, staff_id, now), 1))) for queue in QUEUES]
    statement = select(*counted).select_from(Conversation).join(Delivery, Delivery.id == Conversation.delivery_id)
    return dict(zip(QUEUES, session.execute(statement).one(), strict=True))


_IS_OPEN_CASE = Case.status == CaseStatus.OPEN


def _rows() -> Any:
    return (
        select(
            Conversation,
            Delivery.recipient_name,
            Delivery.reference,
            Delivery.status,
            Stop.sequence,
            Route.id,
            Route.name,
            Driver.name,
        )
        .join(Delivery, Delivery.id == Conversation.delivery_id)
        .join(Stop, Stop.id == Delivery.stop_id)
        .join(Route, Route.id == Stop.route_id)
        .join(Driver, Driver.id == Route.driver_id)
    )


def _in_queue(queue: Queue, staff_id: str | None, now: datetime) -> ColumnElement[bool]:
    is_closed = or_(
        Conversation.closed_at.is_not(None),
        and_(
            Conversation.waiting_since.is_(None),
            Delivery.status.in_(_ENDED),
            Delivery.status_at < now - SUPPORT_AFTER_END,
        ),
    )
    conditions: dict[Queue, ColumnElement[bool]] = {
        "unanswered": Conversation.waiting_since.is_not(None),
        "mine": and_(or_(Conversation.assigned_to == staff_id, Conversation.taken_over_by == staff_id), ~is_closed),
        # Support has spoken and the recipient's answer is awaited.
        "waiting": and_(Conversation.waiting_since.is_(None), Conversation.support_joined_at.is_not(None), ~is_closed),
        "cases": exists().where(Case.delivery_id == Conversation.delivery_id, _IS_OPEN_CASE),
        "all": Conversation.last_message_at.is_not(None),
        "closed": is_closed,
    }
    return conditions[queue]


def _matches(query: str) -> ColumnElement[bool]:
    """Return the condition as one list of ids, made once: an OR over three tables would be tried row by row."""
    wanted = query.strip()[:MAX_QUERY_LENGTH]
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    pattern = f"%{escaped}%"
    either: list[ColumnElement[bool]] = [
        Delivery.recipient_name.ilike(pattern, escape="\\"),
        Delivery.reference.ilike(pattern, escape="\\"),
    ]
    digits = "".join(letter for letter in wanted if letter in "0123456789")
    is_number = all(letter in "0123456789+-(). /" for letter in wanted)
    if is_number and len(digits) >= LEAST_PHONE_DIGITS:
        national = digits.lstrip("0")
        either.append(or_(Delivery.phone == f"+{digits}", Delivery.phone.like(f"%{national}")))
    said = select(ChatMessage.conversation_id).where(ChatMessage.body.ilike(pattern, escape="\\"))
    return Conversation.id.in_(union(said, select(Delivery.id).where(or_(*either))))


def _last_lines(session: Session, ids: list[str]) -> dict[str, ChatMessage]:
    newest = (
        select(func.max(ChatMessage.id))
        .where(ChatMessage.conversation_id.in_(ids), ChatMessage.is_internal.is_(False))
        .group_by(ChatMessage.conversation_id)
    )
    lines = session.scalars(select(ChatMessage).where(ChatMessage.id.in_(newest)))
    return {line.conversation_id: line for line in lines}


def _unread(session: Session, ids: list[str]) -> dict[str, int]:
    statement = (
        select(ChatMessage.conversation_id, func.count())
        .where(
            ChatMessage.conversation_id.in_(ids),
            ChatMessage.voice.in_((Voice.RECIPIENT, Voice.DRIVER)),
            ChatMessage.seen_by_staff_at.is_(None),
        )
        .group_by(ChatMessage.conversation_id)
    )
    return dict(session.execute(statement).all())


def _row(row: Any, last: dict[str, ChatMessage], unread: dict[str, int], cases: set[str]) -> InboxRow:
    conversation, recipient_name, reference, status, sequence, route_id, route_name, driver_name = row
    line = last.get(conversation.id)
    return InboxRow(
        delivery_id=conversation.delivery_id,
        recipient_name=recipient_name,
        reference=reference,
        status=status,
        route_id=route_id,
        route_name=route_name,
        driver_name=driver_name,
        stop_sequence=sequence,
        last_voice=line.voice if line else None,
        last_body=line.body[:PREVIEW_LENGTH] if line else "",
        last_message_at=conversation.last_message_at,
        waiting_since=conversation.waiting_since,
        assigned_to=conversation.assigned_to,
        taken_over_by=conversation.taken_over_by,
        unread=unread.get(conversation.id, 0),
        has_open_case=conversation.delivery_id in cases,
    )
