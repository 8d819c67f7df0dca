"""What the driver reads: the day, the chats, and the fragment that says what is new."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from messaging.chat_lines import ChatMessage, Origin, Voice
from messaging.conversations import hand_back, say, take_over
from portal.driver.day import load_day
from portal.driver.news import DriverTopic
from portal.driver.stop_views import short_name
from portal.services import Services
from tests.builders import make_delivery, make_driver, make_route, make_stop
from tests.conftest import NOON
from tests.portal.driver_shift import Shift, prepare
from tracking import facts
from tracking.deliveries import DeliveryStatus, load
from tracking.ids import new_id
from tracking.routes import Route

S = DeliveryStatus


@pytest.fixture
def under_way(services: Services, client: FlaskClient) -> Shift:
    """A started route, opened on this phone."""
    shift = prepare(services, S.OUT_FOR_DELIVERY)
    client.post(shift.path)
    return shift


def chat(client: FlaskClient, shift: Shift, **fields: str) -> TestResponse:
    return client.post(f"/d/deliveries/{shift.delivery_ids[0]}/messages", data=fields)


def say_as_recipient(session: Session, delivery_id: str, body: str) -> None:
    say(
        session,
        delivery_id=delivery_id,
        voice=Voice.RECIPIENT,
        origin=Origin.PAGE,
        actor_id="",
        body=body,
        now=NOON,
    )


def test_the_driver_writes_and_quick_replies_are_lines_too(
    services: Services, client: FlaskClient, under_way: Shift
) -> None:
    answer = chat(client, under_way, body="<b>At</b> the gate", request_id="one")
    assert answer.status_code == 303
    chat(client, under_way, body="<b>At</b> the gate", request_id="one")
    chat(client, under_way, quick="I am at the door.", body="half typed")
    page = client.get(f"/d/stops/{under_way.stop_ids[0]}").text
    fragment = client.get(f"/d/deliveries/{under_way.delivery_ids[0]}/chat").text
    assert "&lt;b&gt;At&lt;/b&gt; the gate" in fragment
    assert fragment.strip() in page
    with services.database.reading() as session:
        assert [line.body for line in session.scalars(select(ChatMessage).order_by(ChatMessage.id))] == [
            "<b>At</b> the gate",
            "I am at the door.",
        ]


def test_scripts_get_the_fragment_back(client: FlaskClient, under_way: Shift) -> None:
    path = f"/d/deliveries/{under_way.delivery_ids[0]}/messages"
    answer = client.post(path, data={"body": "On my way"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert answer.text.startswith(f'<ol id="lines-{under_way.delivery_ids[0]}"')


@pytest.mark.parametrize(("body", "why"), [("  ", "Write something first."), ("long words " * 300, "1,000 characters")])
def test_refused_words_are_in_their_box_again_with_the_reason(
    client: FlaskClient, under_way: Shift, body: str, why: str
) -> None:
    answer = chat(client, under_way, body=body)
    box = re.search(r'<textarea class="input" id="body-[^>]*>(.*?)</textarea>', answer.text, re.S)
    assert answer.status_code == 422
    assert why in answer.text
    assert box is not None
    assert box[1] == body


def test_scripts_get_the_reason_alone(client: FlaskClient, under_way: Shift) -> None:
    path = f"/d/deliveries/{under_way.delivery_ids[0]}/messages"
    answer = client.post(path, data={"body": "x" * 3000}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert "1,000 characters at most" in answer.text


def test_words_that_came_when_the_chat_was_over_are_shown(
    services: Services, client: FlaskClient, under_way: Shift
) -> None:
    with services.database.writing() as session:
        load(session, under_way.delivery_ids[0]).status = S.CANCELLED
    answer = chat(client, under_way, body="Left it at the gate")
    assert answer.status_code == 422
    assert "This chat is closed for you" in answer.text
    assert "Left it at the gate" in answer.text


def test_no_box_of_a_chat_cuts_what_is_pasted(client: FlaskClient, under_way: Shift) -> None:
    page = client.get(f"/d/stops/{under_way.stop_ids[0]}").text
    assert not re.search(r'<textarea[^>]*name="body"[^>]*maxlength', page)


def test_while_support_answers_there_is_nothing_to_tap_and_writing_is_possible(
    services: Services, client: FlaskClient, under_way: Shift
) -> None:
    path, delivery_id = f"/d/stops/{under_way.stop_ids[0]}", under_way.delivery_ids[0]
    assert "quick__reply" in client.get(path).text
    with services.database.writing() as session:
        take_over(session, delivery_id, "s1", NOON)
        say_as_recipient(session, delivery_id, "Who is there?")
    page = client.get(path).text
    assert "Support answers now, so you need not." in page
    assert "Write all the same" in page
    assert "quick__reply" not in page
    heard = client.get("/d/aloud").get_json()
    assert (heard["text"], heard["answers"]) == ("Who is there?", [])
    assert heard["note"] == "Support answers. You need not."
    assert chat(client, under_way, body="I am here").status_code == 303
    with services.database.writing() as session:
        hand_back(session, delivery_id, "s1", NOON)
    assert "quick__reply" in client.get(path).text


def test_unread_lines_are_counted_until_they_are_in_view(
    services: Services, client: FlaskClient, under_way: Shift
) -> None:
    with services.database.writing() as session:
        say_as_recipient(session, under_way.delivery_ids[0], "Are you close?")
    news = client.get("/d/news")
    assert 'data-unread-count="1"' in news.text
    assert "1 new message" in client.get("/d/").text
    assert client.get("/d/news", headers={"If-None-Match": news.headers["ETag"]}).status_code == 304
    assert client.post(f"/d/stops/{under_way.stop_ids[0]}/seen").status_code == 204
    assert 'data-unread-count="0"' in client.get("/d/news").text


def test_the_page_carries_the_fragment_that_the_stream_sends(
    services: Services, client: FlaskClient, under_way: Shift
) -> None:
    topic = DriverTopic(under_way.route_id, "en")
    with services.database.reading() as session:
        snapshot = topic.snapshot(session, services, NOON)
    assert snapshot.fragments[0] in client.get("/d/").text
    assert snapshot.fragments[0] == client.get("/d/news").text
    assert topic.concerns(facts.chat_changed(under_way.delivery_ids[0]))
    assert topic.concerns(facts.route_changed(under_way.route_id))
    assert not topic.concerns(facts.chat_changed("somebody else's"))


def test_the_version_changes_with_the_order_and_not_with_time(services: Services, under_way: Shift) -> None:
    topic = DriverTopic(under_way.route_id, "en")
    with services.database.reading() as session:
        before = topic.snapshot(session, services, NOON)
        later = topic.snapshot(session, services, NOON + timedelta(minutes=3))
    assert before.fragments == later.fragments
    with services.database.writing() as session:
        session.get_one(Route, under_way.route_id).plan_version += 1
    with services.database.reading() as session:
        assert topic.snapshot(session, services, NOON).fragments != before.fragments


def test_the_day_shows_one_route_in_order(services: Services) -> None:
    with services.database.writing() as session:
        route = make_route(session, driver=make_driver(session, name="Kim", phone="+12015550177"))
        later = make_stop(session, route, sequence=5)
        first = make_stop(session, route, sequence=2)
        make_delivery(session, stop=later, status=S.OUT_FOR_DELIVERY, now=NOON)
        make_delivery(session, stop=first, status=S.DELIVERED, now=NOON, id=new_id())
        day = load_day(session, route.id, NOON)
    assert [stop.id for stop in day.stops] == [first.id, later.id]
    assert day.next_stop is not None
    assert (day.next_stop.id, day.next_stop.number) == (later.id, 2)
    assert (day.stops_done, day.delivered_count) == (1, 1)


@pytest.mark.parametrize(
    ("name", "short"), [("Anna Berg", "Anna B."), ("Cher", "Cher"), ("", ""), (" Ana  de la O", "Ana O.")]
)
def test_names_are_shortened(name: str, short: str) -> None:
    assert short_name(name) == short


def test_notes_and_instructions_are_shown_literally(services: Services, client: FlaskClient) -> None:
    shift = prepare(
        services, S.OUT_FOR_DELIVERY, instructions="<script>alert(1)</script>", recipient_note="Gate \u202e4412"
    )
    client.post(shift.path)
    page = client.get(f"/d/stops/{shift.stop_ids[0]}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<bdi>Gate \u202e4412</bdi>" in page


def test_the_driver_sees_a_first_name_and_no_number(services: Services, client: FlaskClient, under_way: Shift) -> None:
    with services.database.reading() as session:
        delivery = load(session, under_way.delivery_ids[0])
    pages = client.get("/d/").text + client.get(f"/d/stops/{under_way.stop_ids[0]}").text
    assert "Anna B." in pages
    for secret in ("Berg", delivery.phone, delivery.email):
        assert str(secret) not in pages


def test_a_stop_that_was_never_loaded_counts_neither_as_done_nor_as_to_do(services: Services) -> None:
    with services.database.writing() as session:
        route = make_route(session, driver=make_driver(session, name="Kim", phone="+12015550177"))
        for status in (S.DELIVERED, S.ATTEMPT_FAILED, S.OUT_FOR_DELIVERY, S.CANCELLED):
            make_delivery(session, stop=make_stop(session, route), status=status, now=NOON)
        make_delivery(session, stop=make_stop(session, route), not_loaded_reason="Not at the depot", now=NOON)
        day = load_day(session, route.id, NOON)
    assert (day.stops_done, day.stops_to_do) == (2, 3)
