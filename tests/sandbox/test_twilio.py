import asyncio
from datetime import timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from sandbox.machine import utc_now

ANNA = "+12015550111"


def send(client, world, **fields):
    return client.messages.create(**{"to": ANNA, "from_": world.sms_from, "body": "On its way", **fields})


def test_create_answers_the_whole_resource_of_a_queued_message(client, world):
    begun = utc_now().replace(microsecond=0)  # Twilio tells whole seconds
    message = send(client, world)

    assert message.sid.startswith("SM")
    assert len(message.sid) == 34
    assert (message.status, message.num_segments, message.direction) == ("queued", "1", "outbound-api")
    assert (message.to, message.from_, message.body) == (ANNA, world.sms_from, "On its way")
    assert begun <= message.date_created <= utc_now()
    assert message.error_code is None
    assert [text.sid for text in world.texts(ANNA)] == [message.sid]


async def create_async(world):
    http = AsyncTwilioHttpClient(timeout=60)
    client = Client(world.account_sid, world.auth_token, http_client=http)
    client.api.base_url = world.twilio_url
    try:
        return await client.messages.create_async(to=ANNA, from_=world.sms_from, body="side by side")
    finally:
        await http.session.close()


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated", "ignore:The .auth. parameter")  # twilio on aiohttp 3.14
def test_the_async_client_works_too(world):
    message = asyncio.run(create_async(world))

    assert world.wait_for_text(to=ANNA).sid == message.sid


def test_a_messaging_service_accepts_and_counts_segments_later(client, world):
    message = client.messages.create(to=ANNA, messaging_service_sid="MG" + "0" * 32, body="hello")

    assert (message.status, message.num_segments) == ("accepted", "0")
    assert message.from_ is None


def test_status_callbacks_come_in_order_and_carry_a_true_signature(client, world, portal):
    url = f"{portal.url}/webhooks/twilio/status?m=42"

    message = send(client, world, status_callback=url)

    posts = portal.wait_for(2)
    assert [post["form"]["MessageStatus"] for post in posts] == ["sent", "delivered"]
    assert {post["form"]["MessageSid"] for post in posts} == {message.sid}
    validator = RequestValidator(world.auth_token)
    assert all(validator.validate(url, post["form"], post["headers"]["X-Twilio-Signature"]) for post in posts)
    assert {post["path"] for post in posts} == {"/webhooks/twilio/status?m=42"}


def test_a_url_fragment_is_neither_signed_nor_sent(client, world, portal):
    url = f"{portal.url}/status?m=1"

    send(client, world, status_callback=url + "#rc=5&rp=all")

    post = portal.wait_for(1)[0]
    assert post["path"] == "/status?m=1"
    assert RequestValidator(world.auth_token).validate(url, post["form"], post["headers"]["X-Twilio-Signature"])


def test_a_failed_callback_is_tried_once_more(client, world, portal):
    portal.statuses = [503]

    send(client, world, status_callback=f"{portal.url}/status")

    assert portal.statuses_told(3) == ["sent", "sent", "delivered"]


@pytest.mark.parametrize(
    ("state", "code"), [("unreachable", "30003"), ("landline", "30006"), ("filtered", "30007"), ("unknown", "30008")]
)
def test_a_number_marked_as_failing_ends_undelivered_with_its_code(client, world, portal, state, code):
    world.set_phone(ANNA, state)

    message = send(client, world, status_callback=f"{portal.url}/status")

    last = portal.wait_for(2)[-1]["form"]
    assert (last["MessageStatus"], last["ErrorCode"]) == ("undelivered", code)
    assert client.messages(message.sid).fetch().error_code == int(code)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"body": ""}, 21602),
        ({"body": "x" * 1601}, 21617),
        ({"to": ""}, 21604),
        ({"to": "12"}, 21211),
        ({"from_": ""}, 21603),
        ({"to": "+12015550100"}, 21266),
        ({"status_callback": "nonsense"}, 21609),
        ({"to": "+15005550001"}, 21211),
        ({"to": "+15005550002"}, 21612),
        ({"to": "+15005550003"}, 21408),
        ({"to": "+15005550004"}, 21610),
        ({"to": "+15005550009"}, 21614),
        ({"from_": "+15005550001"}, 21212),
        ({"from_": "+15005550007"}, 21606),
        ({"from_": "+15005550008"}, 21611),
    ],
)
def test_bad_forms_and_magic_numbers_are_refused_as_twilio_refuses_them(client, world, fields, code):
    with pytest.raises(TwilioRestException) as refused:
        send(client, world, **fields)

    assert (refused.value.status, refused.value.code) == (400, code)
    assert world.texts() == []


