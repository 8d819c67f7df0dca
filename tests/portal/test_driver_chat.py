"""What the driver reads: the day, the chats, and the fragment that says what is new."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from messaging.chat_lines import ChatMessage, Origin, Voice
from messaging.conversations import say
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


@pytest.mark.parametrize("body", ["", "   ", "x" * 10_000])
def test_empty_and_endless_messages_are_refused_with_a_sentence(
    client: FlaskClient, under_way: Shift, body: str
) -> None:
    answer = chat(client, under_way, body=body)
    assert answer.status_code == 422
    assert "That did not work" in answer.text


def test_unread_lines_are_counted_until_they_are_in_view(
    services: Services, client: FlaskClient, under_way: Shift
) -> None:
    with services.database.writing() as session:
        say(
            session,
            delivery_id=under_way.delivery_ids[0],
            voice=Voice.RECIPIENT,
            origin=Origin.PAGE,
            actor_id="",
            body="Are you close?",
            now=NOON,
        )
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
