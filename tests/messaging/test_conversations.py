import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.chat_lines import EmptyMessage, MessageTooLong
from messaging.conversations import (
    ChatMessage,
    Conversation,
    ConversationClosed,
    Origin,
    VersionConflict,
    Voice,
    assign,
    hand_back,
    join,
    mark_seen,
    note_event,
    say,
    settle,
    take_over,
    thread,
)
from messaging.kinds import Channel, Kind
from messaging.moved_lines import move_line
from messaging.notifications import Notification, NotificationStatus
from tests.builders import local, make_delivery, make_route
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.errors import NotFound
from tracking.routes import RouteStatus
from tracking.storage import Database

NOW = local("10:00")


def under_way(session: Session, **columns: object) -> Delivery:
    """Return a delivery that is out for delivery on a started route."""
    route = make_route(session, status=RouteStatus.STARTED, started_at=local("09:00"))
    return make_delivery(session, route=route, status=DeliveryStatus.OUT_FOR_DELIVERY, **columns)


def speak(session: Session, delivery: Delivery, voice: Voice, body: str = "Hello", **options: object) -> ChatMessage:
    """Say something on a page."""
    given = {"origin": Origin.PAGE, "actor_id": voice.value, "now": NOW, **options}
    return say(session, delivery_id=delivery.id, voice=voice, body=body, **given)  # type: ignore[arg-type]


def carrier(session: Session, delivery: Delivery) -> Notification:
    """Return the one chat text of a delivery."""
    statement = select(Notification).where(Notification.delivery_id == delivery.id, Notification.kind == Kind.CHAT)
    return session.scalars(statement).one()


def test_a_line_is_in_the_thread_of_all_three(session: Session) -> None:
    delivery = under_way(session, recipient_name="Anna Berg")
    speak(session, delivery, Voice.RECIPIENT, "The gate code is 4412")
    authors = {}
    for audience in (Voice.RECIPIENT, Voice.DRIVER, Voice.SUPPORT):
        (line,) = thread(session, delivery.id, audience=audience, now=NOW).lines
        assert line.body == "The gate code is 4412"
        assert line.is_mine is (audience is Voice.RECIPIENT)
        authors[audience] = line.author
    assert authors == {Voice.RECIPIENT: "Anna", Voice.DRIVER: "Anna", Voice.SUPPORT: "Anna Berg"}


def test_a_thread_nobody_wrote_in_is_empty_and_open(session: Session) -> None:
    found = thread(session, under_way(session).id, audience=Voice.RECIPIENT, now=NOW)
    assert (found.lines, found.version, found.state.with_whom) == ((), 1, "driver")


def test_a_repeated_request_is_said_once(database: Database) -> None:
    with database.writing() as session:
        delivery = under_way(session)
        first = speak(session, delivery, Voice.RECIPIENT, request_id="tap-1")
    with database.writing() as session:
        assert speak(session, delivery, Voice.RECIPIENT, "Hello again", request_id="tap-1").id == first.id
        assert len(thread(session, delivery.id, audience=Voice.SUPPORT, now=NOW).lines) == 1


def test_the_same_request_id_of_somebody_else_is_another_request(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT, request_id="1")
    assert speak(session, delivery, Voice.DRIVER, "I am here", request_id="1").body == "I am here"


@pytest.mark.parametrize("body", ["", "   \n\t ", "\u200b\u200e", "\x00\x07"])
def test_nothing_readable_is_refused(session: Session, body: str) -> None:
    with pytest.raises(EmptyMessage, match="Write something first"):
        speak(session, under_way(session), Voice.RECIPIENT, body)


def test_ten_thousand_characters_are_refused_with_the_limit(session: Session) -> None:
    with pytest.raises(MessageTooLong, match="1,000 characters"):
        speak(session, under_way(session), Voice.RECIPIENT, "x" * 10_000)


