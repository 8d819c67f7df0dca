from collections.abc import Callable
from datetime import timedelta

import pytest

from messaging.kinds import Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from portal.services import Services
from portal.workshop import Workshop
from sandbox.world import World
from tests.builders import local, make_delivery
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, mark_plan_dirty

Rows = Callable[[], list[Notification]]
EVE = local("18:00") - timedelta(days=1)


@pytest.fixture
def delivery(world_services: Services, clock: SetClock) -> Delivery:
    """One delivery for tomorrow, on the eve at six, dirty."""
    clock.at = EVE
    with world_services.database.writing() as session:
        made = make_delivery(session)
        mark_plan_dirty(session, [made.id], EVE)
    return made


def test_the_eve_brings_one_text_and_one_mail(delivery: Delivery, workshop: Workshop, world: World, rows: Rows) -> None:
    workshop.reconcile()
    workshop.send(Channel.SMS)
    workshop.send(Channel.EMAIL)
    workshop.sweep()
    workshop.send(Channel.SMS)
    workshop.send(Channel.EMAIL)

    (text,), (mail,) = world.texts(delivery.phone), world.mails(delivery.email)
    assert "your delivery comes tomorrow, Thursday, between 10:00 AM and 12:00 PM" in text.body
    assert "http://127.0.0.1:8000/t/" in text.body
    assert mail.subject == "Your delivery comes tomorrow, Thursday"
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.message["Message-ID"].endswith("@example.com>")
    sent = {row.channel: row.status for row in rows() if row.kind is Kind.DAY_BEFORE}
    assert sent == {Channel.SMS: NotificationStatus.ACCEPTED, Channel.EMAIL: NotificationStatus.SENT}
