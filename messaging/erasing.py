"""Erasing: what messages, chats, ratings and cases know of a person goes. Counts, times and who opted out stay.

What is on its way, or in doubt, is marked and left until its fate is known; then the night erases it. Meanwhile it is
never sent again, and nobody of staff is asked to reach the person.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Update, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from messaging.cases import Case, Task
from messaging.channels.names import TWILIO
from messaging.chat_lines import ChatMessage, Conversation
from messaging.chat_pictures import ChatPicture
from messaging.consent import ConsentEvent, contact_hash
from messaging.inbound_texts import InboundMessage, Question
from messaging.kinds import Channel
from messaging.notifications import ERASE, Notification, NotificationStatus, advance
from messaging.ratings import Rating, RatingWord
from messaging.redactions import ask_redactions
from messaging.wishes import Wish
from tracking.deliveries import Delivery

_S = NotificationStatus
ERASED = "(erased)"
WORDS, ALL = "words", "all"  # what goes of a marked message: a driver's text keeps the driver's number
ON_ITS_WAY = (_S.SENDING, _S.AMBIGUOUS)


@dataclass(frozen=True, slots=True)
class Reach:
    """What to erase: all that is about these deliveries, and all to or from these addresses."""

    delivery_ids: Sequence[str]
    addresses: frozenset[str] = frozenset()


@dataclass(slots=True)
class ErasedWords:
    """How much went, and what could not go yet. ``files`` are hashes of pictures that lines had."""

    messages: int = 0
    inbound: int = 0
    lines: int = 0
    at_provider: int = 0
    on_their_way: int = 0
    files: set[str] = field(default_factory=set)


def count_words(session: Session, reach: Reach) -> dict[str, int]:
    """Return how many messages, inbound texts and chat lines would be erased."""
    lines = ChatMessage.conversation_id.in_(reach.delivery_ids)
    wanted = {"messages": _sent(reach), "inbound": _came(reach), "lines": lines}
    return {name: session.scalar(select(func.count()).where(where)) or 0 for name, where in wanted.items()}


def erase_words(
    session: Session, reach: Reach, *, now: datetime, pepper: str, known: frozenset[str] = frozenset()
) -> ErasedWords:
    """Take a person out of all that was written to and by them, and note what must go at the provider.

    ``known`` are all their addresses: the sentences they opted out by go too, the fact that they did stays.
    """
    erased = ErasedWords()
    _erase_notifications(session, reach, erased, now)
    inbound_ids = _erase_inbound(session, reach, erased, now)
    _erase_chats(session, reach, inbound_ids, erased)
    _erase_judgements(session, reach)
    tasks = or_(Task.delivery_id.in_(reach.delivery_ids), Task.inbound_id.in_(inbound_ids))
    _set(session, update(Task).where(tasks), reason=ERASED, tried="", resolution="")
    still_open = update(Task).where(tasks, Task.resolved_at.is_(None))
    _set(session, still_open, resolved_at=now, resolved_by="system", resolution=ERASED)
    _erase_wording(session, reach.addresses | known, pepper)
    session.flush()
    return erased


def left_over(session: Session, limit: int) -> list[str]:
    """Return ids of erased deliveries that still have messages which were on their way when they were erased."""
    is_theirs = func.coalesce(Notification.context["to"].as_string(), "") != "driver"
    settled = select(Notification.delivery_id).where(
        or_(and_(Notification.to_address.is_not(None), is_theirs), Notification.body != ""),
        Notification.status.not_in(ON_ITS_WAY),
    )
    found = select(Delivery.id).where(Delivery.erased_at.is_not(None), Delivery.id.in_(settled))
    return list(session.scalars(found.limit(limit)))


def erase_marked(session: Session, limit: int, *, now: datetime) -> int:
    """Empty messages that were on their way when their person was erased, and are not any more; return how many."""
    mark = Notification.context[ERASE].as_string()
    settled = select(Notification).where(mark.in_((WORDS, ALL)), Notification.status.not_in(ON_ITS_WAY))
    rows = session.scalars(settled.order_by(Notification.id).limit(limit).with_for_update()).all()
    for row in rows:
        if row.status is _S.DUE:
            advance(session, row.id, _S.WITHDRAWN, reason="the recipient's data was erased")
        _empty(row, keeps_address=row.context[ERASE] == WORDS)
    refs = [row.provider_ref for row in rows if row.provider == TWILIO and row.provider_ref]
    ask_redactions(session, TWILIO, refs, is_whole=True, now=now)
    return len(rows)


def pictures_in_use(session: Session, hashes: Iterable[str]) -> set[str]:
    """Return those of these files that some line still shows."""
    wanted = list(hashes)
    used = select(ChatPicture.sha256, ChatPicture.public_sha256).where(
        or_(ChatPicture.sha256.in_(wanted), ChatPicture.public_sha256.in_(wanted))
    )
    return {sha256 for row in session.execute(used) for sha256 in row if sha256 in wanted}


def _sent(reach: Reach) -> ColumnElement[bool]:
    to_them = Notification.to_address.in_(reach.addresses)
    is_theirs = func.coalesce(Notification.context["to"].as_string(), "") != "driver"
    return and_(
        or_(and_(Notification.delivery_id.in_(reach.delivery_ids), is_theirs), to_them),
        Notification.to_address.is_not(None),
    )


def _came(reach: Reach) -> ColumnElement[bool]:
    return and_(
        or_(InboundMessage.delivery_id.in_(reach.delivery_ids), InboundMessage.from_address.in_(reach.addresses)),
        InboundMessage.from_address != ERASED,
    )


def _erase_notifications(session: Session, reach: Reach, erased: ErasedWords, now: datetime) -> None:
    """Empty what was sent about these deliveries; texts to their driver lose their words too, but not their number."""
    about = or_(Notification.delivery_id.in_(reach.delivery_ids), _sent(reach))
    refs: list[str] = []
    for row in session.scalars(select(Notification).where(about).order_by(Notification.id).with_for_update()):
        keeps_address = row.context.get("to") == "driver" and row.to_address not in reach.addresses
        if row.status in ON_ITS_WAY:
            row.context = {**row.context, ERASE: WORDS if keeps_address else ALL}
            erased.on_their_way += 1
            continue
        if row.status is _S.DUE:
            advance(session, row.id, _S.WITHDRAWN, reason="the recipient's data was erased")
        if row.provider == TWILIO and row.provider_ref:
            refs.append(row.provider_ref)
        _empty(row, keeps_address=keeps_address)
        erased.messages += 1
    erased.at_provider += ask_redactions(session, TWILIO, refs, is_whole=True, now=now)


def _empty(row: Notification, *, keeps_address: bool) -> None:
    if not keeps_address:
        row.to_address = None
    row.subject, row.body, row.context = "", "", {"to": "driver"} if keeps_address else {}


def _erase_inbound(session: Session, reach: Reach, erased: ErasedWords, now: datetime) -> list[str]:
    rows = session.scalars(select(InboundMessage).where(_came(reach)).with_for_update()).all()
    for row in rows:
        row.from_address, row.body, row.assumed = ERASED, "", ""
        row.read_at = row.read_at or now
    erased.inbound = len(rows)
    refs = [row.provider_ref for row in rows if row.channel is Channel.SMS]
    erased.at_provider += ask_redactions(session, TWILIO, refs, is_whole=True, now=now)
    asked = or_(Question.delivery_id.in_(reach.delivery_ids), Question.address.in_(reach.addresses))
    session.execute(delete(Question).where(asked).execution_options(synchronize_session=False))
    return [row.id for row in rows]


def _erase_chats(session: Session, reach: Reach, inbound_ids: Sequence[str], erased: ErasedWords) -> None:
    lines = list(session.scalars(select(ChatMessage.id).where(ChatMessage.conversation_id.in_(reach.delivery_ids))))
    pictures = or_(ChatPicture.line_id.in_(lines), ChatPicture.inbound_id.in_(inbound_ids))
    for picture in session.scalars(select(ChatPicture).where(pictures)):
        erased.files |= {sha256 for sha256 in (picture.sha256, picture.public_sha256) if sha256}
    session.execute(delete(ChatPicture).where(pictures).execution_options(synchronize_session=False))
    _set(session, update(ChatMessage).where(ChatMessage.id.in_(lines)), body=ERASED, search_words="")
    talks = update(Conversation).where(Conversation.delivery_id.in_(reach.delivery_ids))
    _set(session, talks, search_about="", waiting_since=None)
    erased.lines = len(lines)


def _erase_judgements(session: Session, reach: Reach) -> None:
    """Scores stay, as numbers of nobody; words go."""
    ids = reach.delivery_ids
    _set(session, update(Rating).where(Rating.delivery_id.in_(ids)), comment="")
    _set(session, update(RatingWord).where(RatingWord.delivery_id.in_(ids)), comment="")
    cases = update(Case).where(Case.delivery_id.in_(ids))
    _set(session, cases, comment="", again_comment="", facts={}, resolution=ERASED)
    _set(session, update(Wish).where(Wish.delivery_id.in_(ids)), place="", words="")


def _erase_wording(session: Session, addresses: frozenset[str], pepper: str) -> None:
    """The ledger keeps that somebody opted out, by hash; not the sentence they said it in."""
    hashes = [contact_hash(address, pepper) for address in addresses]
    _set(session, update(ConsentEvent).where(ConsentEvent.contact_hash.in_(hashes)), wording="")


def _set(session: Session, statement: Update, **values: Any) -> None:
    session.execute(statement.values(**values).execution_options(synchronize_session="fetch"))
