"""The recipient's pages without a browser: what they show in each state, what they take, and what they refuse."""

import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from messaging.chat_lines import ChatMessage
from messaging.conversations import Origin, Voice, say
from messaging.ratings import rating_of
from portal.recipient import fragments
from portal.recipient.view import read_view
from portal.services import Services
from tests.builders import local, make_delivery, make_depot
from tests.portal.recipient_day import NOW, link_of, on_the_way, token_of
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, PromiseChange, load
from tracking.ids import new_id
from tracking.links import Audience, LinkSigner, revoke
from tracking.proofs import Proof, ProofKind
from tracking.truth_days import PromiseDay

S = DeliveryStatus
OURS = {"Origin": "http://127.0.0.1:8000"}
HTMX = {**OURS, "HX-Request": "true"}


@pytest.fixture
def clock() -> SetClock:
    """Four minutes past two, where the parcel goes."""
    return SetClock(NOW)


@pytest.fixture
def delivery(services: Services) -> Delivery:
    """A delivery on its way, three stops before it."""
    with services.database.writing() as session:
        return on_the_way(session)


@pytest.fixture
def token(services: Services, delivery: Delivery, signer: LinkSigner) -> str:
    """Its recipient's token."""
    with services.database.writing() as session:
        return token_of(session, delivery, signer)


def change(services: Services, delivery: Delivery, **columns: Any) -> None:
    with services.database.writing() as session:
        row = load(session, delivery.id)
        for name, value in columns.items():
            setattr(row, name, value)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.partition("<main")[2]).split())


def page(client: FlaskClient, token: str, query: str = "") -> str:
    answer = client.get(f"/t/{token}{query}")
    assert answer.status_code == 200
    return answer.text


def lines(services: Services) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(ChatMessage)) or 0


def test_the_promise_is_text_before_anything_else(client: FlaskClient, token: str) -> None:
    text = text_of(page(client, token))
    assert "Arriving about 2:25 pm between 2:10 and 2:40 pm 3 stops before you. Updated 20 s ago" in text


def test_the_fragments_are_inside_the_page(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    with services.database.writing() as session:
        say(session, delivery_id=delivery.id, voice=Voice.DRIVER, origin=Origin.PAGE, actor_id="d", body="Hi", now=NOW)
    with services.database.reading() as session:
        view = read_view(session, delivery.id, now=NOW, settings=services.settings)
    html = page(client, token)
    for fragment in (fragments.status(view), fragments.chat(view)):
        assert fragment in html
    assert client.get(f"/t/{token}/status").text == fragments.status(view)
    assert client.get(f"/t/{token}/chat").text == fragments.chat(view)


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"status": S.ARRIVED}, "Your driver is at the door"),
        ({"status": S.DELIVERED, "delivered_at": NOW}, "Delivered at 2:04 pm"),
        ({"status": S.DELIVERED, "delivered_at": NOW - timedelta(hours=20)}, "on Wednesday, March 4"),
        ({"status": S.ATTEMPT_FAILED, "failure_reason": "nobody_home"}, "We could not deliver Nobody was home."),
        ({"status": S.RESCHEDULED}, "A new day is on its way"),
        ({"status": S.RETURNED}, "Your delivery came back to us"),
        ({"status": S.CANCELLED}, "This delivery is cancelled"),
        ({"promise_cause": "traffic"}, "The time changed because traffic is slow."),
        ({"promise_hi_at": local("13:50"), "promise_point_at": local("13:40")}, "Expected any time now"),
        ({"status": S.LOADED, "promise_lo_at": None}, "Arriving today 1:00–3:00 pm"),
        ({"status": S.SCHEDULED, "not_loaded_reason": "missing"}, "Your delivery is held up"),
        ({"status": S.SCHEDULED, "service_on": NOW.date() + timedelta(days=1)}, "Arriving Tomorrow, Friday, March 6"),
        ({"status": S.SCHEDULED, "service_on": NOW.date() - timedelta(days=1)}, "We are checking on your delivery"),
    ],
)
def test_each_state_has_its_words(
    client: FlaskClient, services: Services, delivery: Delivery, token: str, columns: dict[str, Any], sentence: str
) -> None:
    change(services, delivery, **columns)
    assert sentence in text_of(page(client, token))


