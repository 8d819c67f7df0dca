"""Who is not home: the recipient's card, the driver's stop and staff's decision, over HTTP."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Origin
from messaging.wish_actions import ask_for
from messaging.wish_decisions import accept
from messaging.wishes import WishKind, WishStatus, newest_wish
from portal.accounts import Role
from portal.driver.day import load_day
from portal.driver.news import version_of
from portal.recipient.view import RecipientView, read_view
from portal.services import Services
from tests.portal.recipient_day import NOW, on_the_way, token_of
from tests.portal.staff_browser import StaffBrowser
from tracking.actors import Actor, ActorKind
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.links import LinkSigner

S = DeliveryStatus
OURS = {"Origin": "http://127.0.0.1:8000"}
HTMX = {**OURS, "HX-Request": "true"}
STAFF = Actor(ActorKind.STAFF, "staff-1")


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


@pytest.fixture
def delivery(services: Services) -> Delivery:
    with services.database.writing() as session:
        return on_the_way(session)


@pytest.fixture
def token(services: Services, delivery: Delivery, signer: LinkSigner) -> str:
    with services.database.writing() as session:
        return token_of(session, delivery, signer)


def status_of(services: Services, delivery: Delivery) -> WishStatus | None:
    with services.database.reading() as session:
        wish = newest_wish(session, delivery.id)
        return wish.status if wish else None


def test_the_card_is_on_both_pages_and_the_fragment_is_the_same(client: FlaskClient, token: str) -> None:
    for page in (f"/t/{token}", f"/t/{token}/messages"):
        shown = client.get(page).text
        assert 'id="away"' in shown
        assert "Choose another day" not in shown  # it is on its way
        assert "Leave it in a safe place" in shown


def test_a_plain_form_asks_and_goes_back_to_the_card(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    form = {"kind": "safe_place", "what": "behind the <shed>", "request_id": "a1"}
    answer = client.post(f"/t/{token}/wish", data=form, headers=OURS)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/t/{token}/messages#away")
    assert status_of(services, delivery) is WishStatus.ASKED
    page = client.get(answer.headers["Location"]).text
    assert "leave it in a safe place: behind the &lt;shed&gt;" in page
    assert "You asked: leave it in a safe place" in page


def test_htmx_gets_the_card_alone(client: FlaskClient, token: str) -> None:
    form = {"kind": "neighbour", "what": "Bo, 14", "request_id": "a1"}
    card = client.post(f"/t/{token}/wish", data=form, headers=HTMX).text
    assert card.strip().startswith('<section id="away"')
    assert "give it to a neighbor: Bo, 14" in card
    back = client.post(f"/t/{token}/wish/back", headers=HTMX).text
    assert "Bo, 14" not in back


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"kind": "safe_place", "what": " "}, "Say where, or to whom."),
        ({"kind": "other_day", "day": "2026-03-06"}, "on its way, so another day is not possible"),
        ({"kind": "made up"}, "Say where, or to whom."),
    ],
)
def test_what_is_not_possible_is_said(client: FlaskClient, token: str, form: dict[str, str], sentence: str) -> None:
    plain = client.post(f"/t/{token}/wish", data=form, headers=OURS)
    assert plain.status_code == 422
    for answer in (plain, client.post(f"/t/{token}/wish", data=form, headers=HTMX)):
        assert any(sentence in alert for alert in re.findall(r'role="alert">(.*?)</p>', answer.text))


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (S.OUT_FOR_DELIVERY, "another day is not possible now. A safe place or a neighbor is."),
        (S.ARRIVED, "The driver is at your door now. Please write to the driver."),
        (S.ATTEMPT_FAILED, "Nothing is on its way now. Please choose another day."),
    ],
)
def test_what_was_offered_before_does_not_go_without_a_word(
    client: FlaskClient, services: Services, delivery: Delivery, token: str, status: DeliveryStatus, sentence: str
) -> None:
    with services.database.writing() as session:
        load(session, delivery.id).status = status
    assert sentence in client.get(f"/t/{token}").text


def test_the_card_speaks_spanish(client: FlaskClient, token: str) -> None:
    refused = client.post(f"/t/{token}/wish?lang=es", data={"kind": "safe_place"}, headers=OURS)
    assert "Diga dónde, o a quién." in refused.text
    client.post(f"/t/{token}/wish", data={"kind": "safe_place", "what": "porch"}, headers=OURS)
    assert "dejarlo en un lugar seguro: porch" in client.get(f"/t/{token}?lang=es").text


def test_nothing_is_offered_once_it_is_over(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    with services.database.writing() as session:
        row = load(session, delivery.id)
        row.status, row.status_at, row.delivered_at = S.DELIVERED, NOW, NOW
    assert 'id="away"' not in client.get(f"/t/{token}").text
    refused = client.post(f"/t/{token}/wish", data={"kind": "safe_place", "what": "x"}, headers=OURS)
    assert "too late" in refused.text


def test_being_late_and_asking_for_a_call_are_lines_of_the_thread(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    assert "The driver is told." in client.post(f"/t/{token}/late", data={"minutes": "20"}, headers=HTMX).text
    assert "call you" in client.post(f"/t/{token}/call", headers=HTMX).text
    assert client.post(f"/t/{token}/late", data={"minutes": "900"}, headers=HTMX).status_code == 422
    with services.database.reading() as session:
        said = list(session.scalars(select(ChatMessage.body).order_by(ChatMessage.id)))
    assert said == ["I will be 20 minutes late.", "Please call me."]


def test_the_page_follows_a_decision(services: Services, delivery: Delivery, token: str) -> None:
    def view(session: Session) -> RecipientView:
        return read_view(session, delivery.id, now=NOW, settings=services.settings)

    with services.database.writing() as session:
        before = view(session).stage
        wish = ask_for(session, delivery.id, WishKind.SAFE_PLACE, what="porch", origin=Origin.PAGE, now=NOW)
        asked = view(session).stage
        accept(session, wish.id, words="Gladly", actor=STAFF, now=NOW)
        agreed = view(session)
    assert len({before, asked, agreed.stage}) == 3
    assert (agreed.away.state, agreed.away.words) == ("accepted", "Gladly")


def test_the_driver_sees_it_on_the_stop_and_the_page_follows(services: Services, delivery: Delivery) -> None:
    with services.database.writing() as session:
        before = load_day(session, delivery.stop.route_id, NOW)
        wish = ask_for(session, delivery.id, WishKind.SAFE_PLACE, what="porch", origin=Origin.PAGE, now=NOW)
        asked = load_day(session, delivery.stop.route_id, NOW)
        accept(session, wish.id, words="", actor=STAFF, now=NOW)
        agreed = load_day(session, delivery.stop.route_id, NOW)
    assert len({version_of(day) for day in (before, asked, agreed)}) == 3
    shown = agreed.delivery(delivery.id)
    assert (shown.wish, shown.is_agreed) == ("leave it in a safe place: porch", True)


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services)


@pytest.fixture
def wish_id(services: Services, delivery: Delivery) -> str:
    """A safe place that waits for a decision."""
    with services.database.writing() as session:
        return ask_for(session, delivery.id, WishKind.SAFE_PLACE, what="porch", origin=Origin.PAGE, now=NOW).id


@pytest.mark.parametrize("page", ["/staff/tasks", "/staff/conversations/{id}", "/staff/deliveries/{id}"])
def test_staff_can_decide_where_they_look(staff: StaffBrowser, delivery: Delivery, wish_id: str, page: str) -> None:
    shown = staff.get(page.format(id=delivery.id)).text
    assert f"/staff/wishes/{wish_id}/accept" in shown
    assert "leave it in a safe place: porch" in shown


def test_one_click_accepts_and_a_moment_later_undoes(
    staff: StaffBrowser, services: Services, delivery: Delivery, wish_id: str
) -> None:
    answer = staff.post(f"/staff/wishes/{wish_id}/accept", {"words": "Gladly", "from": "tasks"})
    assert answer.headers["Location"] == "/staff/tasks"
    assert status_of(services, delivery) is WishStatus.ACCEPTED
    assert f"/staff/wishes/{wish_id}/undo" in staff.get("/staff/tasks").text
    staff.post(f"/staff/wishes/{wish_id}/undo", {"from": "tasks"})
    assert status_of(services, delivery) is WishStatus.ASKED


def test_the_second_click_is_told_what_the_first_decided(
    staff: StaffBrowser, services: Services, delivery: Delivery, wish_id: str
) -> None:
    staff.post(f"/staff/wishes/{wish_id}/decline", {})
    answer = staff.post(f"/staff/wishes/{wish_id}/accept", {})
    assert "declined already" in staff.get(answer.headers["Location"]).text
    assert status_of(services, delivery) is WishStatus.DECLINED


def test_an_agent_sees_a_wish_and_does_not_decide(
    client: FlaskClient, services: Services, delivery: Delivery, wish_id: str
) -> None:
    agent = StaffBrowser(client, services, role=Role.AGENT)
    assert "/accept" not in agent.get(f"/staff/conversations/{delivery.id}").text
    assert agent.post(f"/staff/wishes/{wish_id}/accept", {}).status_code == 403
    assert status_of(services, delivery) is WishStatus.ASKED
