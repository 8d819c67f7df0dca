"""Wishes by text, and what is answered; every answer fits two segments in both languages."""

import string
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from messaging import wish_texts
from messaging.cases import TaskKind, open_tasks
from messaging.house_rules import HouseRules, save_rules
from messaging.segments import Encoding, encoding_of, segment_count
from messaging.wish_texts import KEYS, sms_text, told
from messaging.wishes import WishKind, WishStatus, newest_wish
from tests.builders import SERVICE_ON, local, make_delivery
from tests.messaging.phone import NOW, PHONE, out, replies
from tests.messaging.phone import told as texted
from tracking.deliveries import DeliveryStatus

DAY_BEFORE = local("11:00") - timedelta(days=1)
LONGEST = {
    "what": "x" * 60,
    "wish": f"entregarlo a un vecino: {'x' * 60}",
    "words": "",
    "days": "mie, 25 nov; jue, 26 nov; vie, 27 nov; sab, 28 nov",
    "first": "JUE",
    "stop": 120,
    "name": "Maximiliana",
}


def test_safe_asks_the_dispatcher_and_says_so(session: Session) -> None:
    delivery = out(session)
    texted(session, "SAFE behind the shed")
    wish = newest_wish(session, delivery.id)
    assert wish is not None
    assert (wish.kind, wish.status, wish.place) == (WishKind.SAFE_PLACE, WishStatus.ASKED, "behind the shed")
    assert replies(session) == [
        "We have your wish: leave it in a safe place: behind the shed. We will tell you what we can do."
    ]
    assert [task.kind for task in open_tasks(session)] == [TaskKind.WISH]


def test_safe_is_agreed_at_once_by_the_house_rule(session: Session) -> None:
    save_rules(session, HouseRules(accepts_safe_place=True), staff_id="s", now=NOW)
    out(session, locale="es")
    texted(session, "SEGURO en el garaje")
    assert replies(session) == ["De acuerdo: dejarlo en un lugar seguro: en el garaje."]


def test_day_alone_tells_which_days_and_day_with_one_asks(session: Session) -> None:
    delivery = make_delivery(session, phone=PHONE)
    texted(session, "DAY", at=DAY_BEFORE)
    assert replies(session)[-1] == (
        "Which day? Text for example DAY FRI. Possible: Fri, Mar 6; Sat, Mar 7; Mon, Mar 9; Tue, Mar 10."
    )
    texted(session, "day monday", at=DAY_BEFORE + timedelta(minutes=1))
    wish = newest_wish(session, delivery.id)
    assert wish is not None
    assert wish.wanted_on == SERVICE_ON + timedelta(days=4)


def test_a_day_that_is_not_offered_is_answered_with_those_that_are(session: Session) -> None:
    make_delivery(session, phone=PHONE, locale="es")
    texted(session, "DIA DOMINGO", at=DAY_BEFORE)
    assert replies(session)[-1].startswith("Elija uno de estos dias, por favor: vie, 6 mar")


def test_undo_takes_it_back(session: Session) -> None:
    delivery = out(session)
    texted(session, "NEIGHBOR Bo Li, number 14")
    texted(session, "UNDO", at=NOW + timedelta(minutes=1))
    wish = newest_wish(session, delivery.id)
    assert wish is not None
    assert wish.status is WishStatus.WITHDRAWN
    texted(session, "UNDO", at=NOW + timedelta(minutes=2))
    assert replies(session)[1:] == ["Done. It comes as planned.", "There is nothing to take back."]


@pytest.mark.parametrize(
    ("status", "text", "answer"),
    [
        (DeliveryStatus.OUT_FOR_DELIVERY, "DAY FRI", "It is on its way, so another day is not possible now."),
        (DeliveryStatus.ARRIVED, "SAFE behind the shed", "The driver is at your door now."),
        (DeliveryStatus.DELIVERED, "NEIGHBOR Bo", "delivered 11:00"),
        (DeliveryStatus.ATTEMPT_FAILED, "SAFE porch", "Nothing is on its way now."),
    ],
)
def test_what_is_not_possible_now_is_said(session: Session, status: DeliveryStatus, text: str, answer: str) -> None:
    delivery = out(session, status=status, delivered_at=NOW, status_at=NOW)
    texted(session, text)
    assert answer in replies(session)[0]
    assert newest_wish(session, delivery.id) is None


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_text_stays_gsm7_within_two_segments_with_the_longest_words(key: str, language: str) -> None:
    text = sms_text(key, language, **LONGEST)
    assert encoding_of(text) is Encoding.GSM7
    assert segment_count(text) <= 2


def test_both_languages_have_the_same_texts_with_the_same_words() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english, spanish = wish_texts._EN, wish_texts._ES
    assert {key: fields(text) for key, text in english.items()} == {key: fields(text) for key, text in spanish.items()}


@pytest.mark.parametrize(
    ("line", "locale", "shown"),
    [
        ("Agreed: another day: 2026-03-06", "en", "Agreed: another day: Fri, Mar 6"),
        ("Agreed: another day: 2026-03-06", "es", "De acuerdo: otro día: vie, 6 mar"),
        (
            "The recipient asks: give it to a neighbor: Bo 2026-03-06",
            "es",
            "El destinatario pide: entregarlo a un vecino: Bo 2026-03-06",
        ),
        ("Not possible: leave it in a safe place: x (no)", "es", "No es posible: dejarlo en un lugar seguro: x (no)"),
        ("Agreed: whatever", "es", "Agreed: whatever"),
        ("The driver has arrived.", "es", "The driver has arrived."),
    ],
)
def test_a_kept_line_is_told_in_the_readers_language(line: str, locale: str, shown: str) -> None:
    assert told(line, locale) == shown
