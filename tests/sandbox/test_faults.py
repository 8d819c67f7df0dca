import random

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from sandbox.faults import Faults, Kind, UnknownFault

ANNA = "+12015550111"


def send(client, world, **fields):
    return client.messages.create(**{"to": ANNA, "from_": world.sms_from, "body": "On its way", **fields})


def test_too_many_carries_retry_after_and_accepts_nothing(client, world):
    world.fault("too_many", times=1, seconds=7)
    path = f"{world.twilio_url}/2010-04-01/Accounts/{world.account_sid}/Messages.json"
    form = {"To": ANNA, "From": world.sms_from, "Body": "x"}

    answer = requests.post(path, auth=(world.account_sid, world.auth_token), data=form, timeout=60)

    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["code"]) == (429, "7", 20429)
    assert world.texts() == []


def test_an_error_before_accepts_nothing_and_an_error_after_has_accepted(client, world):
    world.fault("error_before", times=1)
    with pytest.raises(TwilioRestException) as before:
        send(client, world)
    assert world.texts() == []

    world.fault("error_after", times=1)
    with pytest.raises(TwilioRestException) as after:
        send(client, world)
    assert [before.value.status, after.value.status] == [500, 500]
    assert len(world.texts()) == 1


@pytest.mark.parametrize(("kind", "accepted"), [("reset_before", 0), ("reset_after", 1)])
def test_a_cut_connection_tells_nothing_of_whether_it_was_accepted(client, world, kind, accepted):
    world.fault(kind)

    with pytest.raises(requests.exceptions.ConnectionError):
        send(client, world)

    assert len(world.texts()) == accepted


def test_a_slow_answer_has_accepted_though_the_client_gives_up(client, world):
    world.fault("slow_after", seconds=30)
    client.http_client.timeout = 0.3

    with pytest.raises(requests.exceptions.ReadTimeout):
        send(client, world)

    world.wait_for_text(to=ANNA)


def test_callbacks_can_repeat_and_come_in_the_wrong_order(client, world, portal):
    world.fault("callback_repeat", times=1, repeats=2)
    send(client, world, status_callback=f"{portal.url}/status")
    assert portal.statuses_told(4) == ["sent", "sent", "sent", "delivered"]

    portal.posts.clear()
    world.fault("callback_disorder")
    send(client, world, status_callback=f"{portal.url}/status")
    assert portal.statuses_told(2) == ["delivered", "sent"]


def test_a_late_callback_lets_the_next_overtake_it(client, world, portal):
    world.fault("callback_late", times=1, seconds=1.5)

    send(client, world, status_callback=f"{portal.url}/status")

    assert portal.statuses_told(2) == ["delivered", "sent"]


def test_a_dropped_callback_never_comes(client, world, portal):
    world.fault("callback_drop", times=1)

    send(client, world, status_callback=f"{portal.url}/status")

    assert portal.statuses_told(1) == ["delivered"]


def test_an_early_callback_comes_before_the_answer_to_create(client, world, portal):
    world.fault("callback_early")

    send(client, world, status_callback=f"{portal.url}/status")

    assert portal.posts[0]["form"]["MessageStatus"] == "sent"


def test_an_accepted_message_can_stay_out_of_lists_for_a_while(client, world):
    world.fault("list_late", times=1, seconds=60)
    hidden = send(client, world)
    shown = send(client, world)

    assert [message.sid for message in client.messages.list(to=ANNA)] == [shown.sid]
    assert client.messages(hidden.sid).fetch().sid == hidden.sid


def test_rules_strike_by_number_probability_and_count():
    faults = Faults(random.Random(3))
    faults.add("error_before", to="+1201", times=1)
    faults.add("too_many", probability=0.5)

    assert faults.strike(Kind.ERROR_BEFORE, "+12125550100") is None
    assert faults.strike(Kind.ERROR_BEFORE, ANNA) is not None
    assert faults.strike(Kind.ERROR_BEFORE, ANNA) is None
    struck = sum(faults.strike(Kind.TOO_MANY, ANNA) is not None for _ in range(1000))
    assert 430 < struck < 570


def test_an_unknown_kind_names_the_known_ones():
    with pytest.raises(UnknownFault, match="callback_late"):
        Faults(random.Random(1)).add("earthquake")
