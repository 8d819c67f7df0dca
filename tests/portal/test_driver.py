"""The driver's pages without JavaScript: the whole day by plain forms, and what is refused."""

import base64
import re
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from messaging.cases import Task, TaskKind
from messaging.chat_lines import ChatMessage, Origin, Voice
from messaging.conversations import say
from portal.driver.day import load_day
from portal.driver.news import DriverTopic
from portal.driver.stop_views import short_name
from portal.services import Services
from tests.builders import make_delivery, make_driver, make_route, make_stop
from tests.conftest import NOON
from tracking import facts, links
from tracking.clocks import SetClock
from tracking.custody import CustodyKind, history
from tracking.deliveries import DeliveryStatus, load
from tracking.drivers import live_device_token
from tracking.ids import new_id, new_link_id
from tracking.links import Audience, Link
from tracking.proofs import Proof, ProofKind
from tracking.routes import Route, RouteStatus

S = DeliveryStatus


@dataclass
class Shift:
    """A route of three parcels at two stops, and the path of its driver's link."""

    route_id: str
    link_id: str
    path: str
    stop_ids: list[str]
    delivery_ids: list[str]


def prepare(services: Services, status: DeliveryStatus = S.SCHEDULED, **columns: Any) -> Shift:
    started = status is not S.SCHEDULED
    with services.database.writing() as session:
        route = make_route(session, status=RouteStatus.STARTED if started else RouteStatus.PLANNED, started_at=NOON)
        stops = [make_stop(session, route) for _ in range(2)]
        rows = [
            make_delivery(session, stop=stops[0], status=status, now=NOON, reference="A-1", **columns),
            make_delivery(session, stop=stops[1], status=status, now=NOON, reference="B-2", recipient_name="Bo Li"),
            make_delivery(session, stop=stops[1], status=status, now=NOON, reference="C-3", recipient_name="Cher"),
        ]
        link = links.driver_link(
            session,
            route_id=route.id,
            driver_id=route.driver_id,
            link_id=new_link_id(),
            now=NOON,
            expires_at=NOON + timedelta(hours=16),
        )
    token = services.links.token(link.id, Audience.DRIVER)
    return Shift(route.id, link.id, f"/d/{token}", [stop.id for stop in stops], [row.id for row in rows])


@pytest.fixture
def planned(services: Services, client: FlaskClient) -> Shift:
    """A route before its start, opened on this phone."""
    shift = prepare(services)
    client.post(shift.path)
    return shift


@pytest.fixture
def under_way(services: Services, client: FlaskClient) -> Shift:
    """A started route, opened on this phone."""
    shift = prepare(services, S.OUT_FOR_DELIVERY)
    client.post(shift.path)
    return shift


def status_of(services: Services, delivery_id: str) -> DeliveryStatus:
    with services.database.reading() as session:
        return load(session, delivery_id).status


def route_status(services: Services, shift: Shift) -> RouteStatus:
    with services.database.reading() as session:
        return session.get_one(Route, shift.route_id).status


def form_fields(page: str, form: str) -> dict[str, str]:
    """Return the hidden fields of the first form of this kind on the page."""
    [body, *_] = re.findall(rf'<form[^>]*data-form="{form}".*?</form>', page, re.S)
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', body))


def photo() -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[2] = (51.0, 30.0, 12.0)
    out = BytesIO()
    Image.new("RGB", (80, 60), "teal").save(out, "JPEG", exif=exif)
    return out.getvalue()


def signature() -> str:
    image = Image.new("RGB", (60, 20), "white")
    image.paste("black", (5, 5, 50, 9))
    out = BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def test_looking_at_the_link_changes_nothing(services: Services, client: FlaskClient) -> None:
    shift = prepare(services)
    page = client.get(shift.path)
    assert page.status_code == 200
    assert 'data-form="open"' in page.text
    assert "Set-Cookie" not in page.headers
    with services.database.reading() as session:
        assert session.get_one(Link, shift.link_id).bound_to is None


