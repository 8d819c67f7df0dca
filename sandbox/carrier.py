"""What becomes of a text after it was accepted: it travels, arrives or not, and the portal is told."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

from sandbox.faults import Faults, Kind
from sandbox.journal import Journal
from sandbox.segments import segment_count
from sandbox.texts import API_VERSION, FINAL, Text, Texts, new_sid
from sandbox.webhooks import Webhooks

# Twilio's error codes for texts that do not arrive.
FAILURES = {"unreachable": 30003, "blocked": 30004, "landline": 30006, "filtered": 30007, "unknown": 30008}
STOP_WORDS = {"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"}
START_WORDS = {"START", "YES", "UNSTOP"}
INBOUND_PATH = "/webhooks/twilio/inbound"


class Carrier:
    """Moves texts through their states in the background, a fraction of a second each; ``pace`` stretches that."""

    def __init__(
        self,
        *,
        texts: Texts,
        journal: Journal,
        faults: Faults,
        webhooks: Webhooks,
        rng: random.Random,
        now: Callable[[], datetime],
        pace: float = 1.0,
    ) -> None:
        self._texts, self._journal, self._faults, self._webhooks = texts, journal, faults, webhooks
        self._rng, self._now, self._pace = rng, now, pace
        self._tasks: set[asyncio.Task[None]] = set()
        self.phone_states: dict[str, str] = {}
        self.opted_out: set[str] = set()
        self.opt_out_handling = False
        self.portal_url = ""

    def start(self, text: Text) -> None:
        """Let ``text`` travel from where it is to its end, in the background."""
        if text.status not in FINAL:
            self._spawn(self._travel(text))

    async def close(self) -> None:
        """Stop everything under way. What had not arrived goes on after a restart, when there is a journal file."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def tell_early(self, text: Text) -> None:
        """Move to "sent" and tell the portal before the caller answers the create request."""
        self._texts.move(text, "sent", now=self._now())
        await self._call_back(text, "sent", None)

    async def _travel(self, text: Text) -> None:
        failure = FAILURES.get(self.phone_states.get(text.to, ""))
        steps: list[tuple[str, int | None]] = [] if text.status == "sent" else [("sent", None)]
        steps.append(("undelivered", failure) if failure else ("delivered", None))
        disorder = self._faults.strike(Kind.CALLBACK_DISORDER, text.to) is not None
        held: list[tuple[str, int | None]] = []
        for status, error_code in steps:
            await asyncio.sleep(self._pace * self._rng.uniform(0.05, 0.4))
            self._texts.move(text, status, now=self._now(), error_code=error_code)
            if disorder:
                held.insert(0, (status, error_code))
            else:
                await self._tell(text, status, error_code)
        for status, error_code in held:
            await self._tell(text, status, error_code)

    async def _tell(self, text: Text, status: str, error_code: int | None) -> None:
        if self._faults.strike(Kind.CALLBACK_DROP, text.to):
            return
        late_s = self._faults.strike_s(Kind.CALLBACK_LATE, text.to)
        repeat = self._faults.strike(Kind.CALLBACK_REPEAT, text.to)
        times = 1 + (repeat.repeats if repeat is not None else 0)
        if late_s:
            self._spawn(self._tell_late(text, status, error_code, late_s, times))
            return
        for _ in range(times):
            await self._call_back(text, status, error_code)

    async def _tell_late(self, text: Text, status: str, error_code: int | None, late_s: float, times: int) -> None:
        await asyncio.sleep(late_s)
        for _ in range(times):
            await self._call_back(text, status, error_code)

    async def _call_back(self, text: Text, status: str, error_code: int | None) -> None:
        if not text.status_callback:
            return
        fields = {
            "ApiVersion": API_VERSION,
            "MessageStatus": status,
            "SmsSid": text.sid,
            "SmsStatus": status,
            "To": text.to,
            "From": text.sender,
            "MessageSid": text.sid,
            "AccountSid": text.account_sid,
        }
        if text.messaging_service_sid:
            fields["MessagingServiceSid"] = text.messaging_service_sid
        if error_code is not None:
            fields["ErrorCode"] = str(error_code)
        if status == "delivered":
            fields["RawDlrDoneDate"] = self._now().strftime("%y%m%d%H%M")
        answer, _ = await self._webhooks.post(text.status_callback, fields)
        self._journal.add("callback", sid=text.sid, status=status, error_code=error_code, answer=answer)

    async def send_from_phone(self, text: Text) -> int:
        """Take a text from a phone, tell the portal, and return its HTTP status (0: nobody answered)."""
        word = text.body.strip().upper()
        if word in STOP_WORDS:
            self.opted_out.add(text.sender)
        elif word in START_WORDS:
            self.opted_out.discard(text.sender)
        self._texts.add(text)
        status, answer = await self._webhooks.post(self.portal_url + INBOUND_PATH, inbound_fields(text))
        self._journal.add("delivered_inbound", sid=text.sid, answer=status)
        if 200 <= status < 300:
            for body in twiml_messages(answer):
                self._reply(text, body)
        return status

    def _reply(self, text: Text, body: str) -> None:
        reply = Text(
            sid=new_sid("SM"),
            account_sid=text.account_sid,
            to=text.sender,
            sender=text.to,
            body=body,
            direction="outbound-reply",
            status="queued",
            created_at=self._now(),
        )
        self._texts.add(reply)
        self.start(reply)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def inbound_fields(text: Text) -> dict[str, str]:
    """Return the form of an inbound webhook, with the fields Twilio adds for US numbers."""
    fields = {
        "ToCountry": "US",
        "ToState": "NJ",
        "SmsMessageSid": text.sid,
        "NumMedia": str(len(text.media)),
        "ToCity": "",
        "FromZip": "",
        "SmsSid": text.sid,
        "FromState": "NJ",
        "SmsStatus": "received",
        "FromCity": "",
        "Body": text.body,
        "FromCountry": "US",
        "To": text.to,
        "ToZip": "",
        "NumSegments": str(segment_count(text.body)),
        "MessageSid": text.sid,
        "AccountSid": text.account_sid,
        "From": text.sender,
        "ApiVersion": API_VERSION,
    }
    for index, url in enumerate(text.media):
        fields[f"MediaUrl{index}"] = url
        fields[f"MediaContentType{index}"] = "image/jpeg"
    return fields


def twiml_messages(answer: str) -> list[str]:
    """Return the bodies of ``<Message>`` in a TwiML answer; none for the usual empty ``<Response/>``."""
    if "<Message" not in answer:
        return []
    root = ElementTree.fromstring(answer)  # noqa: S314  (it comes from the portal under test)
    return ["".join(message.itertext()).strip() for message in root.iter("Message")]