def test_markup_and_right_to_left_text_are_kept_and_control_characters_are_not(session: Session) -> None:
    said = "<script>alert(1)</script>\n\u202eשלום\x00\x1b[31m"
    line = speak(session, under_way(session), Voice.RECIPIENT, said)
    assert line.body == "<script>alert(1)</script>\n\u202eשלום[31m"


def test_an_unknown_delivery_has_no_thread(session: Session) -> None:
    with pytest.raises(NotFound):
        say(session, delivery_id="f" * 32, voice=Voice.SUPPORT, origin=Origin.PAGE, actor_id="s", body="Hi", now=NOW)


def test_a_recipients_line_goes_to_the_drivers_phone_after_two_minutes(session: Session) -> None:
    delivery = under_way(session, recipient_name="Anna Berg")
    speak(session, delivery, Voice.RECIPIENT, "Ring twice")
    text = carrier(session, delivery)
    assert text.to_address == delivery.stop.route.driver.phone
    assert text.due_at == NOW + timedelta(minutes=2)
    assert text.context["text"] == "Stop 1 Anna: Ring twice"


def test_a_line_the_driver_saw_is_not_texted(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT)
    assert mark_seen(session, delivery.id, reader=Voice.DRIVER, now=NOW + timedelta(seconds=40))
    assert carrier(session, delivery).status is NotificationStatus.WITHDRAWN
    (line,) = thread(session, delivery.id, audience=Voice.RECIPIENT, now=NOW).lines
    assert line.seen == "Seen by the driver 10:00\N{NO-BREAK SPACE}am"


def test_seeing_again_changes_nothing(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT)
    mark_seen(session, delivery.id, reader=Voice.DRIVER, now=NOW)
    assert not mark_seen(session, delivery.id, reader=Voice.DRIVER, now=NOW + timedelta(minutes=1))


def test_support_looking_does_not_keep_the_line_from_the_driver(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT)
    mark_seen(session, delivery.id, reader=Voice.SUPPORT, now=NOW)
    assert carrier(session, delivery).status is NotificationStatus.DUE


def test_the_recipient_looking_does_not_keep_her_own_line_from_the_driver(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT)
    mark_seen(session, delivery.id, reader=Voice.RECIPIENT, now=NOW)
    assert carrier(session, delivery).status is NotificationStatus.DUE


def test_a_drivers_line_goes_to_the_recipient_after_half_a_minute_without_a_number(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.DRIVER, "I am at the gate")
    text = carrier(session, delivery)
    assert (text.to_address, text.channel) == (delivery.phone, Channel.SMS)
    assert text.due_at == NOW + timedelta(seconds=30)
    assert text.context["text"] == "Dana (driver): I am at the gate"
    assert delivery.stop.route.driver.phone not in str(text.context)


def test_a_recipient_without_a_phone_gets_the_line_by_mail(session: Session) -> None:
    delivery = under_way(session, phone=None)
    speak(session, delivery, Voice.SUPPORT, "We looked into it")
    assert (carrier(session, delivery).to_address, carrier(session, delivery).channel) == (
        delivery.email,
        Channel.EMAIL,
    )


def test_a_line_read_on_the_page_is_not_texted_to_the_recipient(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.DRIVER)
    mark_seen(session, delivery.id, reader=Voice.RECIPIENT, now=NOW + timedelta(seconds=5))
    assert carrier(session, delivery).status is NotificationStatus.WITHDRAWN


def test_an_internal_note_is_for_support_only_and_goes_nowhere(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.SUPPORT, "Angry on the phone", is_internal=True)
    assert not thread(session, delivery.id, audience=Voice.RECIPIENT, now=NOW).lines
    assert not thread(session, delivery.id, audience=Voice.DRIVER, now=NOW).lines
    assert thread(session, delivery.id, audience=Voice.SUPPORT, now=NOW).lines[0].is_internal
    assert session.scalar(select(Notification.id)) is None


