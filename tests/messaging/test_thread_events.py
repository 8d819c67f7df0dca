from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from messaging.conversations import Origin, Voice, join, say, thread
from tests.builders import local, make_delivery, make_route
from tracking import custody
from tracking.actors import SYSTEM
from tracking.custody import CustodyKind
from tracking.deliveries import Delivery, DeliveryStatus, PromiseChange
from tracking.ids import new_id
from tracking.routes import RouteStatus

NOW = local("13:00")


def under_way(session: Session, **columns: object) -> Delivery:
    route = make_route(session, status=RouteStatus.STARTED)
    return make_delivery(session, route=route, **{"status": DeliveryStatus.ARRIVED, **columns})


def happened(session: Session, delivery: Delivery, kind: CustodyKind, at: datetime, source: str = "tap") -> None:
    custody.record(
        session,
        event_id=new_id(),
        delivery_id=delivery.id,
        kind=kind,
        at=at,
        now=at,
        actor=SYSTEM,
        source=source,
    )
    session.flush()


def promised(session: Session, delivery: Delivery, hours: str, at: datetime, cause: str | None = "traffic") -> None:
    lo, _, hi = hours.partition("-")
    change = PromiseChange(delivery_id=delivery.id, at=at, cause=cause, lo_at=local(lo), hi_at=local(hi))
    session.add(change)
    session.flush()


def bodies(session: Session, delivery: Delivery, audience: Voice = Voice.RECIPIENT) -> list[str]:
    return [line.body for line in thread(session, delivery.id, audience=audience, now=NOW).lines]


def test_what_happened_stands_between_the_lines(session: Session) -> None:
    delivery = under_way(session)
    for body, at in (("Where are you?", "11:00"), ("Thanks!", "11:40")):
        say(
            session,
            delivery_id=delivery.id,
            voice=Voice.RECIPIENT,
            origin=Origin.PAGE,
            actor_id="",
            body=body,
            now=local(at),
        )
    happened(session, delivery, CustodyKind.ARRIVED, local("11:30"))
    assert bodies(session, delivery) == ["Where are you?", "The driver has arrived.", "Thanks!"]


def test_an_arrival_noticed_and_tapped_is_told_once(session: Session) -> None:
    delivery = under_way(session)
    happened(session, delivery, CustodyKind.ARRIVED, local("11:30"), "position")
    happened(session, delivery, CustodyKind.ARRIVED, local("11:31"))
    assert bodies(session, delivery) == ["The driver has arrived."]


def test_two_moves_in_a_row_are_both_told(session: Session) -> None:
    delivery = under_way(session)
    happened(session, delivery, CustodyKind.RESCHEDULED, local("11:30"))
    happened(session, delivery, CustodyKind.RESCHEDULED, local("11:31"))
    assert bodies(session, delivery) == ["Moved to another day.", "Moved to another day."]


def test_an_undone_delivery_is_told_as_it_was(session: Session) -> None:
    delivery = under_way(session)
    for number, kind in enumerate((CustodyKind.DELIVERED, CustodyKind.UNDONE, CustodyKind.DELIVERED)):
        happened(session, delivery, kind, local(f"11:3{number}"))
    assert bodies(session, delivery) == ["Delivered.", "The driver took the last step back.", "Delivered."]


def test_a_delay_is_told_with_its_reason_and_not_for_every_minute(session: Session) -> None:
    delivery = under_way(session)  # promised 10:00-12:00
    promised(session, delivery, "11:20-12:05", local("10:30"))
    promised(session, delivery, "11:50-12:20", local("10:40"))
    promised(session, delivery, "11:55-12:25", local("10:50"))
    assert bodies(session, delivery) == ["Delayed by traffic. Now expected 11:50 am-12:20 pm."]


def test_events_are_told_in_the_recipients_language_and_in_english_to_staff(session: Session) -> None:
    delivery = under_way(session, locale="es")
    happened(session, delivery, CustodyKind.ARRIVED, local("11:30"))
    assert bodies(session, delivery) == ["El conductor ha llegado."]
    assert bodies(session, delivery, Voice.SUPPORT) == ["The driver has arrived."]


def test_the_driver_reads_words_only(session: Session) -> None:
    delivery = under_way(session)
    happened(session, delivery, CustodyKind.ARRIVED, local("11:30"))
    assert bodies(session, delivery, Voice.DRIVER) == []


@pytest.mark.parametrize("kind", [CustodyKind.LOADED, CustodyKind.NOT_LOADED])
def test_what_happens_in_the_depot_is_not_told(session: Session, kind: CustodyKind) -> None:
    delivery = under_way(session)
    happened(session, delivery, kind, local("08:30"))
    assert bodies(session, delivery) == []


def test_ids_of_events_are_negative_and_differ(session: Session) -> None:
    delivery = under_way(session)
    happened(session, delivery, CustodyKind.DEPARTED, local("09:00"))
    happened(session, delivery, CustodyKind.ARRIVED, local("11:30"))
    promised(session, delivery, "11:50-12:20", local("10:40"))
    ids = [line.id for line in thread(session, delivery.id, audience=Voice.SUPPORT, now=NOW).lines]
    assert all(line_id < 0 for line_id in ids)
    assert len(set(ids)) == 3


def test_that_support_joined_is_told_in_the_recipients_language(session: Session) -> None:
    delivery = under_way(session, locale="es-MX")
    join(session, delivery.id, "bo", local("11:00"))
    assert bodies(session, delivery) == ["Soporte se unió a la conversación."]
    assert bodies(session, delivery, Voice.DRIVER) == ["Support joined the conversation."]


@pytest.mark.parametrize(
    ("kind", "detail", "locale", "said"),
    [
        (CustodyKind.DELIVERED, {"proofs": ["photo", "signature"]}, "en", "Delivered. Proof taken: photo, signature."),
        (CustodyKind.DELIVERED, {"proofs": []}, "en", "Delivered."),
        (CustodyKind.DELIVERED, {"proofs": ["photo"]}, "es", "Entregado. Prueba tomada: foto."),
        (CustodyKind.RESCHEDULED, {"to_on": "2026-03-06"}, "en", "Moved to Fri, Mar 6."),
        (CustodyKind.RESCHEDULED, {"to_on": "2026-03-06"}, "es", "Pasa al vie, 6 mar."),
        (CustodyKind.RESCHEDULED, {}, "en", "Moved to another day."),
    ],
)
def test_a_proof_and_a_new_day_are_named(
    session: Session, kind: CustodyKind, detail: dict[str, object], locale: str, said: str
) -> None:
    delivery = under_way(session, locale=locale)
    custody.record(
        session,
        event_id=new_id(),
        delivery_id=delivery.id,
        kind=kind,
        at=NOW,
        now=NOW,
        actor=SYSTEM,
        source="tap",
        detail=detail,
    )
    session.flush()
    assert bodies(session, delivery) == [said]
