"""A delivery day played through real ingest, consumer, pages and streams, everything that links can fetch judged."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from bench.small_day_load import load_rounds, tap
from portal.ingest import IngestApp
from portal.services import Services
from sandbox.privacy_oracle import Finding, Oracle, Standing
from sandbox.small_day import START, Parcel, Round, TrueFix, drive
from tests.portal.front_door import PAGES, FrontDoor
from tests.portal.streams import LiveServer
from tracking import driver_day, facts
from tracking.clocks import SetClock
from tracking.consumer import Consumer
from tracking.deliveries import Delivery
from tracking.ids import new_id
from tracking.routes import Route, RouteStatus
from tracking.stops import Stop

TICK = timedelta(seconds=10)
QUIET_S, QUIET_ROUNDS = 0.015, 3


class Tap:
    """One open stream, whose bytes are kept until they are judged."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._bytes = bytearray()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while data := await self._reader.read(65536):
            self._bytes += data

    @property
    def size(self) -> int:
        return len(self._bytes)

    def drain(self) -> bytes:
        told, self._bytes = bytes(self._bytes), bytearray()
        return told

    async def close(self) -> None:
        self._writer.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@dataclass
class Tally:
    """What was fetched and found."""

    findings: list[Finding]
    fetched: Counter[str]
    places: int = 0


