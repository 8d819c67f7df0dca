from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from messaging.cases import case_of
from messaging.conversations import Voice
from messaging.inbound import (
    ReadAs,
)
from messaging.kinds import Kind
from messaging.ratings import rating_of
from tests.builders import local
from tests.messaging.phone import NOW, delivered, lines, out, persons_lines, replies, sent, told
from tracking.deliveries import DeliveryStatus


@pytest.mark.parametrize(
    ("text", "score", "comment"),
    [("4", 4, ""), ("5 great!", 5, "great!"), ("2 left in the rain", 2, "left in the rain")],
)
def test_an_answer_to_our_question_is_a_rating(session: Session, text: str, score: int, comment: str) -> None:
    delivery = delivered(session)
    assert told(session, text).read_as is ReadAs.RATING
    rating = rating_of(session, delivery.id)
    assert rating is not None
    assert (rating.score, rating.comment, rating.source) == (score, comment, "sms")
    assert len(replies(session)) == 1
    assert lines(session, delivery) == []


def test_a_low_rating_opens_a_case(session: Session) -> None:
    delivery = delivered(session)
    told(session, "2 left in the rain")
    case = case_of(session, delivery.id)
    assert case is not None
    assert (case.score, case.comment) == (2, "left in the rain")


def test_a_low_rating_without_words_is_asked_why_and_the_answer_goes_to_the_case(session: Session) -> None:
    delivery = delivered(session)
    told(session, "1")
    assert "What went wrong?" in replies(session)[0]
    outcome = told(session, "Nobody rang the bell", at=NOW + timedelta(minutes=2))
    assert outcome.read_as is ReadAs.ANSWER
    case = case_of(session, delivery.id)
    assert case is not None
    assert case.comment == "Nobody rang the bell"
    assert persons_lines(session, delivery) == [(Voice.RECIPIENT, "Nobody rang the bell")]


def test_a_digit_is_chat_while_nobody_asked_for_a_rating(session: Session) -> None:
    delivery = out(session)
    assert told(session, "5").read_as is ReadAs.CHAT
    assert rating_of(session, delivery.id) is None


def test_a_later_rating_replaces_the_first_and_is_thanked_no_second_time(session: Session) -> None:
    delivery = delivered(session)
    told(session, "3")
    told(session, "5 he came back", at=NOW + timedelta(hours=1))
    rating = rating_of(session, delivery.id)
    assert rating is not None
    assert (rating.score, rating.comment) == (5, "he came back")
    assert len(replies(session)) == 1


def test_a_rating_a_day_after_the_first_is_chat(session: Session) -> None:
    delivery = delivered(session)
    told(session, "3")
    assert told(session, "5", at=NOW + timedelta(hours=25)).read_as is ReadAs.CHAT
    rating = rating_of(session, delivery.id)
    assert rating is not None
    assert rating.score == 3


@pytest.mark.parametrize("text", ["5 minutes please", "3rd floor", "10/10"])
def test_a_doubtful_rating_is_asked_about_and_shown_to_support_meanwhile(session: Session, text: str) -> None:
    delivery = delivered(session)
    told(session, text)
    assert rating_of(session, delivery.id) is None
    assert "did you mean a rating?" in replies(session)[0]
    assert persons_lines(session, delivery) == [(Voice.RECIPIENT, text)]


def test_yes_after_a_doubtful_rating_takes_its_digit(session: Session) -> None:
    delivery = delivered(session)
    told(session, "great, 5")
    told(session, "yes", at=NOW + timedelta(minutes=1), opt_out_type="START")
    rating = rating_of(session, delivery.id)
    assert rating is not None
    assert rating.score == 5


def test_no_after_a_doubtful_rating_leaves_it(session: Session) -> None:
    delivery = delivered(session)
    told(session, "5 minutes please")
    assert told(session, "no", at=NOW + timedelta(minutes=1)).read_as is ReadAs.ANSWER
    assert rating_of(session, delivery.id) is None


@pytest.mark.parametrize("text", ["10", "٥", "thanks!"])
def test_what_is_no_rating_goes_to_support(session: Session, text: str) -> None:
    delivery = delivered(session)
    assert told(session, text).read_as is ReadAs.CHAT
    assert rating_of(session, delivery.id) is None
    assert persons_lines(session, delivery) == [(Voice.RECIPIENT, text)]


def test_a_text_that_did_not_carry_the_question_is_not_answered_by_a_digit(session: Session) -> None:
    delivery = out(session, status=DeliveryStatus.DELIVERED, delivered_at=local("20:00"), status_at=local("20:00"))
    sent(session, delivery, Kind.DELIVERED, local("20:00"))
    assert told(session, "5", at=local("20:05")).read_as is ReadAs.CHAT
