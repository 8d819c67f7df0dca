"""Positions: what each dialect is answered, what gets onto the stream, and that nothing a device sends breaks it."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient
from redis import Redis

from portal.ingest import IngestApp
from portal.services import Services
from tests.builders import make_driver
from tests.conftest import NOON
from tracking.clocks import SetClock
from tracking.drivers import DeviceToken, issue_device_token
from tracking.fix_entries import DriverFix, read_batch
from tracking.fix_stream import COUNTS, STREAM, latest_key
from tracking.fixes import Fix
from tracking.ids import new_id

HERE = {"lat": 40.7162, "lon": -74.3461}


@dataclass
class Reply:
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Device:
    """A device that talks to the application without a server between."""

    def __init__(self, services: Services) -> None:
        self._loop = asyncio.new_event_loop()
        self._app = IngestApp(services)
        self._loop.run_until_complete(self._app.startup())
        with services.database.writing() as session:
            driver = make_driver(session)
            self.driver_id = driver.id
            self.token_id = new_id()
            self.token = issue_device_token(
                session, token_id=self.token_id, driver_id=driver.id, label="test", now=NOON, expires_at=None
            )

    def close(self) -> None:
        self._loop.run_until_complete(self._app.shutdown())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def call(
        self,
        path: str,
        body: bytes = b"",
        *,
        method: str = "POST",
        query: str = "",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        given = {"authorization": f"Bearer {self.token}", "content-type": "application/json", **(headers or {})}
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value],
        }
        reply = Reply()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status, reply.headers = message["status"], dict(message["headers"])
            else:
                reply.body += message["body"]

        self._loop.run_until_complete(self._app(scope, receive, send))
        return reply

    def positions(self, *items: Any, **given: Any) -> Reply:
        return self.call("/ingest/positions", json.dumps({"positions": list(items)}).encode(), **given)

    def osmand(self, method: str = "GET", **fields: Any) -> Reply:
        query = urlencode({"id": self.token, **HERE, **fields})
        return self.call("/ingest/osmand", method=method, query=query, headers={"content-type": ""})

    def owntracks(self, body: Any, **given: Any) -> Reply:
        basic = base64.b64encode(f"dana:{self.token}".encode()).decode()
        headers = {"authorization": f"Basic {basic}", **given.pop("headers", {})}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("/ingest/owntracks", raw, headers=headers, **given)


@pytest.fixture
def device(services: Services) -> Iterator[Device]:
    """A device with a live token."""
    made = Device(services)
    yield made
    made.close()


def fix(seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    """A fix taken so many seconds from now."""
    return {**HERE, "at": (NOON + timedelta(seconds=seconds)).isoformat(), **more}


def statuses(reply: Reply) -> list[str]:
    return [result["status"] for result in reply.json]


def entries(redis: Redis) -> list[dict[str, str]]:
    found: Any = redis.xrange(STREAM)
    return [{k.decode(): v.decode() for k, v in fields.items()} for _, fields in found]


def stream(redis: Redis) -> list[DriverFix]:
    """Every fix on the stream, as the consumer reads it."""
    found: Any = redis.xrange(STREAM)
    return [fix for fixes in read_batch(found).fixes.values() for fix in fixes]


def test_a_fix_is_on_the_stream_before_it_is_answered(device: Device, redis: Redis) -> None:
    reply = device.positions(fix(-5, accuracy_m=8, speed_mps=4.5, heading=370 - 360))
    assert reply.status == 200
    assert reply.json == [{"index": 0, "status": "stored", "reason": None}]
    taken = Fix(40.7162, -74.3461, NOON - timedelta(seconds=5), NOON, 8.0, 4.5, 10.0)
    assert stream(redis) == [DriverFix(device.driver_id, taken, "json")]


def test_a_batch_is_one_entry_that_names_its_device_and_no_token(device: Device, redis: Redis) -> None:
    device.positions(fix(-5), fix(-4))
    [entry] = entries(redis)
    assert (entry["driver"], entry["device"], entry["source"]) == (device.driver_id, device.token_id, "json")
    at_ms = round(NOON.timestamp() * 1000)
    assert [(row[0], row[-1]) for row in json.loads(entry["fixes"])] == [(at_ms - 5000,) * 2, (at_ms - 4000,) * 2]
    assert device.token not in str(entry)


def test_a_repeated_fix_changes_nothing_and_an_older_one_is_late(device: Device, redis: Redis) -> None:
    device.positions(fix(-5))
    assert statuses(device.positions(fix(-5), fix(-60), fix(-1))) == ["duplicate", "late", "stored"]
    assert len(stream(redis)) == 3
    newest_ms = round((NOON - timedelta(seconds=1)).timestamp() * 1000)
    assert redis.hget(latest_key(device.driver_id), "at_ms") == str(newest_ms).encode()
    assert redis.hgetall(COUNTS) == {b"stored": b"2", b"duplicate": b"1", b"late": b"1"}


def test_a_batch_in_any_order_is_taken_oldest_first(device: Device, redis: Redis) -> None:
    assert statuses(device.positions(fix(-1), fix(-3), fix(-2))) == ["stored", "stored", "stored"]
    assert [taken.fix.at.isoformat() for taken in stream(redis)] == [fix(-3)["at"], fix(-2)["at"], fix(-1)["at"]]


def test_a_fix_from_the_near_future_is_clamped_and_its_spacing_stays(device: Device, redis: Redis) -> None:
    reply = device.positions(fix(300), fix(310), fix(59))
    assert statuses(reply) == ["clamped", "clamped", "stored"]
    taken = sorted(one.fix.at.isoformat() for one in stream(redis))
    assert taken == [(NOON - timedelta(seconds=10)).isoformat(), NOON.isoformat(), fix(59)["at"]]
    assert statuses(device.positions(fix(300), fix(310))) == ["duplicate", "duplicate"]


@pytest.mark.parametrize(
    "item",
    [
        fix(24 * 3600 + 1),
        {**fix(), "lat": 0, "lon": 0},
        {**fix(), "lat": 90.1},
        {**fix(), "lon": -180.5},
        {**fix(), "lat": float("nan")},
        {**fix(), "lon": float("inf")},
        {**fix(), "lat": "40.7"},
        {**fix(), "lat": True},
        {**fix(), "lat": 10**400},
        {**fix(), "lat": None},
        {**HERE},
        {**HERE, "at": "yesterday"},
        {**HERE, "at": "2026-03-04T12:00:00"},
        {**HERE, "at": []},
        {**HERE, "at": "0001-01-01T00:00:00+14:00"},
        "a fix",
        None,
        [],
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(device: Device, redis: Redis, item: Any) -> None:
    reply = device.positions(item)
    assert reply.status == 422
    assert statuses(reply) == ["refused"]
    assert reply.json[0]["reason"].endswith(".")
    assert stream(redis) == []


def test_every_answer_is_counted_and_told_to_operators(device: Device, client: FlaskClient) -> None:
    device.positions(fix(-5), fix(-5), {"lat": 0, "lon": 0})
    device.osmand(lat=91)
    device.positions(fix(3600), fix(-9))
    told = [line for line in client.get("/metrics").text.splitlines() if line.startswith("portal_positions{")]
    assert told == [
        f'portal_positions{{status="{status}"}} {count}.0'
        for status, count in (("stored", 1), ("duplicate", 1), ("late", 1), ("clamped", 1), ("refused", 2))
    ]


def test_one_good_fix_among_bad_ones_is_taken(device: Device, redis: Redis) -> None:
    reply = device.positions({**fix(), "lat": 91}, fix(-1), "x")
    assert reply.status == 200
    assert [(result["index"], result["status"]) for result in reply.json] == [
        (0, "refused"),
        (1, "stored"),
        (2, "refused"),
    ]
    assert len(stream(redis)) == 1


def test_odd_speeds_headings_and_accuracies_are_left_out(device: Device, redis: Redis) -> None:
    device.positions(fix(accuracy_m=-1, speed_mps=-1, heading=-1), fix(-1, speed_mps=9999, heading="north"))
    taken = [one.fix for one in stream(redis)]
    assert [(one.accuracy_m, one.speed_mps, one.heading_deg) for one in taken] == [(None, None, None)] * 2


def test_five_hundred_are_taken_and_one_more_is_too_many(device: Device) -> None:
    assert device.positions(*[fix(-n) for n in range(500)]).status == 200
    assert device.positions(*[fix(-n) for n in range(501)]).status == 413
    assert device.call("/ingest/positions", b" " * (1024 * 1024 + 1)).status == 413
    assert device.call("/ingest/positions", headers={"content-length": "9" * 5000}).status == 413


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer nonsense", "Bearer " + "x" * 9000, "Basic !!", "Bearer ÿ", "Digest a"]
)
def test_without_a_live_token_nothing_is_taken(device: Device, redis: Redis, authorization: str) -> None:
    reply = device.positions(fix(), headers={"authorization": authorization})
    assert reply.status == 401
    assert reply.headers[b"www-authenticate"] == b"Bearer"
    reply = device.call("/ingest/owntracks", b"{}", headers={"authorization": authorization})
    assert (reply.status, reply.body) == (401, b"[]")
    assert stream(redis) == []


def test_an_expired_token_ends_at_once_and_a_revoked_one_within_seconds(
    services: Services, clock: SetClock, device: Device
) -> None:
    with services.database.writing() as session:
        short = issue_device_token(
            session,
            token_id=new_id(),
            driver_id=device.driver_id,
            label="shift",
            now=NOON,
            expires_at=NOON + timedelta(seconds=30),
        )
    bearer = {"authorization": f"Bearer {short}"}
    assert device.positions(fix(), headers=bearer).status == 200
    clock.advance(seconds=30)
    assert device.positions(fix(), headers=bearer).status == 401

    assert device.positions(fix()).status == 200
    with services.database.writing() as session:
        session.connection().exec_driver_sql(
            f"UPDATE device_tokens SET revoked_at = '2026-03-04 17:00:00' WHERE id = '{device.token_id}'"
        )
    clock.advance(seconds=15)
    assert device.positions(fix()).status == 401


def test_a_revoked_token_ends_though_the_machines_clock_was_set_back(
    services: Services, clock: SetClock, device: Device
) -> None:
    assert device.positions(fix()).status == 200
    with services.database.writing() as session:
        session.get_one(DeviceToken, device.token_id).revoked_at = NOON
    clock.machine_s -= 3600
    assert device.positions(fix(1)).status == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"positions": 3}', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_not_ours_is_refused(device: Device, body: bytes) -> None:
    assert device.call("/ingest/positions", body).status == 400


def test_wrong_types_methods_and_addresses(device: Device) -> None:
    assert device.positions(fix(), headers={"content-type": "text/plain"}).status == 415
    assert device.positions(fix(), headers={"content-encoding": "gzip"}).status == 415
    assert device.call("/ingest/positions", method="GET").status == 405
    assert device.call("/ingest/owntracks", method="GET").headers[b"allow"] == b"POST"
    assert device.call("/ingest/nothing").status == 404
    assert device.call("/ingest/owntracks/").status == 200  # as people type an address into an app
    assert device.positions().status == 422


@pytest.mark.parametrize(
    ("fields", "at", "speed"),
    [
        ({"timestamp": int(NOON.timestamp())}, NOON, None),
        ({"timestamp": int(NOON.timestamp() * 1000)}, NOON, None),
        ({"timestamp": "2026-03-04T16:59:59Z"}, NOON - timedelta(seconds=1), None),
        ({"timestamp": "2026-03-04 16:59:59"}, NOON - timedelta(seconds=1), None),
        ({}, NOON, None),
        ({"speed": "10"}, NOON, 5.1),  # 10 knots are 5.14 m/s
    ],
)
def test_osmand_and_old_traccar_clients(
    device: Device, redis: Redis, fields: dict[str, Any], at: Any, speed: float | None
) -> None:
    reply = device.osmand(**fields)
    assert (reply.status, reply.body) == (200, b"")
    [taken] = stream(redis)
    assert (taken.fix.at, taken.source) == (at, "osmand")
    assert taken.fix.speed_mps == pytest.approx(speed)


def test_osmand_by_form_with_location_and_bearing(device: Device, redis: Redis) -> None:
    form = urlencode({"deviceid": device.token, "location": "40.7,-74.3", "bearing": "90", "accuracy": "12"})
    kind = {"content-type": "application/x-www-form-urlencoded", "authorization": ""}
    assert device.call("/ingest/osmand", form.encode(), headers=kind).status == 200
    [taken] = [one.fix for one in stream(redis)]
    assert (taken.lat, taken.lon, taken.heading_deg, taken.accuracy_m) == (40.7, -74.3, 90.0, 12.0)


def test_osmand_refusals(device: Device) -> None:
    assert device.osmand(id="somebody else").status == 400
    unknown = device.call("/ingest/osmand", method="GET", query="id=x&lat=1&lon=1", headers={"authorization": ""})
    assert unknown.status == 400
    assert device.osmand(lat="0", lon="0").status == 422
    assert device.osmand(lat="nan").status == 422
    assert device.osmand(timestamp="soon").status == 422
    assert device.osmand(valid="false").status == 422


def test_new_traccar_clients_send_json(device: Device, redis: Redis) -> None:
    coords = {"latitude": 40.7, "longitude": -74.3, "accuracy": 5.0, "speed": -1, "heading": 180}
    told = {"location": {"timestamp": NOON.isoformat(), "coords": coords}, "device_id": device.token}
    reply = device.call("/ingest/osmand", json.dumps(told).encode(), headers={"authorization": ""})
    assert reply.status == 200
    [taken] = [one.fix for one in stream(redis)]
    assert (taken.lat, taken.speed_mps, taken.heading_deg) == (40.7, None, 180.0)
    told["device_id"] = "\ud800"
    assert device.call("/ingest/osmand", json.dumps(told).encode(), headers={"authorization": ""}).status == 400


def test_owntracks_is_answered_with_an_empty_list(device: Device, redis: Redis) -> None:
    told = {"_type": "location", **HERE, "tst": int(NOON.timestamp()), "vel": 36, "cog": 45, "acc": 9}
    reply = device.owntracks(told)
    assert (reply.status, reply.body) == (200, b"[]")
    [taken] = stream(redis)
    assert (taken.fix.speed_mps, taken.fix.heading_deg, taken.source) == (10.0, 45.0, "owntracks")


@pytest.mark.parametrize("body", [b"", {"_type": "lwt"}, {"_type": "transition"}, {}])
def test_what_owntracks_says_besides_is_ignored(device: Device, redis: Redis, body: Any) -> None:
    reply = device.owntracks(body)
    assert (reply.status, reply.body) == (200, b"[]")
    assert stream(redis) == []


@pytest.mark.parametrize(("body", "status"), [(b"{", 400), ([1], 400), ({"_type": "location"}, 422)])
def test_what_owntracks_cannot_mean_is_refused(device: Device, body: Any, status: int) -> None:
    reply = device.owntracks(body)
    assert (reply.status, reply.body) == (status, b"[]")


def test_without_redis_the_device_is_told_to_keep_its_fixes(services: Services, device: Device) -> None:
    services.redis.config_set("maxmemory", "1")
    try:
        reply = device.positions(fix())
    finally:
        services.redis.config_set("maxmemory", "0")
    assert reply.status == 503
    assert reply.headers[b"retry-after"] == b"5"
    assert statuses(device.positions(fix())) == ["stored"]


def test_owntracks_gets_no_answer_while_redis_may_come_back(services: Services, device: Device, redis: Redis) -> None:
    """Some versions take any answer for delivered (reference/tracking.md 4)."""
    services.redis.config_set("maxmemory", "1")
    back = threading.Timer(0.4, lambda: services.redis.config_set("maxmemory", "0"))
    back.start()
    reply = device.owntracks({"_type": "location", **HERE, "tst": int(NOON.timestamp())})
    back.join()
    assert (reply.status, reply.body) == (200, b"[]")
    assert len(stream(redis)) == 1


def test_one_unusable_fix_does_not_stop_the_apps_queue(device: Device) -> None:
    """Both apps keep whatever is not answered by 2xx at the head of their queue; all behind it would wait for ever."""
    bad = {"_type": "location", "lat": 0, "lon": 0, "tst": int(NOON.timestamp())}
    assert [device.owntracks(bad).status for _ in range(3)] == [422, 200, 200]
    assert [device.osmand(lat="0", lon="0").status for _ in range(2)] == [422, 200]
    assert device.owntracks({**bad, "tst": 1}).status == 422


def test_several_fixes_in_one_traccar_or_owntracks_request(device: Device, redis: Redis) -> None:
    coords = {"latitude": 40.7, "longitude": -74.3}
    backlog = [{"timestamp": fix(-seconds)["at"], "coords": coords} for seconds in (9, 8)]
    told = json.dumps({"location": backlog, "device_id": device.token}).encode()
    assert device.call("/ingest/osmand", told, headers={"authorization": ""}).status == 200
    parts = [{"_type": "location", **HERE, "tst": int(NOON.timestamp()) - seconds} for seconds in (7, 6)]
    assert device.owntracks(parts).status == 200
    assert len(stream(redis)) == 4
    both = [{"location": backlog[0], "device_id": name} for name in (device.token, "another")]
    assert device.call("/ingest/osmand", json.dumps(both).encode(), headers={"authorization": ""}).status == 400
