"""Threads: what a conversation looks like to the recipient, the driver or support."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from babel import Locale
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Conversation, Origin, Voice, first_name
from messaging.chat_pictures import NO_WORDS, Shown, pictures_of
from messaging.chat_states import ChatState, chat_state, facts_of
from messaging.clock_words import SOURCE_LANGUAGE, clock_words
from messaging.fixed_lines import fixed_in
from messaging.inbound_texts import InboundMessage
from messaging.notifications import Notification
from messaging.quick_replies import QuickReply, all_replies, in_language_of
from messaging.relay import carried
from messaging.thread_events import ThreadEvent, events_of, in_language
from tracking.deliveries import Delivery, load

# What became of the text or mail that carries a line: it is out, or it came to nothing.
OUT = frozenset({"accepted", "sent", "delivered"})
LOST = frozenset({"undelivered", "failed", "suppressed", "expired"})
# Built once: these are read for every page.
_CONVERSATION = select(Conversation).where(Conversation.id == bindparam("delivery_id"))
_LINES = (
    select(ChatMessage)
    .where(ChatMessage.conversation_id == bindparam("delivery_id"))
    .order_by(ChatMessage.id.desc())
    .limit(bindparam("limit"))
)
_LINES_BUT_NOTES = _LINES.where(ChatMessage.is_internal.is_(False))
_FORMATS = Locale(SOURCE_LANGUAGE)
_OWN_WORDS = {Voice.RECIPIENT: "recipient", Voice.DRIVER: "driver", Voice.SUPPORT: "support"}


@dataclass(frozen=True, slots=True)
class ChatLine:
    """One line as this reader may see it.

    ``id`` is negative for what happened to the goods between the lines.
    ``author`` is a display name, empty for the system. ``seen`` is an English sentence ("Seen by the driver 2:03 pm",
    in the address's time), ``seen_by`` and ``seen_at`` the same for a translation. ``carried_by`` and
    ``carried_status`` say what text or mail was planned for it. ``assumed`` is for support: why a text was put in this
    thread. A line of ours, or one that was tapped, is in the reader's language; one that is a picture only has no
    words.
    """

    id: int
    voice: Voice
    is_mine: bool
    author: str
    body: str
    at: datetime
    origin: Origin
    seen: str | None
    seen_by: str | None
    seen_at: datetime | None
    is_internal: bool
    actor_id: str
    carried_by: str | None
    carried_status: str | None
    assumed: str
    pictures: tuple[Shown, ...] = ()


@dataclass(frozen=True, slots=True)
class Thread:
    """The newest lines, oldest first, what the reader may do, and the version to send with."""

    lines: tuple[ChatLine, ...]
    state: ChatState
    version: int
    waiting_since: datetime | None
    assigned_to: str | None
    taken_over_by: str | None
    unseen: int

    @property
    def is_taken_over(self) -> bool:
        """True when the reader may write, and support answers instead of the driver."""
        return self.state.code == "taken_over"


def thread(
    session: Session,
    delivery_id: str,
    *,
    audience: Voice,
    now: datetime,
    limit: int = 50,
    contact: str = "",
    driver_is_moving: bool = False,
) -> Thread:
    """Return the thread of a delivery; raises ``NotFound``. One that nobody wrote in yet is empty.

    ``contact`` is the company's, told when the thread is closed.
    """
    return thread_of(
        session,
        load(session, delivery_id),
        audience=audience,
        now=now,
        limit=limit,
        contact=contact,
        driver_is_moving=driver_is_moving,
    )


def thread_of(
    session: Session,
    delivery: Delivery,
    *,
    audience: Voice,
    now: datetime,
    limit: int = 50,
    contact: str = "",
    driver_is_moving: bool = False,
) -> Thread:
    """Return the same of a delivery that was loaded whole."""
    delivery_id = delivery.id
    conversation = session.scalar(_CONVERSATION, {"delivery_id": delivery_id})
    is_taken_over = conversation is not None and conversation.taken_over_by is not None
    facts = facts_of(delivery, is_taken_over=is_taken_over, driver_is_moving=driver_is_moving)
    lines = _newest(session, delivery_id, audience, limit) if conversation is not None else []
    carriers = carried(session, delivery_id, [line.id for line in lines])
    assumed = _assumptions(session, lines) if audience is Voice.SUPPORT else {}
    replies = all_replies(session) if lines else ()
    read = _Read(delivery, audience, carriers, assumed, pictures_of(session, lines), replies)
    shown = [_shown(line, read) for line in lines]
    return Thread(
        lines=_with_events(session, delivery, audience, shown),
        state=chat_state(facts, audience=audience, now=now, contact=contact),
        version=conversation.version if conversation else 1,
        waiting_since=conversation.waiting_since if conversation else None,
        assigned_to=conversation.assigned_to if conversation else None,
        taken_over_by=conversation.taken_over_by if conversation else None,
        unseen=sum(1 for line in lines if line.voice is not audience and _seen_by(line, audience) is None),
    )


def _with_events(
    session: Session, delivery: Delivery, audience: Voice, shown: Sequence[ChatLine]
) -> tuple[ChatLine, ...]:
    """Return the lines with what happened between them; the driver knows, and sees words only."""
    if audience is Voice.DRIVER:
        return tuple(shown)
    locale = delivery.locale if audience is Voice.RECIPIENT else "en"
    first_at = shown[0].at if shown else None
    events = [event for event in events_of(session, delivery, locale) if first_at is None or event.at >= first_at]
    return tuple(sorted([*shown, *(_told(event) for event in events)], key=lambda line: line.at))


def _told(event: ThreadEvent) -> ChatLine:
    return ChatLine(
        id=event.id,
        voice=Voice.SYSTEM,
        is_mine=False,
        author="",
        body=event.text,
        at=event.at,
        origin=Origin.SYSTEM,
        seen=None,
        seen_by=None,
        seen_at=None,
        is_internal=False,
        actor_id="",
        carried_by=None,
        carried_status=None,
        assumed="",
    )


def _newest(session: Session, delivery_id: str, audience: Voice, limit: int) -> list[ChatMessage]:
    statement = _LINES if audience is Voice.SUPPORT else _LINES_BUT_NOTES
    newest = session.scalars(statement, {"delivery_id": delivery_id, "limit": limit})
    return list(newest)[::-1]


def _assumptions(session: Session, lines: Sequence[ChatMessage]) -> dict[str, str]:
    wanted = [line.inbound_id for line in lines if line.inbound_id]
    if not wanted:
        return {}
    rows = session.execute(select(InboundMessage.id, InboundMessage.assumed).where(InboundMessage.id.in_(wanted)))
    return dict(rows.all())


def _seen_by(line: ChatMessage, reader: Voice) -> datetime | None:
    if reader is Voice.RECIPIENT:
        return line.seen_by_recipient_at
    return line.seen_by_driver_at if reader is Voice.DRIVER else line.seen_by_staff_at


@dataclass(frozen=True, slots=True)
class _Read:
    """What a thread's lines are shown with."""

    delivery: Delivery
    audience: Voice
    carriers: dict[int, Notification]
    assumed: dict[str, str]
    pictures: dict[int, tuple[Shown, ...]]
    replies: tuple[QuickReply, ...]


def _shown(line: ChatMessage, read: _Read) -> ChatLine:
    reader, seen_at = _first_reader(line)
    carrier = read.carriers.get(line.id)
    pictures = read.pictures.get(line.id, ())
    return ChatLine(
        id=line.id,
        voice=line.voice,
        is_mine=line.voice is read.audience,
        author=_author(line, read.delivery, read.audience),
        body="" if pictures and line.body == NO_WORDS else _words(line, read),
        at=line.at,
        origin=line.origin,
        seen=_seen_sentence(reader, seen_at, read.delivery.zone),
        seen_by=reader,
        seen_at=seen_at,
        is_internal=line.is_internal,
        actor_id=line.actor_id if read.audience is Voice.SUPPORT else "",
        carried_by=carrier.channel.value if carrier else None,
        carried_status=carrier.status.value if carrier else None,
        assumed=read.assumed.get(line.inbound_id or "", ""),
        pictures=pictures,
    )


def _words(line: ChatMessage, read: _Read) -> str:
    """Return what a line says to this reader. Support reads what was sent."""
    locale = _locale_of(read.audience, read.delivery)
    if line.voice is Voice.SYSTEM:
        return in_language(line.body, locale, is_recipient=read.audience is Voice.RECIPIENT)
    if read.audience is Voice.SUPPORT:
        return line.body
    return fixed_in(line.body, locale) or in_language_of(read.replies, line.body, locale) or line.body


def _locale_of(audience: Voice, delivery: Delivery) -> str:
    """Return the reader's language; staff read English."""
    if audience is Voice.RECIPIENT:
        return delivery.locale
    return delivery.stop.route.driver.locale if audience is Voice.DRIVER else "en"


def _first_reader(line: ChatMessage) -> tuple[str | None, datetime | None]:
    """Return who of those it was written for saw the line first, and when."""
    if line.voice is Voice.SYSTEM or line.is_internal:
        return None, None
    if line.voice is not Voice.RECIPIENT:
        seen_at = line.seen_by_recipient_at
        return (_OWN_WORDS[Voice.RECIPIENT], seen_at) if seen_at else (None, None)
    seen = [
        (at, reader)
        for at, reader in ((line.seen_by_driver_at, Voice.DRIVER), (line.seen_by_staff_at, Voice.SUPPORT))
        if at is not None
    ]
    if not seen:
        return None, None
    at, who = min(seen)
    return _OWN_WORDS[who], at


def _seen_sentence(reader: str | None, seen_at: datetime | None, zone: str) -> str | None:
    if reader is None or seen_at is None:
        return None
    who = "support" if reader == "support" else f"the {reader}"
    return f"Seen by {who} {clock_words(seen_at, zone, _FORMATS)}"


def _author(line: ChatMessage, delivery: Delivery, audience: Voice) -> str:
    """Return a first name among recipient and driver, the whole name for support; numbers never."""
    if line.voice is Voice.SYSTEM:
        return ""
    if line.voice is Voice.SUPPORT:
        return "Support"
    name = delivery.recipient_name if line.voice is Voice.RECIPIENT else delivery.stop.route.driver.name
    return name if audience is Voice.SUPPORT else first_name(name)