def test_the_second_of_two_agents_is_refused_and_shown_what_changed(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT)
    version = thread(session, delivery.id, audience=Voice.SUPPORT, now=NOW).version
    speak(session, delivery, Voice.SUPPORT, "From Bo", actor_id="bo", expected_version=version)
    with pytest.raises(VersionConflict) as refused:
        speak(session, delivery, Voice.SUPPORT, "From Cy", actor_id="cy", expected_version=version)
    assert [line.body for line in refused.value.lines] == ["From Bo"]
    speak(session, delivery, Voice.SUPPORT, "From Cy", actor_id="cy", expected_version=refused.value.version)


def test_system_lines_and_ones_own_refuse_nobody(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.SUPPORT, "One", actor_id="bo", expected_version=1)
    note_event(session, delivery.id, "Arrived at the door.", NOW)
    assert speak(session, delivery, Voice.SUPPORT, "Two", actor_id="bo", expected_version=1).body == "Two"


def test_an_event_with_the_same_key_is_noted_once(session: Session) -> None:
    delivery = under_way(session)
    for _ in range(2):
        note_event(session, delivery.id, "Delayed by traffic.", NOW, key="promise-7")
    (line,) = thread(session, delivery.id, audience=Voice.RECIPIENT, now=NOW).lines
    assert (line.voice, line.author, line.body) == (Voice.SYSTEM, "", "Delayed by traffic.")


def test_a_recipient_waits_until_somebody_answers(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT)
    speak(session, delivery, Voice.RECIPIENT, "Anybody?", now=NOW + timedelta(minutes=3))
    assert session.get_one(Conversation, delivery.id).waiting_since == NOW
    speak(session, delivery, Voice.SUPPORT, "A note", is_internal=True)
    assert session.get_one(Conversation, delivery.id).waiting_since == NOW
    speak(session, delivery, Voice.DRIVER, "Yes")
    assert session.get_one(Conversation, delivery.id).waiting_since is None


def test_support_can_say_that_nothing_needs_an_answer(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT, "Thanks!")
    assert settle(session, delivery.id, "bo", NOW)
    assert not settle(session, delivery.id, "bo", NOW)


def test_taking_over_is_seen_by_all_and_keeps_lines_from_the_drivers_phone(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT, "Where are you?")
    assert take_over(session, delivery.id, "bo", NOW)
    assert carrier(session, delivery).status is NotificationStatus.WITHDRAWN
    speak(session, delivery, Voice.RECIPIENT, "Hello?")
    carrier(session, delivery)  # still the one of before
    driver = thread(session, delivery.id, audience=Voice.DRIVER, now=NOW)
    assert driver.state.code == "taken_over"
    assert "Support has taken over the conversation." in [line.body for line in driver.lines]
    assert thread(session, delivery.id, audience=Voice.RECIPIENT, now=NOW).state.with_whom == "support"


def test_handing_back_gives_the_thread_to_the_driver(session: Session) -> None:
    delivery = under_way(session)
    take_over(session, delivery.id, "bo", NOW)
    assert hand_back(session, delivery.id, "bo", NOW)
    assert not hand_back(session, delivery.id, "bo", NOW)
    assert thread(session, delivery.id, audience=Voice.RECIPIENT, now=NOW).state.with_whom == "driver"


def test_joining_is_told_once_and_assigns_who_joined(session: Session) -> None:
    delivery = under_way(session)
    assert join(session, delivery.id, "bo", NOW)
    assert not join(session, delivery.id, "cy", NOW)
    assert thread(session, delivery.id, audience=Voice.SUPPORT, now=NOW).assigned_to == "bo"
    assign(session, delivery.id, "cy", NOW)
    assert thread(session, delivery.id, audience=Voice.SUPPORT, now=NOW).assigned_to == "cy"


