from sandbox.judge import MAIL, SMS, Message, judge

TEXT = {"event": "accepted", "to": "+12025550101", "body": "X: you are next! Live map: link"}
LETTER = {"event": "mail", "to": "a@example.net", "text": "Good morning Anna, your delivery comes today", "id": "<1@x>"}
EXPECTED = [Message(SMS, "+12025550101", "next_stop"), Message(MAIL, "a@example.net", "morning_of")]


def test_everything_once_is_clean() -> None:
    assert judge(EXPECTED, [TEXT, {"event": "callback"}, LETTER]).is_clean


def test_what_did_not_come_is_lost_and_what_came_twice_is_doubled() -> None:
    verdict = judge(EXPECTED, [TEXT, TEXT])

    assert verdict.lost == [EXPECTED[1]]
    assert verdict.doubled == {EXPECTED[0]: 1}


def test_what_nobody_expected_is_extra() -> None:
    stray = {**TEXT, "to": "+12025550102"}

    assert judge(EXPECTED, [TEXT, LETTER, stray]).extra == {Message(SMS, "+12025550102", "next_stop"): 1}


def test_a_mail_with_the_same_message_id_is_a_repeat_and_with_another_a_double() -> None:
    assert judge(EXPECTED, [TEXT, LETTER, LETTER]).mail_repeats == 1
    assert judge(EXPECTED, [TEXT, LETTER, LETTER]).is_clean
    assert judge(EXPECTED, [TEXT, LETTER, {**LETTER, "id": "<2@x>"}]).doubled == {EXPECTED[1]: 1}


def test_a_repeat_after_a_silent_hang_up_is_told_apart() -> None:
    hung_up = {"event": "fault", "kind": "mail_drop_after", "to": "a@example.net"}

    verdict = judge(EXPECTED, [TEXT, LETTER, hung_up, LETTER, LETTER])

    assert (verdict.mail_repeats, verdict.unanswered_repeats) == (2, 1)
