"""What a text says with the facts of its moment."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from messaging.kinds import Channel, Kind
from messaging.texts import render
from messaging.wording import Company, speech_of
from tests.builders import local, make_delivery
from tracking.deliveries import DeliveryStatus

COMPANY = Company("Juniper", "+12125550199", "", "https://example.com")
NOW = local("10:00")


def next_stop_text(session: Session, *, stops_before: int, minutes: int, locale: str = "en") -> str:
    away = NOW + timedelta(minutes=minutes)
    delivery = make_delivery(
        session, status=DeliveryStatus.OUT_FOR_DELIVERY, promise_point_at=away, next_stop_at=NOW, locale=locale
    )
    delivery.stop.stops_before = stops_before
    speech = speech_of(delivery, kind=Kind.NEXT_STOP, channel=Channel.SMS, company=COMPANY, link="L", now=NOW)
    return render(Kind.NEXT_STOP, Channel.SMS, locale, speech.words).body


@pytest.mark.parametrize(
    ("stops_before", "minutes", "said"),
    [
        (0, 5, "Juniper: you are next. Dana will be with you in about 5 minutes. Live map: L"),
        (1, 10, "Juniper: 1 stop before you. Dana will be with you in about 10 minutes. Live map: L"),
        (2, 15, "Juniper: 2 stops before you. Dana will be with you in about 15 minutes. Live map: L"),
    ],
)
def test_only_who_is_next_is_told_so(session: Session, stops_before: int, minutes: int, said: str) -> None:
    assert next_stop_text(session, stops_before=stops_before, minutes=minutes) == said


def test_stops_before_are_told_in_spanish_too(session: Session) -> None:
    said = next_stop_text(session, stops_before=2, minutes=15, locale="es")
    assert said == "Juniper: 2 paradas antes de la suya. Dana llegara en unos 15 minutos. Mapa en directo: L"
