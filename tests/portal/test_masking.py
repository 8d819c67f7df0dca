"""A driver's and a recipient's numbers and addresses never appear to each other, whatever was asked, sent or heard."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from messaging.chat_lines import Origin, Voice
from messaging.conversations import say
from messaging.kinds import Kind
from messaging.notifications import Notification
from messaging.wish_actions import ask_for
from messaging.wish_decisions import accept
from messaging.wishes import WishKind
from portal.services import Services
from tests.conftest import NOON
from tests.portal.driver_shift import Shift, prepare
from tracking.actors import Actor, ActorKind
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.ids import new_link_id
from tracking.links import Audience, LinkSigner, recipient_link

OURS = {"Origin": "http://127.0.0.1:8000"}
DRIVER_PHONE = "+12015550150"


@pytest.fixture
def shift(services: Services, client: FlaskClient) -> Shift:
    """A shift on which everything was said and asked that can be."""
    made = prepare(services, DeliveryStatus.OUT_FOR_DELIVERY)
    client.post(made.path, headers=OURS)
    with services.database.writing() as session:
        for delivery_id in made.delivery_ids:
            wish = ask_for(session, delivery_id, WishKind.NEIGHBOUR, what="Bo, 14", origin=Origin.SMS, now=NOON)
            accept(session, wish.id, words="Gladly", actor=Actor(ActorKind.STAFF, "s"), now=NOON)
            for voice in (Voice.RECIPIENT, Voice.DRIVER, Voice.SUPPORT):
                say(
                    session,
                    delivery_id=delivery_id,
                    voice=voice,
                    origin=Origin.PAGE,
                    actor_id="",
                    body="Hello",
                    now=NOON,
                )
    return made


def secrets_of(delivery: Delivery) -> set[str]:
    assert delivery.phone is not None
    assert delivery.email is not None
    return {delivery.phone, delivery.phone.removeprefix("+1"), delivery.email, delivery.recipient_name.split()[-1]}


def test_a_driver_gets_no_number_address_or_whole_name(client: FlaskClient, services: Services, shift: Shift) -> None:
    paths = ["/d/", "/d/news", "/d/aloud", *(f"/d/stops/{stop_id}" for stop_id in shift.stop_ids)]
    paths += [f"/d/deliveries/{delivery_id}/chat" for delivery_id in shift.delivery_ids]
    seen = "".join(client.get(path).text for path in paths)
    assert "Agreed with the recipient" in seen
    with services.database.reading() as session:
        deliveries = [load(session, delivery_id) for delivery_id in shift.delivery_ids]
        texts = session.scalars(select(Notification).where(Notification.to_address == DRIVER_PHONE))
        seen += "".join(text.context["text"] for text in texts)
    for delivery in deliveries:
        for secret in secrets_of(delivery) - {"Cher"}:
            word = rf"(?<![\w-]){re.escape(secret)}(?![\w-])"  # "Li" may stand in a nonce by chance
            number = rf"(?<![0-9a-f]){re.escape(secret)}"
            assert not re.search(word if secret.isalpha() else number, seen), secret


def test_a_recipient_gets_no_number_or_whole_name_of_the_driver(
    client: FlaskClient, services: Services, shift: Shift, signer: LinkSigner
) -> None:
    delivery_id = shift.delivery_ids[0]
    with services.database.writing() as session:
        link = recipient_link(
            session, delivery_id=delivery_id, link_id=new_link_id(), now=NOON, expires_at=NOON.replace(year=2027)
        )
        to = load(session, delivery_id).phone
        texts = session.scalars(
            select(Notification).where(Notification.kind == Kind.CHAT, Notification.to_address == to)
        )
        seen = "".join(text.context["text"] for text in texts)
    token = signer.token(link.id, Audience.RECIPIENT)
    for part in ("", "/messages", "/chat", "/status", "/place", "/rating"):
        seen += client.get(f"/t/{token}{part}").text
    assert "Dana" in seen
    for secret in (DRIVER_PHONE, DRIVER_PHONE.removeprefix("+1"), "Ruiz", "Cher", "B-2"):
        assert secret not in seen