def test_a_promise_that_moved_says_when_and_what_it_was(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    change(services, delivery, promise_cause="traffic")
    with services.database.writing() as session:
        for made_at, lo, hi, from_lo in (("13:00", "13:30", "13:50", None), ("13:52", "14:10", "14:40", "13:30")):
            from_at = {"from_lo_at": local(from_lo), "from_hi_at": local("13:50")} if from_lo else {}
            row = {"at": local(made_at), "cause": "traffic", "lo_at": local(lo), "hi_at": local(hi), **from_at}
            session.add(PromiseChange(delivery_id=delivery.id, **row))
    sentence = "The time changed because traffic is slow (at 1:52 pm; it was 1:30–1:50 pm)."
    assert sentence in text_of(page(client, token))
    spanish = client.get(f"/t/{token}?lang=es").text
    assert re.search(
        r"La hora cambió porque hay tráfico \(a las [^;]*52[^;]*; antes era [^)]*30–[^)]*50[^)]*\)\.", spanish
    )


def measured(services: Services, *, delivered: int, kept: int) -> None:
    with services.database.writing() as session:
        on = NOW.date() - timedelta(days=1)
        session.add(PromiseDay(on=on, depot_id=make_depot(session).id, delivered=delivered, kept=kept))


def test_how_often_we_were_right_is_said_when_it_was_measured(
    client: FlaskClient, services: Services, token: str
) -> None:
    measured(services, delivered=200, kept=171)
    record = "Right 8 times out of 10 this month: delivered inside the time shown an hour before."
    assert record in text_of(page(client, token))
    assert "Acertamos 8 de cada 10 veces este mes" in client.get(f"/t/{token}?lang=es").text


def test_no_record_is_claimed_from_few_deliveries(client: FlaskClient, services: Services, token: str) -> None:
    measured(services, delivered=199, kept=199)
    assert "out of 10" not in page(client, token)


def test_a_page_that_promises_nothing_more_claims_nothing(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    measured(services, delivered=300, kept=300)
    change(services, delivery, status=S.DELIVERED, delivered_at=NOW)
    assert "out of 10" not in page(client, token)


def test_the_record_is_read_once_in_ten_minutes(
    client: FlaskClient, services: Services, token: str, clock: SetClock
) -> None:
    assert "out of 10" not in page(client, token)
    measured(services, delivered=300, kept=300)
    assert "out of 10" not in page(client, token)
    clock.advance(seconds=600)
    assert "Right 10 times out of 10" in text_of(page(client, token))


def test_a_truck_not_heard_of_for_three_minutes_is_last_seen(client: FlaskClient, token: str, clock: SetClock) -> None:
    clock.advance(minutes=4)
    assert "Truck last seen 2:03 pm" in text_of(page(client, token))


def test_a_truck_that_stays_silent_is_explained_and_later_one_may_ask(
    client: FlaskClient, services: Services, delivery: Delivery, token: str, clock: SetClock
) -> None:
    assert "no signal" not in text_of(page(client, token))
    clock.advance(minutes=4)
    assert "The truck sends no signal right now, so this is our best estimate." in text_of(page(client, token))
    with services.database.reading() as session:
        view = read_view(session, delivery.id, now=clock.now(), settings=services.settings)
    assert view.changes_at is not None
    clock.advance(seconds=(view.changes_at - clock.now()).total_seconds())
    assert "no signal for a while, so this is our best estimate. You can write to us" in text_of(page(client, token))
    with services.database.reading() as session:
        assert read_view(session, delivery.id, now=clock.now(), settings=services.settings).changes_at is None


def test_a_truck_that_is_heard_again_is_not_called_silent(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    change(services, delivery, promise_cause="no_signal")
    said = text_of(page(client, token))
    assert "The time changed because the truck sent no signal for a while." in said
    assert "right now" not in said


def test_a_truck_ahead_of_time_says_when_it_comes_at_the_earliest(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    change(services, delivery, promise_cause="waiting")
    with services.database.writing() as session:
        row = {"at": local("13:52"), "lo_at": local("14:10"), "hi_at": local("14:40"), "cause": "waiting"}
        before = {"from_lo_at": local("13:30"), "from_hi_at": local("13:50")}
        session.add(PromiseChange(delivery_id=delivery.id, **row, **before))
    said = text_of(page(client, token))
    assert "It will not come before 1:00 pm. Until 1:52 pm we said 1:30–1:50 pm." in said


def test_nobody_at_the_door_is_said_to_be_driving(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    assert "is driving" in text_of(page(client, token))
    change(services, delivery, status=S.ARRIVED)
    assert "is driving" not in text_of(page(client, token))


def test_the_map_is_hidden_while_the_truck_may_not_be_seen(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    assert 'data-place=\'{"at": ' in page(client, token)
    change(services, delivery, status=S.LOADED)
    assert "data-place=''" in page(client, token)
    assert client.get(f"/t/{token}/place").json == {"place": None}


def test_no_place_is_left_on_the_page_after_delivery(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    change(services, delivery, status=S.DELIVERED, delivered_at=NOW)
    assert 'id="map"' not in page(client, token)
    assert client.get(f"/t/{token}/place").json == {"place": None}


def test_nothing_of_the_address_but_the_street_and_no_contact_is_shown(
    client: FlaskClient, delivery: Delivery, token: str
) -> None:
    html = page(client, token)
    assert "Orchard Lane" in html
    for secret in ("12 Orchard", "Millburn", "Berg", delivery.phone or "-", delivery.email or "-", "+12015550150"):
        assert secret not in html


def test_the_page_speaks_spanish(client: FlaskClient, services: Services, delivery: Delivery, token: str) -> None:
    assert "Llega sobre las 14:25" in text_of(page(client, token, "?lang=es"))
    change(services, delivery, locale="es")
    html = page(client, token)
    assert '<html lang="es">' in html
    assert "3 paradas antes de la suya." in html


def test_without_scripts_the_page_reloads_but_the_chat_page_does_not(client: FlaskClient, token: str) -> None:
    assert '<noscript><meta http-equiv="refresh"' in page(client, token)
    assert "http-equiv" not in client.get(f"/t/{token}/messages").text


def test_an_unchanged_fragment_is_not_sent_again(client: FlaskClient, token: str, clock: SetClock) -> None:
    first = client.get(f"/t/{token}/status")
    clock.advance(seconds=10)  # only its age is another
    again = client.get(f"/t/{token}/status", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert not again.data


def test_a_get_changes_nothing(client: FlaskClient, services: Services, delivery: Delivery, token: str) -> None:
    for path in ("", "/status", "/chat", "/place", "/messages", "/rating"):
        client.get(f"/t/{token}{path}")
    with services.database.reading() as session:
        row = load(session, delivery.id)
        assert (row.seen_at, row.version) == (None, delivery.version)


def test_a_line_goes_to_the_thread_once_however_often_it_is_clicked(
    client: FlaskClient, services: Services, token: str
) -> None:
    form = {"body": "Please knock", "request_id": new_id()}
    first = client.post(f"/t/{token}/messages", data=form, headers=HTMX)
    assert first.status_code == 200
    assert "Please knock" in first.text
    assert client.post(f"/t/{token}/messages", data=form, headers=OURS).status_code == 303
    assert lines(services) == 1


@pytest.mark.parametrize(
    ("body", "sentence"), [("   ", "Write something first."), ("x" * 10_000, "1,000 characters at most")]
)
def test_empty_and_endless_lines_are_refused_with_a_sentence(
    client: FlaskClient, services: Services, token: str, body: str, sentence: str
) -> None:
    for headers in (HTMX, OURS):
        answer = client.post(f"/t/{token}/messages", data={"body": body}, headers=headers)
        assert answer.status_code == 422
        assert sentence in answer.text
    assert lines(services) == 0


@pytest.mark.parametrize("body", ["<script>alert(1)</script>", "safe \u202eevil\u202c place", "{{ 7 * 7 }}"])
def test_odd_lines_are_shown_literally(client: FlaskClient, token: str, body: str) -> None:
    answer = client.post(f"/t/{token}/messages", data={"body": body}, headers=HTMX)
    assert "<script>alert" not in answer.text
    assert "49" not in re.sub(r"\d\d?:\d\d|line-\d+|datetime=\"[^\"]*\"", "", answer.text)
    assert '<bdi dir="auto">' in answer.text or "<bdi>" in answer.text  # marks cannot reach beyond their line


def test_too_many_lines_a_minute_are_refused(client: FlaskClient, token: str) -> None:
    statuses = [
        client.post(f"/t/{token}/messages", data={"body": f"line {n}"}, headers=HTMX).status_code for n in range(11)
    ]
    assert statuses == [200] * 10 + [429]


def test_tries_that_failed_for_our_fault_do_not_count(
    client: FlaskClient, services: Services, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away somebody tries again and again; when it is back they are let in at once."""

    def away() -> Any:
        raise OperationalError("SELECT 1", None, Exception("the server is not there"))

    def write() -> int:
        return client.post(f"/t/{token}/messages", data={"body": "Hello"}, headers=HTMX).status_code

    monkeypatch.setitem(client.application.config, "PROPAGATE_EXCEPTIONS", False)  # as it is outside tests
    with monkeypatch.context() as patched:
        patched.setattr(services.database, "reading", away)
        assert {write() for _ in range(12)} <= {500, 503}
    assert write() == 200


def test_a_note_is_kept_and_shown(client: FlaskClient, services: Services, delivery: Delivery, token: str) -> None:
    assert client.post(f"/t/{token}/note", data={"note": "Gate 4412"}, headers=OURS).status_code == 303
    assert "Gate 4412" in page(client, token)
    with services.database.reading() as session:
        row = load(session, delivery.id)
        assert (row.recipient_note, row.recipient_note_at, row.seen_at) == ("Gate 4412", NOW, NOW)


def test_a_rating_is_kept_with_its_words(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    change(services, delivery, status=S.DELIVERED, delivered_at=NOW)
    assert "How was it?" in page(client, token)
    answer = client.post(f"/t/{token}/rating", data={"score": "4"}, headers=HTMX)
    assert "You gave 4 of 5." in answer.text
    client.post(f"/t/{token}/rating", data={"score": "4", "comment": "kind <b>driver</b>"}, headers=OURS)
    assert "kind &lt;b&gt;driver&lt;/b&gt;" in page(client, token)
    with services.database.reading() as session:
        rating = rating_of(session, delivery.id)
        assert rating is not None
        assert (rating.score, rating.comment) == (4, "kind <b>driver</b>")


@pytest.mark.parametrize("score", ["0", "6", "", "five"])
def test_only_one_to_five_is_a_rating(
    client: FlaskClient, services: Services, delivery: Delivery, token: str, score: str
) -> None:
    change(services, delivery, status=S.DELIVERED, delivered_at=NOW)
    assert client.post(f"/t/{token}/rating", data={"score": score}, headers=OURS).status_code == 422


def test_what_was_not_delivered_cannot_be_rated(client: FlaskClient, token: str) -> None:
    assert client.post(f"/t/{token}/rating", data={"score": "4"}, headers=OURS).status_code == 409


def test_the_beacon_says_that_they_know(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    with services.database.writing() as session:
        say(session, delivery_id=delivery.id, voice=Voice.DRIVER, origin=Origin.PAGE, actor_id="d", body="Hi", now=NOW)
    assert client.post(f"/t/{token}/seen", data={"chat": "1"}, headers=OURS).status_code == 204
    with services.database.reading() as session:
        assert load(session, delivery.id).seen_at == NOW
        assert session.scalar(select(ChatMessage.seen_by_recipient_at)) == NOW


def test_a_post_from_elsewhere_is_refused(client: FlaskClient, services: Services, token: str) -> None:
    answer = client.post(f"/t/{token}/messages", data={"body": "x"}, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403
    assert lines(services) == 0


def test_an_unknown_link_gets_one_answer_whatever_it_is(client: FlaskClient, token: str) -> None:
    answers = [client.get(f"/t/{made_up}") for made_up in ("nope", "A" * 34, token[:-1] + "-", token + "=")]
    assert {answer.status_code for answer in answers} == {404}
    nonces = [re.sub(r'nonce="[^"]*"', "", answer.text) for answer in answers]
    assert len(set(nonces)) == 1


def test_who_tries_many_tokens_has_to_wait_and_true_ones_still_work(client: FlaskClient, token: str) -> None:
    statuses = [client.get(f"/t/guess{n}").status_code for n in range(22)]
    assert statuses[0] == 404
    assert statuses[-1] == 429
    assert client.get(f"/t/{token}").status_code == 200


@pytest.mark.parametrize("path", ["", "/status", "/chat", "/place", "/messages", "/rating"])
def test_an_ended_link_is_gone_and_tells_nothing(
    client: FlaskClient, services: Services, delivery: Delivery, signer: LinkSigner, path: str
) -> None:
    with services.database.writing() as session:
        link = link_of(session, delivery)
        revoke(session, [link.id], NOW)
    answer = client.get(f"/t/{signer.token(link.id, Audience.RECIPIENT)}{path}")
    assert answer.status_code == 410
    assert "Oak bookcase" not in answer.text
    assert "help@example.net" in answer.text


def test_after_a_day_only_that_it_was_delivered_is_left(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    change(services, delivery, status=S.DELIVERED, delivered_at=NOW - timedelta(hours=25))
    text = text_of(page(client, token))
    assert "Delivered at" in text
    assert "How was it?" in text
    assert "Oak bookcase" not in text
    assert "Messages" not in text


def keep_photo(services: Services, delivery_id: str) -> str:
    with services.database.writing() as session:
        sha256 = services.files.put(b"a picture without camera data")
        proof = Proof(id=new_id(), delivery_id=delivery_id, kind=ProofKind.PHOTO, taken_at=NOW)
        proof.sha256 = services.files.put(b"the original, with camera data")
        proof.public_sha256, proof.content_type, proof.width, proof.height = sha256, "image/jpeg", 40, 30
        proof.withdrawn_at = None
        session.add(proof)
        return proof.id


def test_the_proof_is_shown_in_the_copy_without_camera_data(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    proof_id = keep_photo(services, delivery.id)
    assert client.get(f"/t/{token}/proof/{proof_id}").status_code == 404  # not before it is delivered
    change(services, delivery, status=S.DELIVERED, delivered_at=NOW)
    assert f"/proof/{proof_id}" in page(client, token)
    with client.get(f"/t/{token}/proof/{proof_id}") as answer:
        assert answer.headers["Cache-Control"] == "no-cache, max-age=0, private"
        assert answer.headers["ETag"] == f'"{proof_id}"'
        assert {"Last-Modified", "Content-Disposition"}.isdisjoint(answer.headers.keys())
        assert answer.data == b"a picture without camera data"
        assert answer.mimetype == "image/jpeg"


def test_nobody_sees_somebody_elses_proof(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    with services.database.writing() as session:
        other = make_delivery(session, status=S.DELIVERED, delivered_at=NOW, status_at=NOW)
    proof_id = keep_photo(services, other.id)
    change(services, delivery, status=S.DELIVERED, delivered_at=NOW)
    assert client.get(f"/t/{token}/proof/{proof_id}").status_code == 404


def test_folium_draws_the_map_without_any_other_host(client: FlaskClient, token: str) -> None:
    address = re.search(r'data-shell="([^"]+)"', page(client, token))
    assert address is not None
    answer = client.get(address[1].replace("&amp;", "&"))
    assert 'L.map(\n                "map_live"' in answer.text
    assert "http" not in answer.text
    assert "immutable" in answer.headers["Cache-Control"]


def test_the_token_is_nowhere_but_in_the_pages_own_addresses(client: FlaskClient, token: str) -> None:
    html = page(client, token)
    assert set(re.findall(r'([\w:-]+)="[^"]*' + re.escape(token), html)) <= {
        "action",
        "hx-post",
        "href",
        "data-live",
        "data-poll",
        "data-poll-place",
        "data-pictures",
        "data-seen",
    }


def test_an_error_speaks_the_readers_language(client: FlaskClient, services: Services, token: str) -> None:
    spanish = {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}
    assert "No encontrado" in client.get("/t/nothing", headers=spanish).text
    assert "Not found" in client.get("/t/nothing", headers={"Accept-Language": "fi"}).text
    refused = client.post(f"/t/{token}/rating?lang=es", data={"score": "9"}, headers=OURS)
    assert (refused.status_code, 'lang="es"' in refused.text) == (422, True)


@pytest.mark.parametrize(
    ("status", "title"),
    [(S.OUT_FOR_DELIVERY, "What is coming"), (S.DELIVERED, "What came"), (S.ATTEMPT_FAILED, "The goods")],
)
def test_the_goods_are_announced_only_while_they_come(
    client: FlaskClient, services: Services, delivery: Delivery, token: str, status: DeliveryStatus, title: str
) -> None:
    change(services, delivery, status=status, status_at=NOW, delivered_at=NOW)
    assert f'id="coming-title">{title}<' in client.get(f"/t/{token}").text
