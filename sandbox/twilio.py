"""Twilio's Messages resource, REST API 2010-04-01, so that the real ``twilio`` client works against it.

Published magic numbers are refused as Twilio refuses them. Unlike Twilio's test credentials, what is accepted here does
travel and does produce callbacks.
"""

import asyncio
import base64
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta
from hmac import compare_digest
from urllib.parse import urlencode

from aiohttp import web

from sandbox.carrier import Carrier
from sandbox.faults import Faults, Kind
from sandbox.journal import Journal
from sandbox.refusals import NOT_FOUND, OPTED_OUT, SERVER_ERROR, TOO_MANY, UNAUTHORIZED, Refusal, refusal_of
from sandbox.texts import API_VERSION, FINAL, Query, Text, Texts, new_sid
from sandbox.webhooks import Webhooks

DEFAULT_FROM = "+12015550100"
PAGE_SIZE, MAX_PAGE_SIZE = 50, 1000


class TwilioStandIn:
    """One account. ``texts`` is what it took, ``carrier`` what becomes of it."""

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        journal: Journal,
        faults: Faults,
        rng: random.Random,
        now: Callable[[], datetime],
        pace: float = 1.0,
    ) -> None:
        self.account_sid, self.auth_token = account_sid, auth_token
        self._journal, self._faults, self._now = journal, faults, now
        self.texts = Texts(journal)
        self._webhooks = Webhooks(auth_token)
        self.carrier = Carrier(
            texts=self.texts,
            journal=journal,
            faults=faults,
            webhooks=self._webhooks,
            rng=rng,
            now=now,
            pace=pace,
        )

    def routes(self) -> list[web.RouteDef]:
        base = f"/{API_VERSION}/Accounts/{{account}}"
        return [
            web.get(f"{base}.json", self.account),
            web.post(f"{base}/Messages.json", self.create),
            web.get(f"{base}/Messages.json", self.show_page),
            web.get(f"{base}/Messages/{{sid}}.json", self.fetch),
            web.post(f"{base}/Messages/{{sid}}.json", self.update),
            web.delete(f"{base}/Messages/{{sid}}.json", self.delete),
        ]

    async def start(self) -> None:
        """Open for business, and go on with what was under way when the stand-in last stopped."""
        await self._webhooks.start()
        for text in self.texts.all():
            self.carrier.start(text)

    async def close(self) -> None:
        await self.carrier.close()
        await self._webhooks.close()

    async def account(self, request: web.Request) -> web.Response:
        """Answer what ``portal check`` may ask: the account exists."""
        if (refusal := self._stranger(request)) is not None:
            return _refused(refusal)
        return web.json_response(
            {"sid": self.account_sid, "status": "active", "type": "Full", "friendly_name": "Sandbox"}
        )

    async def create(self, request: web.Request) -> web.Response:
        """Take one message, unless the form, the number or a fault says no."""
        if (refusal := self._stranger(request)) is not None:
            return _refused(refusal)
        form = {name: str(value) for name, value in (await request.post()).items()}
        to = form.get("To", "")
        await asyncio.sleep(self._faults.strike_s(Kind.SLOW_BEFORE, to))
        if (answer := self._trouble_before(request, to)) is not None:
            return answer
        refusal = refusal_of(form)
        if refusal is None and self.carrier.opt_out_handling and to in self.carrier.opted_out:
            refusal = OPTED_OUT
        if refusal is not None:
            self._journal.add(
                "refused", to=to, sender=form.get("From", ""), body=form.get("Body", ""), code=refusal.code
            )
            return _refused(refusal)
        text = self._accept(form)
        return await self._answer(request, text)

    def _trouble_before(self, request: web.Request, to: str) -> web.Response | None:
        if (rule := self._faults.strike(Kind.TOO_MANY, to)) is not None:
            self._journal.add("fault", kind=Kind.TOO_MANY, to=to)
            return _refused(TOO_MANY, {"Retry-After": str(max(1, round(rule.seconds)))})
        if self._faults.strike(Kind.PROXY_BEFORE, to):
            self._journal.add("fault", kind=Kind.PROXY_BEFORE, to=to)
            return web.Response(status=400, text="<h1>400 Bad Request</h1>", content_type="text/html")
        if self._faults.strike(Kind.ERROR_BEFORE, to):
            self._journal.add("fault", kind=Kind.ERROR_BEFORE, to=to)
            return _refused(SERVER_ERROR)
        if self._faults.strike(Kind.RESET_BEFORE, to):
            self._journal.add("fault", kind=Kind.RESET_BEFORE, to=to)
            return _cut(request)
        return None

    def _accept(self, form: dict[str, str]) -> Text:
        now = self._now()
        service = form.get("MessagingServiceSid", "")
        hidden_s = self._faults.strike_s(Kind.LIST_LATE, form["To"])
        text = Text(
            sid=new_sid("SM"),
            account_sid=self.account_sid,
            to=form["To"],
            sender=form.get("From") or DEFAULT_FROM,
            body=form.get("Body", ""),
            direction="outbound-api",
            status="accepted" if service else "queued",
            created_at=now,
            status_callback=form.get("StatusCallback", ""),
            messaging_service_sid=service,
            media=[form["MediaUrl"]] if "MediaUrl" in form else [],
            validity_s=int(form.get("ValidityPeriod", "36000")),
            listed_at=now + timedelta(seconds=hidden_s) if hidden_s else None,
        )
        self.texts.add(text)
        return text

    async def _answer(self, request: web.Request, text: Text) -> web.Response:
        resource = text.resource()
        if self._faults.strike(Kind.CALLBACK_EARLY, text.to):
            await self.carrier.tell_early(text)
        self.carrier.start(text)
        await asyncio.sleep(self._faults.strike_s(Kind.SLOW_AFTER, text.to))
        if self._faults.strike(Kind.ERROR_AFTER, text.to):
            self._journal.add("fault", kind=Kind.ERROR_AFTER, to=text.to, sid=text.sid)
            return _refused(SERVER_ERROR)
        if self._faults.strike(Kind.TOO_MANY_AFTER, text.to):
            self._journal.add("fault", kind=Kind.TOO_MANY_AFTER, to=text.to, sid=text.sid)
            return _refused(TOO_MANY)
        if self._faults.strike(Kind.RESET_AFTER, text.to):
            self._journal.add("fault", kind=Kind.RESET_AFTER, to=text.to, sid=text.sid)
            return _cut(request)
        return web.json_response(resource, status=201)

    async def show_page(self, request: web.Request) -> web.Response:
        """Answer one page, newest first. A page's token is the sid it begins behind, so new texts shift nothing."""
        if (refusal := self._stranger(request)) is not None:
            return _refused(refusal)
        asked = request.query
        if self._faults.strike(Kind.LIST_ERROR, asked.get("To", "")):
            return _refused(SERVER_ERROR)
        try:
            size = min(max(int(asked.get("PageSize", PAGE_SIZE)), 1), MAX_PAGE_SIZE)
            page = int(asked.get("Page", 0))
            query = _query(request)
        except ValueError:
            return _refused(Refusal(400, 20001, "Invalid parameter"))
        found = self.texts.newest_first(query, now=self._now())
        sids = [text.sid for text in found]
        token = asked.get("PageToken", "").removeprefix("PA")
        start = sids.index(token) + 1 if token in sids else page * size
        shown = found[start : start + size]
        path = request.path
        filters = {name: value for name, value in asked.items() if name not in {"Page", "PageToken", "PageSize"}}
        more = start + size < len(found)
        following = {"PageSize": size, "Page": page + 1, "PageToken": f"PA{sids[start + size - 1]}"} if more else {}
        return web.json_response(
            {
                "messages": [text.resource() for text in shown],
                "page": page,
                "page_size": size,
                "start": start,
                "end": start + len(shown) - 1 if shown else start,
                "uri": str(request.rel_url),
                "first_page_uri": f"{path}?{urlencode({**filters, 'PageSize': size, 'Page': 0})}",
                "next_page_uri": f"{path}?{urlencode({**filters, **following})}" if more else None,
                "previous_page_uri": None,
            }
        )

    async def fetch(self, request: web.Request) -> web.Response:
        found = self._find(request)
        return _refused(found) if isinstance(found, Refusal) else web.json_response(found.resource())

    async def update(self, request: web.Request) -> web.Response:
        """Redact (``Body=``) or cancel (``Status=canceled``); Twilio allows no other change."""
        found = self._find(request)
        if isinstance(found, Refusal):
            return _refused(found)
        form = await request.post()
        if form.get("Status") == "canceled":
            return _refused(Refusal(400, 30409, "The message is not in a cancelable state"))
        if form.get("Body", "") != "":
            return _refused(Refusal(400, 20009, "The body of a message can only be removed"))
        if found.status not in FINAL:
            return _refused(Refusal(400, 20009, "Resource not complete"))
        self.texts.redact(found)
        return web.json_response(found.resource())

    async def delete(self, request: web.Request) -> web.Response:
        found = self._find(request)
        if isinstance(found, Refusal):
            return _refused(found)
        if found.status not in FINAL:
            return _refused(Refusal(409, 20009, "Resource not complete"))
        self.texts.delete(found)
        return web.Response(status=204)

    def _find(self, request: web.Request) -> Text | Refusal:
        return self._stranger(request) or self.texts.get(request.match_info["sid"]) or NOT_FOUND

    def _stranger(self, request: web.Request) -> Refusal | None:
        """Return the refusal of a request without this account's Basic credentials."""
        expected = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        given = request.headers.get("Authorization", "").removeprefix("Basic ")
        if not compare_digest(given.encode(), expected.encode()):
            return UNAUTHORIZED
        return None if request.match_info["account"] == self.account_sid else NOT_FOUND


def _query(request: web.Request) -> Query:
    """Return what the list's parameters ask for. Raises ``ValueError`` for a date that is none."""
    asked = request.query

    def day(name: str) -> date | None:
        return date.fromisoformat(asked[name][:10]) if asked.get(name) else None

    return Query(
        to=asked.get("To", ""),
        sender=asked.get("From", ""),
        on=day("DateSent"),
        since=day("DateSent>"),
        until=day("DateSent<"),
    )


def _refused(refusal: Refusal, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(refusal.body(), status=refusal.status, headers=headers)


def _cut(request: web.Request) -> web.Response:
    """Cut the connection without an answer; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
