"""Whatever a device sends: no error of ours, nothing that stops the consumer, and no marker that goes back in time.

A few hundred bodies here; ``make fuzz-ingest`` sends 50,000.
"""

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from portal.services import Services
from tests.builders import make_delivery, make_route, make_stop
from tests.conftest import NOON
from tests.heard import Heard
from tests.portal.test_ingest import HERE, Device
from tracking import facts
from tracking.clocks import SetClock
from tracking.consumer import Consumer
from tracking.deliveries import DeliveryStatus
from tracking.drivers import Driver
from tracking.fix_stream import STREAM
from tracking.ids import new_id
from tracking.routes import RouteState, RouteStatus

BODIES = int(os.environ.get("FUZZ_BODIES", "300"))
DAYS = max(10, BODIES // 250)  # drives through ingest and consumer


@pytest.fixture
def device(services: Services) -> Iterator[Device]:
    """A device with a live token, whose driver is under way to three recipients."""
    made = Device(services)
    with services.database.writing() as session:
        driver = session.get_one(Driver, made.driver_id)
        route = make_route(session, driver=driver, on=NOON.date(), status=RouteStatus.STARTED, started_at=NOON)
        for _ in range(3):
            stop = make_stop(session, route)
            make_delivery(session, stop=stop, on=NOON.date(), status=DeliveryStatus.OUT_FOR_DELIVERY)
    yield made
    made.close()


class Pages:
    """What open pages are told of the truck, and what the record says of it, as the consumer works."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._consumer = Consumer(services.database, services.redis, services.clock, new_id, wake=lambda: None)
        self._heard = Heard(services.redis, facts.CHANNEL)
        self._told_at: dict[str, datetime] = {}
        self._last_fix_at: datetime | None = None
        self.places = self.taken = 0

    def close(self) -> None:
        self._heard.close()

    def follow(self) -> None:
        """Let the consumer take all there is; fails when any marker goes back in time."""
        while taken := self._consumer.step(block_ms=1):
            self.taken += taken
        with self._services.database.reading() as session:
            for state in session.query(RouteState):
                if state.last_fix_at is not None:
                    assert self._last_fix_at is None or state.last_fix_at >= self._last_fix_at
                    self._last_fix_at = state.last_fix_at
        for line in self._heard.news(facts.CHANNEL):
            fact = json.loads(line)
            if fact["kind"] == "place" and fact["place"] is not None:
                at, delivery_id = datetime.fromisoformat(fact["place"]["at"]), fact["delivery_id"]
                assert at >= self._told_at.get(delivery_id, at), "the marker went back in time"
                assert at <= self._services.clock.now() + timedelta(seconds=61), "the marker is ahead of time"
                self._told_at[delivery_id] = at
                self.places += 1


@pytest.fixture
def pages(services: Services, device: Device, request: pytest.FixtureRequest) -> Iterator[Pages]:
    """The pages of that driver's recipients."""
    made = Pages(services)
    yield made
    made.follow()
    made.close()
    if "marker" in request.node.name:
        assert made.places > 0, "no place was ever told"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ODD = st.one_of(JSON, st.floats(-200, 200), st.sampled_from([0, 40.7, NOON.isoformat(), NOON.timestamp()]))
NAMES = (
    "lat",
    "lon",
    "at",
    "accuracy_m",
    "speed_mps",
    "heading",
    "tst",
    "vel",
    "cog",
    "acc",
    "_type",
    "location",
    "coords",
    "timestamp",
    "latitude",
    "longitude",
    "device_id",
    "id",
    "deviceid",
    "bearing",
    "speed",
    "valid",
)
ITEM = st.dictionaries(st.sampled_from(NAMES), ODD, max_size=8)
BODY = st.one_of(
    st.binary(max_size=60),
    JSON.map(json.dumps),
    st.lists(st.one_of(ITEM, JSON), max_size=5).map(lambda items: json.dumps({"positions": items})),
    ITEM.map(lambda item: json.dumps({"_type": "location", **item})),
    ITEM.map(lambda item: json.dumps({"location": {"timestamp": item.get("at"), "coords": item}})),
)


@settings(max_examples=BODIES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(["/ingest/positions", "/ingest/osmand", "/ingest/owntracks"]),
    body=BODY,
    method=st.sampled_from(["POST", "POST", "GET", "PUT"]),
    query=st.one_of(
        st.just(""),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
        st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12), max_size=6).map(
            lambda fields: urlencode(fields, errors="replace")
        ),
    ),
    content_type=st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", ""]),
)
def test_nothing_a_device_sends_is_an_error_of_ours_or_stops_the_consumer(
    device: Device,
    pages: Pages,
    redis: Redis,
    path: str,
    body: bytes | str,
    method: str,
    query: str,
    content_type: str,
) -> None:
    raw = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
    reply = device.call(path, raw, method=method, query=query, headers={"content-type": content_type})
    assert 200 <= reply.status < 500
    if redis.xlen(STREAM) >= pages.taken + 100:
        pages.follow()


FIX = st.fixed_dictionaries(
    {
        "seconds": st.one_of(st.integers(-120, 120), st.sampled_from([-86_400, -3600, 59, 61, 3600, 86_399, 90_000])),
        "north_m": st.one_of(st.integers(-400, 400), st.sampled_from([20_000, -20_000])),
        "accuracy_m": st.sampled_from([None, 5.0, 2000.0]),
        "speed_mps": st.sampled_from([None, -1.0, 0.0, 9.0]),
        "dialect": st.sampled_from(["own", "osmand", "traccar", "owntracks"]),
        "is_swapped": st.sampled_from([False, False, False, True]),
    }
)


def send(device: Device, now: datetime, fix: dict[str, Any]) -> int:
    """Send one fix in its dialect and return the status."""
    at = now + timedelta(seconds=fix["seconds"])
    lat, lon = HERE["lat"] + fix["north_m"] / 111_195, HERE["lon"]
    if fix["is_swapped"]:
        lat, lon = lon, lat
    accuracy_m, speed_mps = fix["accuracy_m"], fix["speed_mps"]
    if fix["dialect"] == "own":
        item = {"lat": lat, "lon": lon, "at": at.isoformat(), "accuracy_m": accuracy_m, "speed_mps": speed_mps}
        return device.positions(item, item).status
    if fix["dialect"] == "osmand":
        return device.osmand(lat=lat, lon=lon, timestamp=int(at.timestamp()), accuracy=accuracy_m).status
    if fix["dialect"] == "traccar":
        coords = {"latitude": lat, "longitude": lon, "accuracy": accuracy_m, "speed": speed_mps}
        told = {"location": {"timestamp": at.isoformat(), "coords": coords}, "device_id": device.token}
        return device.call("/ingest/osmand", json.dumps(told).encode()).status
    return device.owntracks({"_type": "location", "lat": lat, "lon": lon, "tst": int(at.timestamp())}).status


@settings(max_examples=DAYS, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(FIX, st.integers(0, 40)), min_size=1, max_size=25))
def test_however_fixes_come_no_marker_goes_back_in_time(
    device: Device, pages: Pages, clock: SetClock, told: list[tuple[dict[str, Any], int]]
) -> None:
    for fix, wait_s in told:
        clock.advance(seconds=wait_s)
        assert send(device, clock.now(), fix) in {200, 422}
        pages.follow()