def test_the_button_binds_the_link_to_this_phone(services: Services, client: FlaskClient) -> None:
    shift = prepare(services)
    answer = client.post(shift.path)
    assert (answer.status_code, answer.location) == (303, "/d/")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    page = client.get("/d/")
    [token] = re.findall(r'data-device-token="([^"]+)"', page.text)
    with services.database.reading() as session:
        device = live_device_token(session, token, NOON)
        assert device is not None
        assert device.expires_at == session.get_one(Link, shift.link_id).expires_at
    assert client.post(shift.path).status_code == 303
    assert f'data-device-token="{token}"' in client.get("/d/").text


def test_a_second_phone_is_sent_to_dispatch_until_staff_rebind(
    services: Services, client: FlaskClient, app: Flask
) -> None:
    shift = prepare(services)
    client.post(shift.path)
    other = app.test_client()
    for answer in (other.get(shift.path), other.post(shift.path)):
        assert answer.status_code == 403
        assert "already opened on another phone" in answer.text
        assert services.settings.support_phone in answer.text
    with services.database.writing() as session:
        link = session.get_one(Link, shift.link_id)
        link.bound_to = link.bound_at = None
    assert other.post(shift.path).status_code == 303
    assert other.get("/d/").status_code == 200
    assert client.get("/d/").status_code == 403


def test_without_a_link_there_is_no_day(client: FlaskClient) -> None:
    page = client.get("/d/")
    assert page.status_code == 401
    assert "Open the link in the text message" in page.text
    client.set_cookie("portal_driver", "forged", path="/d")
    assert client.get("/d/").status_code == 401
    assert client.get("/d/abc.def").status_code == 404


def test_a_revoked_link_stops_working_at_once(services: Services, client: FlaskClient, planned: Shift) -> None:
    with services.database.writing() as session:
        links.revoke(session, [planned.link_id], NOON)
    for answer in (client.post("/d/start"), client.get("/d/"), client.get(planned.path)):
        assert answer.status_code in {401, 410}
    assert route_status(services, planned) is RouteStatus.PLANNED


def test_an_expired_link_ends_the_shift(client: FlaskClient, clock: SetClock, planned: Shift) -> None:
    clock.advance(hours=16)
    answer = client.get("/d/")
    assert answer.status_code == 410
    assert "portal_driver=;" in answer.headers["Set-Cookie"]


def test_a_whole_day_by_plain_forms(services: Services, client: FlaskClient, planned: Shift) -> None:
    one, two, three = planned.delivery_ids
    client.post(f"/d/deliveries/{one}/loaded", data=form_fields(client.get("/d/").text, "loaded"))
    assert "Loaded: B-2, Bo L." in client.post("/d/scan", data={"reference": " b-2 "}, follow_redirects=True).text
    client.post(f"/d/deliveries/{three}/not-loaded", data={"usual_reason": "Not at the depot"})
    page = client.post("/d/start", data=form_fields(client.get("/d/").text, "start"), follow_redirects=True).text
    assert (status_of(services, two), status_of(services, three)) == (S.OUT_FOR_DELIVERY, S.SCHEDULED)
    assert f'data-stop="{planned.stop_ids[0]}"' in page

    client.post(f"/d/stops/{planned.stop_ids[0]}/arrived", data={"lat": "40.5", "lon": "-74.25"})
    stop = client.get(f"/d/stops/{planned.stop_ids[0]}").text
    assert "At the door" in stop
    fields = {**form_fields(stop, "delivered"), "received_by": "Anna", "signature": signature()}
    done = client.post(
        f"/d/deliveries/{one}/delivered", data={**fields, "photo": (BytesIO(photo()), "p.jpg")}, follow_redirects=True
    )
    assert "Delivered: Anna B., stop 1" in done.text
    client.post(f"/d/deliveries/{two}/failed", data={"reason": "nobody_home", "note": "Rang twice"})
    client.post("/d/finish", data={})
    assert route_status(services, planned) is RouteStatus.FINISHED
    summary = client.get("/d/").text
    assert "Done for today" in summary
    assert "Nobody home: Rang twice" in summary
    with services.database.reading() as session:
        arrived = next(event for event in history(session, one) if event.kind is CustodyKind.ARRIVED)
        assert (arrived.lat, arrived.lon) == (40.5, -74.25)


