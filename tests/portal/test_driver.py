"""The driver's steps without JavaScript: the whole day by plain forms, and what is refused."""

import base64
from io import BytesIO

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import select
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from messaging.cases import Task, TaskKind
from portal.services import Services
from tests.conftest import NOON
from tests.portal.driver_shift import Shift, form_fields, prepare, route_status, status_of
from tracking.clocks import SetClock
from tracking.custody import CustodyKind, history
from tracking.deliveries import DeliveryStatus, load
from tracking.proofs import Proof, ProofKind
from tracking.routes import RouteStatus

S = DeliveryStatus


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


def test_a_tap_on_arrived_at_the_wrong_door_is_taken_back(
    services: Services, client: FlaskClient, under_way: Shift
) -> None:
    client.post(f"/d/stops/{under_way.stop_ids[1]}/arrived")
    page = client.get(f"/d/stops/{under_way.stop_ids[1]}").text
    assert "I am not here yet" in page
    client.post(f"/d/deliveries/{under_way.delivery_ids[1]}/undo", data=form_fields(page, "undo"))
    assert status_of(services, under_way.delivery_ids[2]) is S.OUT_FOR_DELIVERY


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
    client.post(f"/d/deliveries/{one}/delivered", data={"receiver": "A neighbor"})
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