def test_a_closed_chat_refuses_the_recipient_with_the_companys_contact(session: Session) -> None:
    delivery = make_delivery(session, status=DeliveryStatus.DELIVERED, delivered_at=NOW)
    later = NOW + timedelta(hours=25)
    with pytest.raises(ConversationClosed, match=r"closed.*\+12125550199"):
        speak(session, delivery, Voice.RECIPIENT, now=later, contact="+12125550199")
    assert speak(session, delivery, Voice.SUPPORT, "We are still here", now=later)


def test_a_driver_cannot_write_after_the_delivery(session: Session) -> None:
    route = make_route(session, status=RouteStatus.STARTED)
    delivery = make_delivery(session, route=route, status=DeliveryStatus.DELIVERED, delivered_at=NOW)
    with pytest.raises(ConversationClosed, match="Support has it now"):
        speak(session, delivery, Voice.DRIVER)


def test_before_the_route_starts_support_reads_and_no_driver_is_texted(session: Session) -> None:
    delivery = make_delivery(session)
    speak(session, delivery, Voice.RECIPIENT, "Can it be earlier?")
    assert session.scalar(select(Notification.id)) is None
    assert thread(session, delivery.id, audience=Voice.RECIPIENT, now=NOW).state.code == "before"


def test_a_recipient_who_writes_has_seen_the_delivery(session: Session) -> None:
    delivery = under_way(session)
    speak(session, delivery, Voice.RECIPIENT)
    assert delivery.seen_at == NOW


def test_a_moved_line_is_said_where_it_belongs_and_not_texted_to_the_wrong_driver(session: Session) -> None:
    wrong, right = under_way(session), under_way(session)
    line = speak(session, wrong, Voice.RECIPIENT, "The sofa goes upstairs")
    places = {"from_delivery_id": wrong.id, "to_delivery_id": right.id}
    assert move_line(session, line.id, staff_id="bo", now=NOW, **{**places, "from_delivery_id": right.id}) is None
    moved = move_line(session, line.id, staff_id="bo", now=NOW, **places)
    assert moved is not None
    waiting = [session.get_one(Conversation, delivery.id).waiting_since for delivery in (wrong, right)]
    assert waiting == [None, NOW]
    assert carrier(session, wrong).status is NotificationStatus.WITHDRAWN
    assert not thread(session, wrong.id, audience=Voice.DRIVER, now=NOW).lines
    assert [one.body for one in thread(session, right.id, audience=Voice.DRIVER, now=NOW).lines] == [
        "The sofa goes upstairs"
    ]


def test_of_two_agents_at_the_same_moment_one_is_refused(database: Database) -> None:
    with database.writing() as session:
        delivery = under_way(session)
        speak(session, delivery, Voice.RECIPIENT)
    together = threading.Barrier(2, timeout=20)

    def answer(agent: str) -> str:
        together.wait()
        try:
            with database.writing() as session:
                speak(session, delivery, Voice.SUPPORT, f"From {agent}", actor_id=agent, expected_version=2)
        except VersionConflict as refused:
            return refused.lines[-1].body
        return "sent"

    with ThreadPoolExecutor(2) as agents:
        answers = sorted(agents.map(answer, ("bo", "cy")), reverse=True)
    assert answers[0] == "sent"
    assert answers[1] in {"From bo", "From cy"}


def test_two_first_lines_at_the_same_moment_make_one_thread(database: Database) -> None:
    with database.writing() as session:
        delivery = under_way(session)
    together = threading.Barrier(2, timeout=20)

    def write(voice: Voice) -> None:
        together.wait()
        with database.writing() as session:
            speak(session, delivery, voice, f"From {voice}")

    with ThreadPoolExecutor(2) as people:
        list(people.map(write, (Voice.RECIPIENT, Voice.DRIVER)))
    with database.reading() as session:
        found = thread(session, delivery.id, audience=Voice.SUPPORT, now=NOW)
        assert {line.body for line in found.lines} == {"From recipient", "From driver"}
        assert found.version == 3
