"""What the streams of staff pages say, and attempts without Redis."""

import pytest
from redis import Redis

from messaging.chat_lines import Origin, Voice
from messaging.conversations import say
from messaging.support import settle
from portal import presence
from portal.attempts import ACCOUNT_AT_ADDRESS, Attempts
from portal.services import Services
from portal.staff.topics import ConversationTopic, FleetTopic, InboxTopic
from portal.topics import Topic
from tests.portal.staff_day import StaffDay, build_day
from tracking.facts import chat_changed, delivery_changed, inbox_changed, presence_changed, route_changed
from tracking.ids import new_id


@pytest.fixture
def day(services: Services) -> StaffDay:
    with services.database.writing() as session:
        return build_day(session, now=services.clock.now(), ids=new_id)


def fragments(topic: Topic, services: Services) -> list[str]:
    with services.database.reading() as session:
        return topic.snapshot(session, services, services.clock.now()).fragments


def test_a_new_line_changes_the_inbox_and_its_own_conversation_but_no_other(services: Services, day: StaffDay) -> None:
    topics: list[Topic] = [
        InboxTopic("", "en"),
        ConversationTopic(day.chatty, "en"),
        ConversationTopic(day.delivered, "en"),
    ]
    before = [fragments(topic, services)[1] for topic in topics]
    with services.database.writing() as session:
        say(
            session,
            delivery_id=day.chatty,
            voice=Voice.RECIPIENT,
            origin=Origin.PAGE,
            actor_id="",
            body="Hello?",
            now=services.clock.now(),
        )
    after = [fragments(topic, services)[1] for topic in topics]

    assert [old != new for old, new in zip(before, after, strict=True)] == [True, True, False]


def test_lines_that_were_read_and_words_that_need_no_answer_change_the_inbox(services: Services, day: StaffDay) -> None:
    inbox = InboxTopic("", "en")
    marks = [fragments(inbox, services)[1]]
    presence.note_read(services.redis)
    marks.append(fragments(inbox, services)[1])
    with services.database.writing() as session:
        settle(session, day.chatty, "bo", services.clock.now())
    marks.append(fragments(inbox, services)[1])
    presence.note(services.redis, day.chatty, "bo", is_writing=False, elapsed_s=services.clock.elapsed())
    marks.append(fragments(inbox, services)[1])

    assert len(set(marks)) == len(marks)


def test_who_opens_a_conversation_changes_it_for_the_others(services: Services, day: StaffDay) -> None:
    topic = ConversationTopic(day.chatty, "en")
    before = fragments(topic, services)[1]
    presence.note(services.redis, day.chatty, "bo", is_writing=True, elapsed_s=services.clock.elapsed())

    assert topic.concerns(presence_changed(day.chatty))
    assert fragments(topic, services)[1] != before


def test_the_counts_come_with_every_stream_and_name_nobody(services: Services, day: StaffDay) -> None:
    for topic in (InboxTopic("", "en"), FleetTopic("", "en"), ConversationTopic(day.chatty, "en")):
        shown = " ".join(fragments(topic, services))
        assert 'data-unanswered="3"' in shown
        assert "Dana" not in shown


def test_a_topic_hears_only_what_it_shows(day: StaffDay) -> None:
    conversation, fleet, inbox = ConversationTopic(day.chatty, "en"), FleetTopic("", "en"), InboxTopic("", "en")

    assert conversation.concerns(chat_changed(day.chatty))
    assert not conversation.concerns(chat_changed(day.late))
    assert fleet.concerns(route_changed(day.route))
    assert not fleet.concerns(inbox_changed())
    assert inbox.concerns(inbox_changed())
    assert inbox.concerns(delivery_changed(day.late))


def test_without_redis_attempts_are_counted_in_this_process() -> None:
    away = Redis(port=9, socket_connect_timeout=0.2)
    attempts = Attempts(away)
    who = {"account": "a@example.net", "address": "192.0.2.1"}

    for _ in range(ACCOUNT_AT_ADDRESS):
        assert not attempts.are_used_up(**who, elapsed_s=1000.0)
        attempts.failed(**who, elapsed_s=1000.0)

    assert attempts.are_used_up(**who, elapsed_s=1000.0)
    assert not attempts.are_used_up(account="a@example.net", address="192.0.2.2", elapsed_s=1000.0)
    away.close()