def test_proof_is_stored_by_hash_with_a_public_copy_without_exif(
    services: Services, client: FlaskClient, under_way: Shift
) -> None:
    fields = {"received_by": " Anna  Berg ", "signature": signature(), "photo": (BytesIO(photo()), "p.jpg")}
    client.post(f"/d/deliveries/{under_way.delivery_ids[0]}/delivered", data=fields)
    with services.database.reading() as session:
        proofs = {proof.kind: proof for proof in session.scalars(select(Proof))}
    assert proofs[ProofKind.NAME].text == "Anna Berg"
    shown, taken = proofs[ProofKind.PHOTO].public_sha256, proofs[ProofKind.PHOTO].sha256
    assert shown is not None
    assert taken is not None
    assert services.files.path(taken).read_bytes() == photo()
    assert b"Exif" not in services.files.path(shown).read_bytes()
    assert proofs[ProofKind.SIGNATURE].content_type == "image/png"


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"<svg/>", 422, "not a photo"),
        (b"", 422, "not a photo"),
        (b"\xff\xd8" + b"0" * (15 * 1024 * 1024), 413, "larger than 15 MB"),
        (b"\xff\xd8" + b"0" * (40 * 1024 * 1024), 413, "too large"),
    ],
)
def test_what_is_no_photo_is_refused_and_nothing_is_delivered(
    services: Services, client: FlaskClient, under_way: Shift, data: bytes, status: int, words: str
) -> None:
    boundary, body = encode_multipart({"photo": FileStorage(BytesIO(data), "p.jpg")})
    answer = client.post(
        f"/d/deliveries/{under_way.delivery_ids[0]}/delivered",
        data=body,
        content_type=f"multipart/form-data; boundary={boundary}",
    )
    assert answer.status_code == status
    assert words in answer.text
    assert status_of(services, under_way.delivery_ids[0]) is S.OUT_FOR_DELIVERY


