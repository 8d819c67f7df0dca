import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import TaskKind, open_tasks
from messaging.consent_texts import undo_opt_out
from messaging.conversations import Voice
from messaging.inbound import (
    ReadAs,
)
from messaging.kinds import Kind
from messaging.notifications import Notification
from messaging.ratings import rating_of
from tests.messaging.phone import NOW, delivered, is_out, lines, out, replies, told


def test_stop_opts_out_and_the_carrier_answers(session: Session) -> None:
    delivery = out(session)
    assert told(session, "STOP").read_as is ReadAs.OPT_OUT
    assert is_out(session)
    assert replies(session) == []
    assert lines(session, delivery) == []


def test_stop_is_confirmed_by_us_when_we_are_told_to(session: Session) -> None:
    out(session)
    told(session, "STOP", opt_out_replies="ours")
    (confirmation,) = session.scalars(select(Notification).where(Notification.kind == Kind.REPLY))
    assert "START" in confirmation.context["text"]
    assert confirmation.context["confirms_opt_out"] is True


def test_who_says_stop_again_is_answered_no_more(session: Session) -> None:
    out(session)
    for word in ("STOP", "stop!", "STOPALL"):
        told(session, word, opt_out_replies="ours")
    assert len(replies(session)) == 1
    for _ in range(2):
        told(session, "START", opt_out_replies="ours")
    assert len(replies(session)) == 2
    told(session, "STOP", opt_out_replies="ours")
    assert len(replies(session)) == 3


def test_a_word_the_carrier_does_not_know_is_confirmed_by_us(session: Session) -> None:
    out(session)
    told(session, "stop please")
    assert is_out(session)
    assert len(replies(session)) == 1


def test_a_phrase_opts_out_and_staff_look_at_it(session: Session) -> None:
    delivery = out(session)
    told(session, "please stop texting me")
    (task,) = open_tasks(session)
    assert (task.kind, task.delivery_id) == (TaskKind.OPT_OUT_REVIEW, delivery.id)
    assert is_out(session)


def test_do_not_stop_at_the_gate_is_chat(session: Session) -> None:
    delivery = out(session)
    told(session, "don't stop at the gate, come in")
    assert not is_out(session)
    assert lines(session, delivery) == [(Voice.RECIPIENT, "don't stop at the gate, come in")]


@pytest.mark.parametrize("word", ["CANCEL", "end", "Quit!"])
def test_cancel_while_a_delivery_is_open_may_mean_the_delivery(session: Session, word: str) -> None:
    delivery = out(session)
    told(session, word, opt_out_type="STOP")
    assert is_out(session)
    (task,) = open_tasks(session)
    assert (task.kind, task.delivery_id) == (TaskKind.MAYBE_CANCEL, delivery.id)


def test_cancel_without_an_open_delivery_is_only_an_opt_out(session: Session) -> None:
    told(session, "CANCEL")
    assert is_out(session)
    assert open_tasks(session) == []


def test_asking_to_cancel_in_words_is_chat_with_a_task_and_an_honest_answer(session: Session) -> None:
    delivery = out(session)
    told(session, "Please cancel my order")
    assert not is_out(session)
    assert lines(session, delivery) == [(Voice.RECIPIENT, "Please cancel my order")]
    assert [task.kind for task in open_tasks(session)] == [TaskKind.MAYBE_CANCEL]
    assert "Nothing is cancelled yet" in replies(session)[0]


def test_start_opts_in_again(session: Session) -> None:
    out(session)
    told(session, "STOP")
    assert told(session, "Start").read_as is ReadAs.OPT_IN
    assert not is_out(session)


def test_yes_opts_in_only_who_had_opted_out(session: Session) -> None:
    delivery = out(session)
    assert told(session, "Yes", opt_out_type="START").read_as is ReadAs.CHAT
    assert lines(session, delivery) == [(Voice.RECIPIENT, "Yes")]
    told(session, "STOP")
    assert told(session, "Yes", opt_out_type="START").read_as is ReadAs.OPT_IN


def test_an_opt_out_makes_the_plan_of_open_deliveries_dirty(session: Session) -> None:
    delivery = out(session)
    delivery.plan_dirty_at = None
    told(session, "STOP")
    session.refresh(delivery)
    assert delivery.plan_dirty_at == NOW


def test_help_is_answered_with_the_words_and_never_relayed(session: Session) -> None:
    delivery = out(session)
    assert told(session, "Help?").read_as is ReadAs.HELP
    assert "STATUS" in replies(session)[0]
    assert "+12125550199" in replies(session)[0]
    assert lines(session, delivery) == []


@pytest.mark.parametrize("text", ["HELP", "help ", "Info"])
def test_help_is_answered_once_by_twilio_or_by_us(session: Session, text: str) -> None:
    out(session)
    assert told(session, text).read_as is ReadAs.HELP
    assert replies(session) == []
    told(session, text, opt_out_replies="ours")
    assert len(replies(session)) == 1


@pytest.mark.parametrize("text", ["WORDS", "palabras"])
def test_the_words_can_always_be_asked_for(session: Session, text: str) -> None:
    out(session)
    told(session, text)
    assert "STATUS" in replies(session)[0]


@pytest.mark.parametrize(("text", "answers"), [("STOP", 0), ("stop ", 0), ("Stop.", 1), ("stop please", 1)])
def test_we_confirm_an_opt_out_that_twilio_does_not_know(session: Session, text: str, answers: int) -> None:
    out(session)
    told(session, text)
    assert is_out(session)
    assert len(replies(session)) == answers


def test_help_that_the_carrier_answered_is_left_to_it(session: Session) -> None:
    out(session)
    told(session, "HELP", opt_out_type="HELP")
    assert replies(session) == []


def test_stop_while_a_rating_is_asked_is_no_rating(session: Session) -> None:
    delivery = delivered(session)
    told(session, "STOP")
    assert rating_of(session, delivery.id) is None
    assert is_out(session)


def test_staff_can_undo_an_opt_out_that_was_not_meant(session: Session) -> None:
    out(session)
    told(session, "no more texts before 8 please")
    (task,) = open_tasks(session)
    assert undo_opt_out(session, task.id, staff_id="bo", now=NOW, pepper="pepper")
    assert not is_out(session)
    assert open_tasks(session) == []
    assert not undo_opt_out(session, task.id, staff_id="bo", now=NOW, pepper="pepper")