class PrivacyDay:
    """Plays ``rounds``. ``share`` of the recipients is polled at each tick; every ``step``-th has a stream open."""

    def __init__(
        self,
        services: Services,
        app: Flask,
        clock: SetClock,
        rounds: list[Round],
        *,
        share: float,
        step: int,
        seed: int = 3,
    ) -> None:
        self.services, self.app, self.clock, self.rounds = services, app, clock, rounds
        self.clock.at = START
        load_rounds(services.database, services.links, rounds, START)
        self.oracle = Oracle(rounds)
        self.tally = Tally([], Counter())
        self._share, self._step, self._seed, self._rng = share, step, seed, random.Random(seed + 2)
        self._consumer = Consumer(services.database, services.redis, clock, new_id, wake=lambda: None)
        self._ingest = IngestApp(services)
        self._front = FrontDoor(services, app)
        self._drivers: dict[str, FlaskClient] = {}
        self._before: dict[str, Standing] = {}
        self._taps: dict[str, Tap] = {}
        for one in rounds:
            self._drivers[one.name] = client = app.test_client()
            assert client.post(f"/d/{one.driver_token}").status_code == 303

    async def play(self, server: LiveServer, *, most_ticks: int, is_fault: bool = False) -> None:
        """Play the day to its end, for ``most_ticks`` ticks, or, for a fault, until it is found."""
        waiting = sorted(
            (
                (fix.at + timedelta(seconds=fix.delay_s), number, index, fix)
                for number, one in enumerate(self.rounds)
                for index, fix in enumerate(drive(one, seed=self._seed + number))
            ),
            key=lambda each: each[:3],
        )
        await self._ingest.startup()
        await self._open_streams(server)
        for _ in range(most_ticks):
            if not waiting or (is_fault and self.tally.findings):
                break
            self.clock.advance(seconds=TICK.total_seconds())
            due = [each for each in waiting if each[0] <= self.clock.now()]
            waiting = waiting[len(due) :]
            for _, number, _, fix in due:
                await self._send(self.rounds[number], fix)
            while await asyncio.to_thread(self._consumer.step, 1):
                continue
            await self._quiet()
            self._look()
        for opened in self._taps.values():
            await opened.close()
        await self._ingest.shutdown()
        await self._front.close()

    async def _send(self, one: Round, fix: TrueFix) -> None:
        """Tell the portal of a fix, and tap what its driver has left behind."""
        truth = self.oracle.truth[one.name]
        before = truth.here
        item: dict[str, Any] = {
            "lat": fix.told_lat,
            "lon": fix.told_lon,
            "at": fix.at.isoformat(),
            "accuracy_m": fix.accuracy_m,
            "speed_mps": fix.told_speed_mps,
        }
        truth.note(fix)
        for _ in range(fix.copies):
            await self._post(one.device_token, json.dumps({"positions": [item]}).encode())
        if before is not None and before.stands_at is not None and truth.here is fix and fix.stands_at is None:
            for parcel in one.parcels:
                if parcel.stop == before.stands_at:
                    self._deliver(parcel, one)

    async def _post(self, token: str, body: bytes) -> None:
        headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/ingest/positions", "query_string": b"", "headers": headers}
        told: list[int] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            told.append(message.get("status", 0))

        await self._ingest(scope, receive, send)
        assert told[0] in {200, 422}, told

    def _deliver(self, parcel: Parcel, one: Round) -> None:
        with self.services.database.writing() as session:
            driver_day.deliver(session, parcel.delivery_id, tap(self.clock.now()))
        facts.publish(
            self.services.redis, [facts.delivery_changed(parcel.delivery_id), facts.route_changed(one.route_id)]
        )

    async def _open_streams(self, server: LiveServer) -> None:
        for one in self.rounds:
            page = self._drivers[one.name].get("/d/").get_data(as_text=True)
            address = page.split('data-live="')[1].split('"')[0].replace("&amp;", "&")
            self._taps[one.name] = await self._open(server, address)
            for parcel in one.parcels[:: self._step]:
                self._taps[parcel.reference] = await self._open(server, f"/t/{parcel.token}/live")
        await self._quiet()

    async def _open(self, server: LiveServer, path: str) -> Tap:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
        return Tap(reader, writer)

    async def _quiet(self) -> None:
        """Return when no stream has had anything new for a moment."""
        still, known = 0, -1
        while still < QUIET_ROUNDS:
            await asyncio.sleep(QUIET_S)
            size = sum(opened.size for opened in self._taps.values())
            still, known = (still + 1 if size == known else 0), size

    def _look(self) -> None:
        """Judge what the streams have told, and everything that some links can fetch now."""
        standings = self._standings()
        for one in self.rounds:
            self._driver(one)
            for parcel in one.parcels:
                now = standings[parcel.delivery_id]
                late = [now, *([self._before[parcel.delivery_id]] if self._before else [])]
                if parcel.reference in self._taps:
                    self._recipient(parcel, one, "stream", self._taps[parcel.reference].drain(), late)
                if self._rng.random() < self._share:
                    fetched = self._fetched(self.app.test_client(), self._addresses(parcel, one))
                    for where, told in (*fetched, *self._fronted(parcel)):
                        self._recipient(parcel, one, where, told, [now])
        self._before = standings

    def _recipient(self, parcel: Parcel, one: Round, where: str, told: bytes, standings: list[Standing]) -> None:
        self.tally.fetched[where] += 1
        self.tally.places += told.count(b'"lat":') if where in {"stream", "/t/<token>/place"} else 0
        self.tally.findings += self.oracle.judge_recipient(parcel, one, told, where=where, standings=standings)

    def _driver(self, one: Round) -> None:
        told = [("stream", self._taps[one.name].drain())]
        if self._rng.random() < self._share:
            told += self._fetched(self._drivers[one.name], self._driver_addresses(one))
        for where, body in told:
            self.tally.fetched[f"driver {where}"] += 1
            self.tally.findings += self.oracle.judge_driver(one, body, where=where)

    def _fetched(self, client: FlaskClient, addresses: Iterator[tuple[str, str, str]]) -> list[tuple[str, bytes]]:
        """Return rule and bytes of each answer, headers and all."""
        found = []
        for rule, path, bearer in addresses:
            answer = client.get(path, headers={"Authorization": f"Bearer {bearer}"} if bearer else {})
            headers = "\n".join(f"{name}: {value}" for name, value in answer.headers)
            own = headers.replace(path, "")  # an address that was asked for may come back
            found.append((rule, own.encode() + b"\n" + answer.get_data()))
        return found

    def _fronted(self, parcel: Parcel) -> Iterator[tuple[str, bytes]]:
        """Yield what a server answers without Flask: twice each, since the second comes from what is remembered."""
        for page in 2 * PAGES:
            if told := self._front.ask(f"/t/{parcel.token}{page}"):
                yield f"front {page}", told.replace(parcel.token.encode(), b"")

    def _rules(self, prefix: str) -> list[tuple[str, set[str]]]:
        return [
            (rule.rule, set(rule.arguments))
            for rule in self.app.url_map.iter_rules()
            if rule.rule.startswith(prefix) and "GET" in (rule.methods or ())
        ]

    def _other(self, one: Round) -> Parcel:
        """Return a parcel of another route, to try its ids."""
        return self._rng.choice([parcel for other in self.rounds if other is not one for parcel in other.parcels])

    def _addresses(self, parcel: Parcel, one: Round) -> Iterator[tuple[str, str, str]]:
        """Yield all that a recipient may try: their own pages, with others' ids in them, the map, and the API."""
        other = self._other(one)
        for rule, names in self._rules("/t/<token>"):
            path = rule.replace("<token>", parcel.token)
            for name in names - {"token"}:
                path = path.replace(f"<{name}>", other.delivery_id)
            yield rule, path, ""
        yield "/map.js", "/map.js", ""
        for rule, names in self._rules("/api/"):
            path = rule
            for name in names:
                path = path.replace(f"<{name}>", other.delivery_id)
            yield rule, path, parcel.token

    def _driver_addresses(self, one: Round) -> Iterator[tuple[str, str, str]]:
        """Yield all that a driver may try: the pages of a stop and a chat of their own, and of another route's."""
        own, other = self._rng.choice(one.parcels), self._other(one)
        for rule, names in self._rules("/d/"):
            if "token" in names:
                continue
            for parcel in (own, other) if names else (own,):
                ids = defaultdict(lambda parcel=parcel: parcel.delivery_id, {"stop_id": parcel.stop_id})
                path = rule
                for name in names:
                    path = path.replace(f"<{name}>", ids[name])
                yield rule, path, ""

    def _standings(self) -> dict[str, Standing]:
        now = self.clock.now()
        trucks = {one.route_id: self.oracle.truth[one.name].here for one in self.rounds}
        rows = select(Delivery.id, Delivery.status, Stop.stops_before, Stop.eta_at, Route.id, Route.status)
        with self.services.database.reading() as session:
            found = session.execute(rows.join(Stop, Delivery.stop_id == Stop.id).join(Route, Stop.route_id == Route.id))
            return {
                delivery_id: Standing(
                    status.value, before, eta_at, route_status is RouteStatus.STARTED, now, trucks[route_id]
                )
                for delivery_id, status, before, eta_at, route_id, route_status in found
            }