def test_a_button_clicked_twice_acts_once(services: Services, client: FlaskClient, under_way: Shift) -> None:
    client.post(f"/d/stops/{under_way.stop_ids[0]}/arrived")
    page = client.get(f"/d/stops/{under_way.stop_ids[0]}").text
    fields = {**form_fields(page, "delivered"), "received_by": "Anna"}
    answers = [client.post(f"/d/deliveries/{under_way.delivery_ids[0]}/delivered", data=fields) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    with services.database.reading() as session:
        assert len(session.scalars(select(Proof)).all()) == 1
        kinds = [event.kind for event in history(session, under_way.delivery_ids[0])]
        assert kinds.count(CustodyKind.DELIVERED) == 1


def test_a_wrong_move_says_what_the_state_is(services: Services, client: FlaskClient, under_way: Shift) -> None:
    with services.database.writing() as session:
        load(session, under_way.delivery_ids[0]).status = S.CANCELLED
    answer = client.post(f"/d/deliveries/{under_way.delivery_ids[0]}/delivered")
    assert answer.status_code == 409
    assert "This delivery is cancelled." in answer.text
    assert "Back to my day" in answer.text


def test_undo_within_ten_minutes(services: Services, client: FlaskClient, clock: SetClock, under_way: Shift) -> None:
    one = under_way.delivery_ids[0]
    client.post(f"/d/deliveries/{one}/delivered", data={"receiver": "A neighbour"})
    clock.advance(minutes=9)
    answer = client.post(f"/d/deliveries/{one}/undo", data=form_fields(client.get("/d/").text, "undo"))
    assert answer.status_code == 303
    assert status_of(services, one) is S.ARRIVED
    client.post(f"/d/deliveries/{one}/delivered")
    clock.advance(minutes=11)
    assert 'data-form="undo"' not in client.get("/d/").text
    assert client.post(f"/d/deliveries/{one}/undo").status_code == 409


def test_a_failed_attempt_needs_a_reason_of_the_list(client: FlaskClient, under_way: Shift) -> None:
    for reason in ("", "bored", "other"):
        answer = client.post(f"/d/deliveries/{under_way.delivery_ids[0]}/failed", data={"reason": reason})
        assert answer.status_code == 422
        assert "Say why" in answer.text


def test_finishing_with_parcels_in_the_van_needs_a_reason(
    services: Services, client: FlaskClient, under_way: Shift
) -> None:
    refused = client.post("/d/finish")
    assert refused.status_code == 409
    assert "A-1" in refused.text
    assert client.post("/d/finish", data={"rest_reason": "out_of_time"}).status_code == 303
    assert status_of(services, under_way.delivery_ids[2]) is S.ATTEMPT_FAILED
    assert client.post("/d/reopen").status_code == 303
    assert route_status(services, under_way) is RouteStatus.STARTED


def test_a_missing_parcel_is_a_task_for_staff_once(services: Services, client: FlaskClient, planned: Shift) -> None:
    fields = {**form_fields(client.get("/d/").text, "not-loaded"), "reason": "Fell off the shelf"}
    for _ in range(2):
        client.post(f"/d/deliveries/{planned.delivery_ids[0]}/not-loaded", data=fields)
    with services.database.reading() as session:
        [task] = session.scalars(select(Task)).all()
        assert (task.kind, task.delivery_id) == (TaskKind.NOT_LOADED, planned.delivery_ids[0])
        assert "Fell off the shelf" in task.reason
        assert load(session, planned.delivery_ids[0]).not_loaded_reason == "Fell off the shelf"


def test_a_missing_parcel_that_turns_up_settles_its_task(
    services: Services, client: FlaskClient, planned: Shift
) -> None:
    client.post(f"/d/deliveries/{planned.delivery_ids[0]}/not-loaded", data={"reason": "Not there"})
    client.post(f"/d/deliveries/{planned.delivery_ids[0]}/loaded")
    with services.database.reading() as session:
        [task] = session.scalars(select(Task)).all()
        assert task.resolved_at == NOON


def test_what_is_scanned_but_not_on_the_route_is_said(client: FlaskClient, planned: Shift) -> None:
    assert "not on your route" in client.post("/d/scan", data={"reference": "Z-9"}, follow_redirects=True).text
    client.post("/d/scan", data={"reference": "A-1"})
    again = client.post("/d/scan", data={"reference": "A-1"}, follow_redirects=True)
    assert "Already loaded: A-1" in again.text


@pytest.mark.parametrize("step", ["loaded", "not-loaded", "delivered", "failed", "undo", "messages"])
def test_parcels_of_other_routes_are_not_found(
    services: Services, client: FlaskClient, under_way: Shift, step: str
) -> None:
    with services.database.writing() as session:
        foreign = make_delivery(session, status=S.OUT_FOR_DELIVERY)
    fields = {"reason": "nobody_home", "body": "hello"}
    assert client.post(f"/d/deliveries/{foreign.id}/{step}", data=fields).status_code == 404
    assert client.get(f"/d/stops/{foreign.stop_id}").status_code == 404
    assert client.post(f"/d/stops/{foreign.stop_id}/arrived").status_code == 404
    assert client.get(f"/d/deliveries/{foreign.id}/chat").status_code == 404


def test_posts_from_elsewhere_are_refused(client: FlaskClient, planned: Shift) -> None:
    answer = client.post("/d/start", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_the_driver_sees_a_first_name_and_no_number(services: Services, client: FlaskClient, under_way: Shift) -> None:
    with services.database.reading() as session:
        delivery = load(session, under_way.delivery_ids[0])
    pages = client.get("/d/").text + client.get(f"/d/stops/{under_way.stop_ids[0]}").text
    assert "Anna B." in pages
    for secret in ("Berg", delivery.phone, delivery.email):
        assert str(secret) not in pages


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
