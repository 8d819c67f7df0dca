"""Who took the goods, as the recipient and staff read it."""

import re

import pytest
from flask.testing import FlaskClient

from portal.accounts import Role
from portal.receivers import RECEIVERS, handed_over
from portal.services import Services
from tests.portal.recipient_day import NOW, on_the_way, token_of
from tests.portal.staff_browser import StaffBrowser
from tracking.clocks import SetClock
from tracking.deliveries import DeliveryStatus
from tracking.ids import new_id
from tracking.proofs import Proof, ProofKind


@pytest.fixture
def clock() -> SetClock:
    return SetClock(NOW)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.mark.parametrize(
    ("receiver", "locale", "told", "for_staff"),
    [
        ("The recipient", "en", "Handed to the recipient", "Handed to the recipient"),
        ("Left in a safe place", "en", "Left in a safe place", "Left in a safe place"),
        ("A neighbour", "en", "Handed to a neighbor", "Handed to a neighbor"),
        ("A neighbor", "es", "Entregado a un vecino", "Handed to a neighbor"),
        ("Bo Li", "en", "Received by Bo Li", "Received by Bo Li"),
    ],
)
def test_who_took_the_goods_is_a_sentence(
    client: FlaskClient, services: Services, receiver: str, locale: str, told: str, for_staff: str
) -> None:
    with services.database.writing() as session:
        delivery = on_the_way(session, status=DeliveryStatus.DELIVERED, delivered_at=NOW, locale=locale)
        token = token_of(session, delivery, services.links)
        proof = Proof(id=new_id(), delivery_id=delivery.id, kind=ProofKind.NAME, text=receiver, taken_at=NOW)
        session.add(proof)

    assert told in text_of(client.get(f"/t/{token}").text)
    staff = StaffBrowser(client, services, Role.AGENT)
    assert for_staff in text_of(staff.get(f"/staff/deliveries/{delivery.id}").text)


def test_all_that_a_driver_can_tap_is_said_in_words_of_its_own() -> None:
    assert all(handed_over(name) for name in RECEIVERS)
    assert handed_over("Bo Li") == ""
