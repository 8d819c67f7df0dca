"""Twilio's channel against answers that our stand-in would never give: written out by hand, over real HTTP."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import pytest
from aiohttp import web

from messaging.channels.base import CannotLook, Listed, OutcomeUnknown, Outgoing, Refused
from messaging.channels.twilio import TwilioSms
from messaging.notifications import NotificationStatus

Result = TypeVar("Result")
Answers = Callable[[web.Request], web.Response]

ACCOUNT = "AC" + "1" * 32
PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
AT = datetime(2026, 3, 5, 9, 0, 7, tzinfo=UTC)
TEXT = Outgoing("r" * 32, "+12025550101", "It's here - soon", 60)


def resource(number: int = 1, **said: Any) -> dict[str, Any]:
    """One message as Twilio shows it, with what a test says otherwise."""
    return {
        "sid": f"SM{number:032x}",
        "to": TEXT.to,
        "body": TEXT.body,
        "status": "sent",
        "error_code": None,
        "direction": "outbound-api",
        "messaging_service_sid": None,
        "date_created": "Thu, 05 Mar 2026 09:00:07 +0000",
        "date_sent": None,
    } | said


def page(*messages: dict[str, Any], **said: Any) -> web.Response:
    """One page of a list."""
    return web.json_response({"messages": list(messages), "next_page_uri": None} | said)


def talk(answers: Answers, work: Callable[[TwilioSms], Coroutine[Any, Any, Result]]) -> Result:
    """Do ``work`` with a channel whose every request ``answers`` answers."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return answers(request)

    async def scenario() -> Result:
        server = web.Server(answer)
        runner = web.ServerRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        sms = TwilioSms(
            account_sid=ACCOUNT,
            auth_token="t" * 32,
            sender="+12015550100",
            messaging_service_sid=None,
            public_url="http://127.0.0.1:1",
            api_url=f"http://{host}:{port}",
            send_timeout_s=60.0,
        )
        try:
            return await work(sms)
        finally:
            await sms.close()
            await runner.cleanup()

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "created",
    [
        "Thu, 05 Mar 2026 09:00:07 +0000",
        "Thu, 05 Mar 2026 09:00:07 -0000",
        "Thu, 05 Mar 2026 09:00:07 GMT",
        "Thu, 05 Mar 2026 04:00:07 -0500",
        "2026-03-05T09:00:07Z",
        "2026-03-05T09:00:07",
        "this morning",
        None,
    ],
)
def test_a_text_is_found_however_its_date_is_spelt(created: str | None) -> None:
    def find(sms: TwilioSms) -> Coroutine[Any, Any, Any]:
        return sms.find(TEXT, AT)

    (found,) = talk(lambda _: page(resource(date_created=created)), find)
    assert found.provider_ref == resource()["sid"]


@pytest.mark.parametrize("created", ["Thu, 05 Mar 2026 08:00:07 GMT", "2026-03-05T08:00:07Z"])
def test_an_older_text_with_the_same_words_is_another(created: str) -> None:
    assert talk(lambda _: page(resource(date_created=created)), lambda sms: sms.find(TEXT, AT)) == []


@pytest.mark.parametrize("body", ["It\u2019s here \u2013 soon", "It's here - soon \n", "It's here\u00a0- soon"])
def test_a_text_is_found_when_quotes_were_straightened_or_ends_trimmed(body: str) -> None:
    assert len(talk(lambda _: page(resource(body=body)), lambda sms: sms.find(TEXT, AT))) == 1
    assert len(talk(lambda _: page(resource()), lambda sms: sms.find(Outgoing("r", TEXT.to, body, 60), AT))) == 1


def test_fields_that_nobody_knows_or_that_are_missing_do_not_hide_a_text() -> None:
    bare = {"sid": resource()["sid"], "body": TEXT.body, "x_future": {"a": [None]}}
    found = talk(lambda _: page(bare, account_sid=ACCOUNT, warnings=[]), lambda sms: sms.find(TEXT, AT))
    assert [(each.provider_ref, each.status) for each in found] == [(bare["sid"], NotificationStatus.ACCEPTED)]


