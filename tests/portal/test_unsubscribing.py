"""Ending emails: asked by a GET, done by a POST, also by the mail program's own button."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from messaging.consent import ConsentEvent, contact_hash, has_opted_out, pepper_of
from messaging.kinds import Channel
from portal.services import Services
from tests.builders import make_delivery
from tests.conftest import NOON
from tracking.deliveries import Delivery, load
from tracking.ids import new_link_id
from tracking.links import Audience, LinkSigner, unsubscribe_link


@pytest.fixture
def delivery(services: Services) -> Delivery:
    """A delivery whose recipient gets mail."""
    with services.database.writing() as session:
        return make_delivery(session, email="anna@example.net")


@pytest.fixture
def token(services: Services, delivery: Delivery, signer: LinkSigner) -> str:
    """The token in the foot of its mails."""
    with services.database.writing() as session:
        link = unsubscribe_link(
            session, delivery_id=delivery.id, link_id=new_link_id(), now=NOON, expires_at=NOON + timedelta(days=400)
        )
        return signer.token(link.id, Audience.UNSUBSCRIBE)


def has_ended(services: Services) -> bool:
    contact = contact_hash("anna@example.net", pepper_of(services.settings.secret_keys))
    with services.database.reading() as session:
        return has_opted_out(session, contact, Channel.EMAIL)


def test_opening_the_link_only_asks(client: FlaskClient, services: Services, token: str) -> None:
    assert "Stop emails about your deliveries?" in client.get(f"/u/{token}").text
    assert not has_ended(services)


def test_the_button_ends_mail(client: FlaskClient, services: Services, delivery: Delivery, token: str) -> None:
    assert "We will send you no more emails" in client.post(f"/u/{token}").text
    assert has_ended(services)
    with services.database.reading() as session:
        assert load(session, delivery.id).plan_dirty_at is not None


def test_a_mail_program_may_post_from_anywhere(client: FlaskClient, services: Services, token: str) -> None:
    headers = {"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"}
    answer = client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"}, headers=headers)
    assert answer.status_code == 200  # no redirect: RFC 8058 3.1
    assert "Set-Cookie" not in answer.headers
    assert has_ended(services)


def test_ending_mail_ends_no_texts_and_says_by_whose_link(
    client: FlaskClient, services: Services, delivery: Delivery, token: str
) -> None:
    client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
    with services.database.reading() as session:
        (event,) = session.scalars(select(ConsentEvent)).all()
    assert (event.channel, event.scope, event.source, event.evidence) == (
        Channel.EMAIL,
        "all",
        "email_one_click",
        token[:11],
    )
    assert event.contact_hash == contact_hash("anna@example.net", pepper_of(services.settings.secret_keys))


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_recipients_token_ends_no_mail(
    client: FlaskClient, services: Services, token: str, signer: LinkSigner, method: str
) -> None:
    other_audience = signer.token(token[:11], Audience.RECIPIENT)
    assert getattr(client, method)(f"/u/{other_audience}").status_code == 404
    with services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(ConsentEvent)) == 0
