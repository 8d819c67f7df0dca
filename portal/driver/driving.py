"""While the truck moves: one message at a time, to be read aloud, with three answers to tap (DESIGN 8)."""

from flask import jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Voice
from messaging.conversations import mark_seen
from messaging.quick_replies import Audience, QuickReply, quick_replies, words_for
from messaging.support import was_taken_over
from portal.driver.day import DayView, load_day
from portal.driver.routing import blueprint
from portal.driver.shift import current_shift
from portal.i18n import tongue
from portal.services import services
from tracking.deliveries import Delivery
from tracking.facts import chat_changed, publish

ANSWERS = 3
LONGEST_READ = 300  # characters read aloud; the rest waits for the next stop (our choice)


@blueprint.get("/aloud")
def aloud() -> ResponseReturnValue:
    """Give the oldest line the driver has not seen, with its language; null when there is none."""
    mine = services()
    with mine.database.reading() as session:
        day = load_day(session, current_shift(session).route_id, mine.clock.now())
        line = _oldest(session, [found.id for found in day.deliveries if found.unread])
        told = _told(session, day, line) if line is not None else None
    return jsonify(told)


@blueprint.post("/deliveries/<delivery_id>/heard")
def heard(delivery_id: str) -> ResponseReturnValue:
    """Note that the lines of one chat were read aloud: they are seen, and no text follows to the phone."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        load_day(session, current_shift(session).route_id, now).delivery(delivery_id)
        is_news = mark_seen(session, delivery_id, reader=Voice.DRIVER, now=now)
    if is_news:
        publish(mine.redis, [chat_changed(delivery_id)])
    return "", 204


def _oldest(session: Session, delivery_ids: list[str]) -> ChatMessage | None:
    statement = select(ChatMessage).where(
        ChatMessage.conversation_id.in_(delivery_ids),
        ChatMessage.voice.in_([Voice.RECIPIENT, Voice.SUPPORT]),
        ChatMessage.is_internal.is_(False),
        ChatMessage.seen_by_driver_at.is_(None),
    )
    return session.scalar(statement.order_by(ChatMessage.id).limit(1))


def _told(session: Session, day: DayView, line: ChatMessage) -> dict[str, object]:
    """Return what is said and what can be answered, in the driver's language and the recipient's.

    There is nothing to answer while support answers this recipient.
    """
    found, speak = day.delivery(line.conversation_id), tongue(day.locale)
    theirs = session.get_one(Delivery, line.conversation_id).locale
    words = words_for(session, line.body, day.locale)
    is_support = line.voice is Voice.SUPPORT
    who = speak.say("Support, about stop %(n)s", n=found.stop_number) if is_support else ""
    who = who or speak.say("%(name)s, stop %(n)s", name=found.name or found.reference, n=found.stop_number)
    is_answered = was_taken_over(session, found.id)
    replies: tuple[QuickReply, ...] = () if is_answered else quick_replies(session, Audience.DRIVER)[:ANSWERS]
    return {
        "line": line.id,
        "delivery": found.id,
        "stop": found.stop_id,
        "who": who,
        "intro": speak.say("Message from %(who)s.", who=who),
        "text": words[:LONGEST_READ],
        "lang": speak.language_tag if words != line.body or is_support else tongue(theirs).language_tag,
        "own_lang": speak.language_tag,
        "note": speak.say("Support answers. You need not.") if is_answered else "",
        "answers": [{"say": reply.text(day.locale), "send": reply.text(theirs)} for reply in replies],
    }
