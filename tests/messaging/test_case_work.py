from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.case_work import ask_again, ask_back
from messaging.cases import AGAIN_WITHIN, Case, CaseStatus, awaits_again, case_of, close_case
from messaging.chat_lines import ChatMessage, EmptyMessage, Voice
from messaging.consent import ConsentAction, contact_hash, note_consent
from messaging.conversations import assign
from messaging.inbound_texts import Question, QuestionKind
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from messaging.questions import rating_asked_of
from messaging.ratings import CannotRate, RatingWord, rate, rating_of
from tests.builders import local, make_delivery
from tracking.actors import SYSTEM
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.ids import new_id

NOW, PEPPER = local("12:00"), "pepper"
LATER = NOW + timedelta(days=2)


@pytest.fixture
def delivery(session: Session) -> Delivery:
    return make_delivery(session, status=DeliveryStatus.DELIVERED, delivered_at=NOW, status_at=NOW, locale="es")


def complain(session: Session, delivery: Delivery, score: int = 1) -> Case:
    give(session, delivery, score)
    found = case_of(session, delivery.id)
    assert found is not None
    return found


def give(session: Session, delivery: Delivery, score: int, days: int = 0, comment: str = "") -> None:
    told = {"score": score, "comment": comment, "source": "sms", "now": NOW + timedelta(days=days), "ids": new_id}
    rate(session, delivery_id=delivery.id, **told)


def settle(session: Session, case: Case) -> bool:
    close_case(session, case.id, resolution="A new lamp", staff_id="bo", now=LATER)
    return ask_again(session, case.id, now=LATER, ids=new_id, pepper=PEPPER)


def test_a_case_belongs_to_who_has_the_conversation(session: Session, delivery: Delivery) -> None:
    assign(session, delivery.id, "mara", NOW)
    assert complain(session, delivery).owner_id == "mara"


def test_one_question_is_asked_back_once_and_its_answer_is_waited_for(session: Session, delivery: Delivery) -> None:
    case = complain(session, delivery)
    told = {"text": "What went wrong?", "staff_id": "bo", "now": LATER, "ids": new_id}

    assert ask_back(session, case.id, **told)
    assert not ask_back(session, case.id, **told)

    said = session.scalars(select(ChatMessage).where(ChatMessage.voice == Voice.SUPPORT)).all()
    waits = session.scalars(select(Question).where(Question.kind == QuestionKind.CASE_FOLLOW_UP)).all()
    assert [line.body for line in said] == ["What went wrong?"]
    assert [(one.address, one.delivery_id) for one in waits] == [(delivery.phone, delivery.id)]


def test_an_empty_question_is_not_asked_and_can_be_asked_later(session: Session, delivery: Delivery) -> None:
    case = complain(session, delivery)
    with pytest.raises(EmptyMessage), session.begin_nested():
        ask_back(session, case.id, text=" ", staff_id="bo", now=LATER, ids=new_id)
    session.expire_all()
    assert session.get_one(Case, case.id).asked_at is None


def test_once_settled_they_are_asked_how_it_is_in_their_language_and_the_first_rating_stays(
    session: Session, delivery: Delivery
) -> None:
    case = complain(session, delivery)
    assert settle(session, case)
    assert not ask_again(session, case.id, now=LATER, ids=new_id, pepper=PEPPER)

    sent = session.scalars(select(Notification).where(Notification.kind == Kind.CASE_FOLLOW_UP)).one()
    assert (sent.channel, sent.to_address, sent.locale) == (Channel.SMS, delivery.phone, "es")
    assert "¿Cómo está ahora?" in sent.context["text"]
    assert rating_asked_of(session, delivery.phone or "", LATER) == delivery.id
    give(session, delivery, 5, days=3, comment="Thank you")

    first = rating_of(session, delivery.id)
    assert first is not None
    assert first.score == 1
    assert (case.again_score, case.again_comment, case.status) == (5, "Thank you", CaseStatus.CLOSED)
    words = session.scalars(select(RatingWord.score).order_by(RatingWord.id)).all()
    assert words == [1, 5]
    with pytest.raises(CannotRate):
        give(session, delivery, 3, days=3)


def test_still_bad_opens_the_case_again_with_a_new_deadline(session: Session, delivery: Delivery) -> None:
    case = complain(session, delivery)
    settle(session, case)
    give(session, delivery, 2, days=3)
    assert (case.status, case.closed_at) == (CaseStatus.OPEN, None)
    assert case.deadline_at > LATER


def test_the_answer_counts_for_a_fortnight(session: Session, delivery: Delivery) -> None:
    case = complain(session, delivery)
    settle(session, case)
    assert awaits_again(case, LATER + AGAIN_WITHIN)
    assert not awaits_again(case, LATER + AGAIN_WITHIN + timedelta(seconds=1))


def test_who_wants_no_texts_is_asked_by_mail_and_who_wants_nothing_not_at_all(session: Session) -> None:
    def out(address: str | None, channel: Channel) -> None:
        told = {"action": ConsentAction.OPT_OUT, "source": "sms_word", "actor": SYSTEM, "now": NOW}
        note_consent(session, contact=contact_hash(address or "", PEPPER), channel=channel, **told)

    by_mail, silent = (
        make_delivery(session, status=DeliveryStatus.DELIVERED, delivered_at=NOW, status_at=NOW) for _ in range(2)
    )
    for one in (by_mail, silent):
        out(one.phone, Channel.SMS)
    out(silent.email, Channel.EMAIL)

    assert settle(session, complain(session, by_mail))
    assert not settle(session, complain(session, silent))

    sent = session.scalars(select(Notification).where(Notification.kind == Kind.CASE_FOLLOW_UP)).one()
    assert (sent.channel, sent.to_address) == (Channel.EMAIL, by_mail.email)


def test_an_open_case_is_not_asked_how_it_is_now(session: Session, delivery: Delivery) -> None:
    case = complain(session, delivery)
    assert not ask_again(session, case.id, now=LATER, ids=new_id, pepper=PEPPER)