def test_the_magic_sender_that_always_works_is_accepted(client, world):
    assert send(client, world, from_="+15005550006").status == "queued"


def test_wrong_credentials_get_20003(world):
    path = f"{world.twilio_url}/2010-04-01/Accounts/{world.account_sid}/Messages.json"

    answer = requests.post(path, auth=(world.account_sid, "wrong"), data={"To": ANNA}, timeout=60)

    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_lists_are_newest_first_and_page_through_relative_addresses(client, world):
    bodies = [f"number {count}" for count in range(7)]
    for body in bodies:
        send(client, world, body=body)
    send(client, world, to="+12015550112", body="somebody else's")

    listed = client.messages.list(to=ANNA, date_sent_after=utc_now() - timedelta(days=1), page_size=3)

    assert [message.body for message in listed] == bodies[::-1]
    assert client.messages.list(to=ANNA, date_sent_before=utc_now() - timedelta(days=2)) == []
    assert len(client.messages.list(limit=20)) == 8


def test_a_message_can_be_redacted_and_deleted_once_it_has_arrived(client, world, portal):
    message = send(client, world, status_callback=f"{portal.url}/status")
    portal.wait_for(2)

    client.messages(message.sid).update(body="")
    assert client.messages(message.sid).fetch().body == ""
    assert client.messages(message.sid).delete()
    with pytest.raises(TwilioRestException) as gone:
        client.messages(message.sid).fetch()
    assert gone.value.status == 404


def test_an_inbound_text_is_a_signed_form_from_that_phone(world, portal):
    status = world.answer(ANNA, "5 great & fast! é")

    assert status == 200
    post = portal.wait_for(1)[0]
    assert post["path"] == "/webhooks/twilio/inbound"
    form = post["form"]
    assert (form["From"], form["To"], form["Body"]) == (ANNA, world.sms_from, "5 great & fast! é")
    assert form["MessageSid"] == form["SmsSid"] == form["SmsMessageSid"]
    assert form["NumMedia"] == "0"
    url = f"{portal.url}/webhooks/twilio/inbound"
    assert RequestValidator(world.auth_token).validate(url, form, post["headers"]["X-Twilio-Signature"])


def test_a_twiml_message_becomes_a_text_to_that_phone(world, portal):
    portal.answer = "<Response><Message>Got it &amp; thanks</Message></Response>"

    world.answer(ANNA, "hello")

    assert world.wait_for_text(to=ANNA).body == "Got it & thanks"


def test_nobody_at_the_portal_is_told_as_status_zero(world):
    world.set_portal("http://127.0.0.1:9")

    assert world.answer(ANNA, "anybody there?") == 0


def test_after_stop_the_number_is_refused_when_the_account_handles_opt_outs(client, world, portal):
    world.set_opt_out_handling(True)
    world.answer(ANNA, "Stop")

    with pytest.raises(TwilioRestException) as refused:
        send(client, world)
    assert refused.value.code == 21610

    world.answer(ANNA, "START")
    assert send(client, world).status == "queued"


def test_the_journal_and_the_controls_are_served_over_http(client, world, portal):
    message = send(client, world)
    base = f"{world.twilio_url}/sandbox"

    lines = requests.get(f"{base}/journal?event=accepted", timeout=60).text.splitlines()
    sent = requests.post(f"{base}/phones/{ANNA}/send", json={"body": "hi"}, timeout=60)
    rule = requests.post(f"{base}/faults", json={"kind": "too_many", "times": 1}, timeout=60)
    wrong = requests.post(f"{base}/faults", json={"kind": "earthquake"}, timeout=60)

    assert len(lines) == 1
    assert message.sid in lines[0]
    assert (sent.status_code, sent.json()["answer"]) == (201, 200)
    assert rule.status_code == 201
    assert wrong.status_code == 400
    assert len(requests.get(f"{base}/faults", timeout=60).json()) == 1
    assert requests.delete(f"{base}/faults", timeout=60).status_code == 204
    assert requests.get(f"{base}/faults", timeout=60).json() == []
    assert set(requests.get(f"{base}/phones", timeout=60).json()) == {ANNA}
