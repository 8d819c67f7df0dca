"""The stand-ins together: one HTTP server and one SMTP server on loopback, one journal, one set of faults."""

import json
import random
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox import machine
from sandbox.carrier import FAILURES
from sandbox.faults import Faults, UnknownFault
from sandbox.journal import Journal
from sandbox.mailbox import Mailbox
from sandbox.texts import Text, new_sid
from sandbox.twilio import DEFAULT_FROM, TwilioStandIn


class Outside:
    """Everything the portal talks to. ``data_dir`` keeps the journal over a restart; ``day_now`` dates its entries."""

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        day_now: Callable[[], datetime] | None = None,
        seed: int = 1,
        pace: float = 1.0,
        account_sid: str = "",
        auth_token: str = "",
    ) -> None:
        if data_dir is not None:
            data_dir.mkdir(parents=True, exist_ok=True)
        path = None if data_dir is None else data_dir / "journal.jsonl"
        self.journal = Journal(now=machine.utc_now, path=path, day_now=day_now)
        self.faults = Faults(random.Random(seed))
        self.twilio = TwilioStandIn(
            account_sid=account_sid or "AC" + secrets.token_hex(16),
            auth_token=auth_token or secrets.token_hex(16),
            journal=self.journal,
            faults=self.faults,
            rng=random.Random(seed + 1),
            now=machine.utc_now,
            pace=pace,
        )
        self.mailbox = Mailbox(journal=self.journal, faults=self.faults, now=machine.utc_now)
        self._runner: web.AppRunner | None = None
        self.http_port = 0

    async def start(self, *, http_port: int = 0, smtp_port: int = 0, more: Iterable[web.AbstractRouteDef] = ()) -> None:
        """Listen on 127.0.0.1 (0: a free port); ``more`` are routes of other parts, such as tiles."""
        app = web.Application()
        app.add_routes([*self.twilio.routes(), *self.routes(), *more])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", http_port)
        await site.start()
        self.http_port = self._runner.addresses[0][1]
        await self.mailbox.start(smtp_port)
        await self.twilio.start()

    async def close(self) -> None:
        await self.twilio.close()
        await self.mailbox.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def smtp_url(self) -> str:
        return f"smtp://127.0.0.1:{self.mailbox.port}"

    async def send_from_phone(
        self, number: str, body: str, *, to: str | None = None, media: Iterable[str] = ()
    ) -> tuple[Text, int]:
        """Send a text as the owner of ``number``; to whoever wrote to it last, unless ``to`` says otherwise.

        Returns the text and the HTTP status of the portal's answer (0: none).
        """
        wrote_last = [text.sender for text in self.twilio.texts.all() if text.to == number]
        pictures = list(media)
        text = Text(
            sid=new_sid("MM" if pictures else "SM"),
            account_sid=self.twilio.account_sid,
            to=to or (wrote_last[-1] if wrote_last else DEFAULT_FROM),
            sender=number,
            body=body,
            direction="inbound",
            status="received",
            created_at=machine.utc_now(),
            media=pictures,
        )
        return text, await self.twilio.carrier.send_from_phone(text)

    def routes(self) -> list[web.RouteDef]:
        """Return the sandbox's own controls, under /sandbox/."""
        return [
            web.get("/sandbox/journal", self._show_journal),
            web.get("/sandbox/faults", self._show_faults),
            web.post("/sandbox/faults", self._add_fault),
            web.delete("/sandbox/faults", self._clear_faults),
            web.get("/sandbox/phones", self._show_phones),
            web.post("/sandbox/phones/{number}", self._set_phone),
            web.post("/sandbox/phones/{number}/send", self._send),
            web.get("/sandbox/mails", self._show_mails),
            web.get("/sandbox/settings", self._show_settings),
            web.post("/sandbox/settings", self._set),
        ]

    async def _show_journal(self, request: web.Request) -> web.Response:
        """Answer JSON lines; ``?after=`` and ``?event=`` narrow them."""
        entries = self.journal.entries(event=request.query.get("event"), after=int(request.query.get("after", "0")))
        lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        return web.Response(text=lines, content_type="application/x-ndjson")

    async def _show_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self.faults.listed())

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            rule = self.faults.add(**await _json(request))
        except (UnknownFault, TypeError) as error:
            return _bad(str(error))
        return web.json_response(asdict(rule), status=201)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return web.Response(status=204)

    async def _show_phones(self, request: web.Request) -> web.Response:
        """Answer the texts by phone: what each number got and sent."""
        phones: dict[str, list[dict[str, Any]]] = {}
        for text in self.twilio.texts.all():
            number = text.sender if text.direction == "inbound" else text.to
            phones.setdefault(number, []).append(text.resource())
        return web.json_response(phones)

    async def _set_phone(self, request: web.Request) -> web.Response:
        """Mark a number as failing: ``{"state": "unreachable" | "landline" | ... | "ok"}``."""
        state = (await _json(request)).get("state", "ok")
        if state != "ok" and state not in FAILURES:
            return _bad(f"state is ok or one of {', '.join(FAILURES)}")
        self.twilio.carrier.phone_states[request.match_info["number"]] = state
        return web.Response(status=204)

    async def _send(self, request: web.Request) -> web.Response:
        wanted = await _json(request)
        text, answer = await self.send_from_phone(
            request.match_info["number"],
            str(wanted.get("body", "")),
            to=wanted.get("to"),
            media=wanted.get("media", []),
        )
        return web.json_response({"sid": text.sid, "answer": answer}, status=201)

    async def _show_mails(self, request: web.Request) -> web.Response:
        mails = [asdict(mail) for mail in self.mailbox.mails(request.query.get("to"))]
        return web.json_response(mails, dumps=lambda value: json.dumps(value, default=str))

    async def _show_settings(self, request: web.Request) -> web.Response:
        carrier = self.twilio.carrier
        return web.json_response({"opt_out_handling": carrier.opt_out_handling, "portal_url": carrier.portal_url})

    async def _set(self, request: web.Request) -> web.Response:
        wanted = await _json(request)
        carrier = self.twilio.carrier
        carrier.opt_out_handling = bool(wanted.get("opt_out_handling", carrier.opt_out_handling))
        carrier.portal_url = str(wanted.get("portal_url", carrier.portal_url)).rstrip("/")
        return await self._show_settings(request)


async def _json(request: web.Request) -> dict[str, Any]:
    """Return the JSON object of the request. Answers 400 itself when there is none."""
    try:
        value = await request.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise web.HTTPBadRequest(text="a JSON object is expected")
    return value


def _bad(reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=400)