def test_pages_are_followed_oldest_text_first_and_what_moved_down_meanwhile_comes_twice() -> None:
    def answers(request: web.Request) -> web.Response:
        if "Page" in request.query:
            return page(resource(2), resource(1))
        return page(resource(3), resource(2), next_page_uri=f"{PATH}.json?To=%2B1&PageSize=2&Page=1&PageToken=PASM2")

    found = talk(answers, lambda sms: sms.find(TEXT, AT))
    assert [int(each.provider_ref[2:], 16) for each in found] == [1, 2, 2, 3]


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(text="<h1>Bad gateway</h1>", content_type="text/html"),
        lambda: web.Response(status=400, text="<h1>No</h1>", content_type="text/html"),
        lambda: web.json_response({"code": 20429, "message": "Too many"}, status=429),
        lambda: web.json_response([]),
        lambda: web.json_response({"messages": None}),
        lambda: web.json_response({"messages": [None]}),
    ],
)
def test_a_list_that_is_none_says_nothing_about_a_text(answer: Callable[[], web.Response]) -> None:
    with pytest.raises(CannotLook):
        talk(lambda _: answer(), lambda sms: sms.find(TEXT, AT))


def test_a_day_asks_in_days_and_keeps_to_it() -> None:
    asked: list[dict[str, str]] = []

    def answers(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        late = resource(2, date_created="Fri, 06 Mar 2026 00:00:01 GMT")
        return page(late, resource(1), resource(3, direction="inbound"))

    async def read(sms: TwilioSms) -> list[Listed]:
        return [text async for text in sms.day(date(2026, 3, 5))]

    (listed,) = talk(answers, read)
    assert (listed.provider_ref, listed.created_at) == (resource(1)["sid"], AT)
    assert asked == [{"From": "+12015550100", "DateSent>": "2026-03-05", "DateSent<": "2026-03-06", "PageSize": "500"}]


def test_one_text_is_told_with_its_code_or_is_not_there() -> None:
    failed = resource(status="undelivered", error_code=30005)
    word = talk(lambda _: web.json_response(failed), lambda sms: sms.tell(failed["sid"]))
    assert word is not None
    assert (word.status, word.error_code, word.reason) == (
        NotificationStatus.UNDELIVERED,
        "30005",
        "the number is not in use",
    )
    gone = web.json_response({"code": 20404}, status=404)
    assert talk(lambda _: gone, lambda sms: sms.tell("SM0")) is None


@pytest.mark.parametrize(
    ("status", "text"),
    [(400, "<h1>Bad Request</h1>"), (413, ""), (201, ""), (200, "<h1>Welcome</h1>"), (502, "<h1>Bad gateway</h1>")],
)
def test_an_answer_that_is_not_twilios_leaves_the_outcome_unknown(status: int, text: str) -> None:
    with pytest.raises(OutcomeUnknown):
        talk(lambda _: web.Response(status=status, text=text, content_type="text/html"), lambda sms: sms.send(TEXT))


@pytest.mark.parametrize(
    ("status", "code", "permanent"), [(400, 21211, True), (400, 21611, False), (401, 20003, False), (429, 20429, False)]
)
def test_twilios_own_refusals_are_believed(status: int, code: int, permanent: bool) -> None:
    said = json.dumps({"code": code, "message": "No", "status": status, "more_info": ""})
    with pytest.raises(Refused) as refused:
        talk(lambda _: web.Response(status=status, text=said), lambda sms: sms.send(TEXT))
    assert refused.value.permanent is permanent


def test_the_time_since_allows_for_clocks_that_differ() -> None:
    found = talk(lambda _: page(resource()), lambda sms: sms.find(TEXT, AT + timedelta(seconds=119)))
    assert len(found) == 1
