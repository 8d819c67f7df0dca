"""The driver's page as a phone's application, and messages while driving, over HTTP."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from messaging.chat_lines import Origin, Voice
from messaging.conversations import say
from messaging.kinds import Kind
from messaging.notifications import Notification, NotificationStatus
from portal.driver.phone_app import SHELL
from portal.services import Services
from tests.conftest import NOON
from tests.portal.driver_shift import Shift, prepare
from tracking.custody import CustodyKind, history
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.fixes import Fix, dump_fix
from tracking.routes import RouteState

S = DeliveryStatus
OURS = {"Origin": "http://127.0.0.1:8000"}
STATIC = Path(__file__).resolve().parents[2] / "static"


@pytest.fixture
def shift(services: Services, client: FlaskClient) -> Shift:
    made = prepare(services, S.OUT_FOR_DELIVERY)
    client.post(made.path, headers=OURS)
    return made


def test_the_manifest_and_the_worker_are_the_same_for_all(client: FlaskClient) -> None:
    told = json.loads(client.get("/d/app.webmanifest").text)
    assert (told["start_url"], told["scope"], told["display"]) == ("/d/", "/d/", "standalone")
    for icon in told["icons"]:
        assert (STATIC / icon["src"].removeprefix("/static/")).stat().st_size < 20_000
    worker = client.get("/d/worker.js")
    assert worker.headers["Cache-Control"] == "no-cache"
    assert all(f"/static/{name}" in worker.text for name in SHELL)
    assert "no signal" in client.get("/d/offline").text.lower()


def test_every_script_and_style_of_the_page_is_in_the_shell(client: FlaskClient, shift: Shift) -> None:
    for path in ("/d/", f"/d/stops/{shift.stop_ids[0]}", "/d/offline"):
        page = client.get(path).text
        named = {part.split('"')[0] for part in page.split("/static/")[1:]}
        assert named <= set(SHELL), path


def test_a_page_says_how_long_a_phone_may_keep_it(client: FlaskClient, shift: Shift) -> None:
    route, left_s = client.get("/d/").headers["X-Shift"].split()
    assert shift.route_id.startswith(route)
    assert float(left_s) == 16 * 3600
    client.post("/d/finish", data={"rest_reason": "out_of_time", "request_id": "f"}, headers=OURS)
    assert client.get("/d/").headers["X-Shift"].split()[1] == "0"


def test_a_tap_that_waited_for_signal_has_the_time_of_the_tap(
    client: FlaskClient, services: Services, shift: Shift
) -> None:
    form = {"request_id": "late", "tapped_s_ago": "1800", "receiver": "A neighbor"}
    client.post(f"/d/deliveries/{shift.delivery_ids[0]}/delivered", data=form, headers=OURS)
    with services.database.reading() as session:
        assert load(session, shift.delivery_ids[0]).delivered_at == NOON - timedelta(minutes=30)
        event = history(session, shift.delivery_ids[0])[-1]
    assert (event.kind, event.at, event.recorded_at) == (CustodyKind.DELIVERED, NOON - timedelta(minutes=30), NOON)


@pytest.mark.parametrize("told", ["2", "-60", "99999", "nan", "soon"])
def test_a_wait_that_makes_no_sense_counts_as_none(
    client: FlaskClient, services: Services, shift: Shift, told: str
) -> None:
    form = {"request_id": "late", "tapped_s_ago": told}
    client.post(f"/d/deliveries/{shift.delivery_ids[0]}/delivered", data=form, headers=OURS)
    with services.database.reading() as session:
        assert load(session, shift.delivery_ids[0]).delivered_at == NOON


def write(services: Services, shift: Shift, body: str, locale: str = "es") -> None:
    with services.database.writing() as session:
        session.get_one(Delivery, shift.delivery_ids[1]).locale = locale
        say(
            session,
            delivery_id=shift.delivery_ids[1],
            voice=Voice.RECIPIENT,
            origin=Origin.PAGE,
            actor_id="",
            body=body,
            now=NOON,
        )


def test_the_oldest_line_is_given_to_be_read_in_its_language(
    client: FlaskClient, services: Services, shift: Shift
) -> None:
    assert client.get("/d/aloud").json is None
    write(services, shift, "¿Puede venir por el jardín?")
    told = client.get("/d/aloud").json
    assert told is not None
    assert (told["who"], told["text"], told["lang"]) == ("Bo L., stop 2", "¿Puede venir por el jardín?", "es")
    assert told["intro"] == "Message from Bo L., stop 2."
    assert len(told["answers"]) == 3
    assert told["answers"][0] == {"say": "I am on my way to you.", "send": "Voy de camino."}


def test_a_tapped_line_is_read_in_the_drivers_language(client: FlaskClient, services: Services, shift: Shift) -> None:
    write(services, shift, "Toque el timbre, por favor")
    told = client.get("/d/aloud").json
    assert told is not None
    assert (told["text"], told["lang"]) == ("Please ring the bell", "en")


def test_what_was_read_aloud_is_seen_and_no_text_follows(client: FlaskClient, services: Services, shift: Shift) -> None:
    write(services, shift, "Hola")
    assert client.post(f"/d/deliveries/{shift.delivery_ids[1]}/heard", headers=OURS).status_code == 204
    assert client.get("/d/aloud").json is None
    with services.database.reading() as session:
        [text] = session.scalars(select(Notification).where(Notification.kind == Kind.CHAT))
    assert text.status is NotificationStatus.WITHDRAWN


@pytest.mark.parametrize(("speed_mps", "age_s", "moving"), [(9.0, 20, "yes"), (0.5, 20, "no"), (9.0, 400, "no")])
def test_the_page_is_told_whether_the_truck_moves(
    client: FlaskClient, services: Services, shift: Shift, speed_mps: float, age_s: int, moving: str
) -> None:
    at = NOON - timedelta(seconds=age_s)
    fix = Fix(40.7, -74.3, at, at, 8.0, speed_mps, 48.0)
    with services.database.writing() as session:
        session.add(RouteState(route_id=shift.route_id, engine={"recent": [dump_fix(fix)]}, plan_version=1))
    assert f'data-moving="{moving}"' in client.get("/d/news").text
