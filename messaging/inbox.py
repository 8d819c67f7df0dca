"""The inbox: conversations in queues, counted and searched, for support."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from messaging.cases import Case, CaseStatus
from messaging.chat_lines import ChatMessage, Conversation, Voice
from messaging.chat_states import SUPPORT_AFTER_END
from messaging.search import Hit, find
from messaging.search_words import Piece, excerpt, query_words
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.drivers import Driver
from tracking.routes import Route
from tracking.stops import Stop

Queue = Literal["unanswered", "mine", "waiting", "cases", "all", "closed"]
QUEUES: tuple[Queue, ...] = ("unanswered", "mine", "waiting", "cases", "all", "closed")
PREVIEW_LENGTH = 120
_ENDED = (DeliveryStatus.DELIVERED, DeliveryStatus.RETURNED, DeliveryStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One conversation in a list. ``unread`` counts lines no one of staff has seen.

    ``found`` is the line a search found, in pieces to mark, and ``found_line`` its id.
    """

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
    found: tuple[Piece, ...] = ()
    found_line: int | None = None


def inbox(
    session: Session,
    *,
    queue: Queue,
    staff_id: str | None,
    query: str | None = None,
    limit: int = 50,
    before: datetime | None = None,
    now: datetime,
    region: str = "US",
) -> list[InboxRow]:
    """Return conversations of a queue: those that wait for us longest first, the others newest first.

    ``query`` searches instead (``search.find``): at most fifty rows, and in "all" also deliveries that nobody has
    written about. ``before`` is the ``last_message_at`` of the last row of the page before (of ``unanswered``: rows
    that wait since a later time).
    """
    if query and query.strip():
        return _searched(session, queue, staff_id, query, now, region)
    statement = _rows().where(_in_queue(queue, staff_id, now))
    if queue == "unanswered":
        statement = statement.order_by(Conversation.waiting_since, Conversation.id)
        if before is not None:
            statement = statement.where(Conversation.waiting_since > before)
    else:
        statement = statement.order_by(Conversation.last_message_at.desc(), Conversation.id)
        if before is not None:
            statement = statement.where(Conversation.last_message_at < before)
    return _filled(session, session.execute(statement.limit(limit)).all())


def _searched(
    session: Session, queue: Queue, staff_id: str | None, query: str, now: datetime, region: str
) -> list[InboxRow]:
    hits = {hit.delivery_id: hit for hit in find(session, query, region=region)}
    statement = _rows(is_outer=True).where(Delivery.id.in_(hits))
    if queue != "all":
        statement = statement.where(_in_queue(queue, staff_id, now))
    order = {delivery_id: number for number, delivery_id in enumerate(hits)}
    found = sorted(session.execute(statement).all(), key=lambda row: order[row.delivery_id])
    return _filled(session, found, hits, query_words(query))


def inbox_counts(session: Session, *, staff_id: str | None, now: datetime) -> dict[str, int]:
    """Return how many conversations each queue holds, from one look at the table."""
    counted = [func.count(case((_in_queue(queue, staff_id, now), 1))) for queue in QUEUES]
    statement = select(*counted).select_from(Conversation).join(Delivery, Delivery.id == Conversation.delivery_id)
    return dict(zip(QUEUES, session.execute(statement).one(), strict=True))


_IS_OPEN_CASE = Case.status == CaseStatus.OPEN


def _rows(*, is_outer: bool = False) -> Any:
    """Select what a row shows; ``is_outer`` with deliveries that have no conversation yet."""
    return (
        select(
            Delivery.id.label("delivery_id"),
            Conversation,
            Delivery.recipient_name,
            Delivery.reference,
            Delivery.status,
            Stop.sequence,
            Route.id,
            Route.name,
            Driver.name,
        )
        .select_from(Delivery)
        .join(Conversation, Conversation.delivery_id == Delivery.id, isouter=is_outer)
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


def _filled(
    session: Session, found: Sequence[Any], hits: Mapping[str, Hit] = MappingProxyType({}), wanted: tuple[str, ...] = ()
) -> list[InboxRow]:
    """Return the rows with what is said in them, in a few queries for all."""
    ids = [row.delivery_id for row in found]
    last, unread = _last_lines(session, ids), _unread(session, ids)
    cases = set(session.scalars(select(Case.delivery_id).where(Case.delivery_id.in_(ids), _IS_OPEN_CASE)))
    line_ids = [hit.line_id for hit in hits.values() if hit.line_id is not None]
    said = dict(session.execute(select(ChatMessage.id, ChatMessage.body).where(ChatMessage.id.in_(line_ids))).all())
    rows = []
    for row in found:
        hit = hits.get(row.delivery_id)
        line_id = hit.line_id if hit else None
        pieces = excerpt(said[line_id], wanted, PREVIEW_LENGTH) if line_id in said else ()
        has_hit = any(piece.is_hit for piece in pieces)
        rows.append(_row(row, last, unread, cases, found=pieces if has_hit else (), line=line_id if has_hit else None))
    return rows


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


def _row(
    row: Any,
    last: dict[str, ChatMessage],
    unread: dict[str, int],
    cases: set[str],
    *,
    found: tuple[Piece, ...],
    line: int | None,
) -> InboxRow:
    delivery_id, talk, recipient_name, reference, status, sequence, route_id, route_name, driver_name = row
    newest = last.get(delivery_id)
    return InboxRow(
        delivery_id=delivery_id,
        recipient_name=recipient_name,
        reference=reference,
        status=status,
        route_id=route_id,
        route_name=route_name,
        driver_name=driver_name,
        stop_sequence=sequence,
        last_voice=newest.voice if newest else None,
        last_body=newest.body[:PREVIEW_LENGTH] if newest else "",
        last_message_at=talk.last_message_at if talk else None,
        waiting_since=talk.waiting_since if talk else None,
        assigned_to=talk.assigned_to if talk else None,
        taken_over_by=talk.taken_over_by if talk else None,
        unread=unread.get(delivery_id, 0),
        has_open_case=delivery_id in cases,
        found=found,
        found_line=line,
    )
