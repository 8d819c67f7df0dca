"""Reading what devices tell: the quick way and the long way say the same, and each dialect's small print."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.fix_formats import (
    BadBody,
    own_items,
    owntracks_locations,
    read_osmand,
    read_own_item,
    read_owntracks,
    read_traccar,
    traccar_parts,
)
from tracking.fix_stream import UsableFix

NOON = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1000)
HERE = {"lat": 40.7162, "lon": -74.3461}

NUMBERS = st.one_of(
    st.none(), st.floats(-400, 400), st.integers(-400, 400), st.sampled_from([0, 0.0, 90, 180, 360, 1e6, True, "7"])
)
ITEMS = st.fixed_dictionaries(
    {
        "lat": st.one_of(st.floats(-95, 95), st.integers(-91, 91), NUMBERS),
        "lon": st.one_of(st.floats(-185, 185), NUMBERS),
        "at": st.sampled_from(
            [
                "2026-03-04T17:00:00Z",
                "2026-03-04T17:00:00.040Z",
                "2026-03-04T12:00:00.5-05:00",
                "2026-03-04T17:00:00",
                "1969-12-31T23:59:59Z",
                "20260304T170000Z",
                "1772643600",
                1772643600,
                1772643600123,
                "x" * 41,
                None,
            ]
        ),
    },
    optional=dict.fromkeys(("accuracy_m", "speed_mps", "heading", "heading_deg", "altitude"), NUMBERS),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(ITEMS, max_size=4))
def test_the_quick_way_reads_what_the_long_way_reads(items: list[dict[str, Any]]) -> None:
    quick = [read_own_item(item) for item in own_items(json.dumps({"positions": items}).encode())]
    assert quick == [read_own_item(item) for item in items]


def test_a_good_item_is_read_to_the_last_digit() -> None:
    item = {**HERE, "at": "2026-03-04T12:00:00.040-05:00", "accuracy_m": 8, "speed_mps": 4.25, "heading": 360}
    assert [read_own_item(one) for one in own_items(json.dumps({"positions": [item]}).encode())] == [
        UsableFix(NOON_MS + 40, 40.7162, -74.3461, 8.0, 4.25, 0.0, NOON_MS + 40)
    ]


@pytest.mark.parametrize("valid", ["true", "TRUE", "1"])
def test_valid_is_read_as_traccar_reads_it(valid: str) -> None:
    fields = {"lat": "40.7", "lon": "-74.3"}
    assert isinstance(read_osmand({**fields, "valid": valid}, knots=True, now_ms=NOON_MS), UsableFix)
    for other in ("false", "0", "no", ""):
        assert isinstance(read_osmand({**fields, "valid": other}, knots=True, now_ms=NOON_MS), str)


def test_osmand_speed_is_knots_or_metres_a_second_as_the_device_is_set() -> None:
    fields = {"lat": "40.7", "lon": "-74.3", "speed": "10"}
    knots, metres = (read_osmand(fields, knots=knots, now_ms=NOON_MS) for knots in (True, False))
    assert isinstance(knots, UsableFix)
    assert isinstance(metres, UsableFix)
    assert knots.speed_mps == pytest.approx(5.14444)
    assert metres.speed_mps == 10.0


def test_without_accuracy_hdop_tells_how_sure_a_fix_is() -> None:
    fields = {"lat": "40.7", "lon": "-74.3", "hdop": "30"}
    rough = read_osmand(fields, knots=True, now_ms=NOON_MS)
    told = read_osmand({**fields, "accuracy": "12"}, knots=True, now_ms=NOON_MS)
    assert isinstance(rough, UsableFix)
    assert isinstance(told, UsableFix)
    assert (rough.accuracy_m, told.accuracy_m) == (150.0, 12.0)


@pytest.mark.parametrize(
    ("stamp", "at_ms"),
    [
        (str(2**31 - 1), (2**31 - 1) * 1000),  # the last second before a number means milliseconds
        (str(NOON_MS), NOON_MS),
        ("2026-03-04T17:00:00.250Z", NOON_MS + 250),
        ("2026-03-04T12:00:00-05:00", NOON_MS),
        ("2026-03-04 17:00:00", NOON_MS),
    ],
)
def test_osmand_times(stamp: str, at_ms: int) -> None:
    found = read_osmand({"lat": "40.7", "lon": "-74.3", "timestamp": stamp}, knots=True, now_ms=0)
    assert isinstance(found, UsableFix)
    assert found.at_ms == at_ms


def traccar(seconds: int) -> dict[str, Any]:
    coords = {"latitude": 40.7, "longitude": -74.3, "accuracy": 5.0, "speed": 3.5, "heading": 180, "altitude": 12}
    return {
        "timestamp": f"2026-03-04T17:00:{seconds:02}.000Z",
        "coords": coords,
        "is_moving": True,
        "odometer": 12.5,
        "event": "motionchange",
        "battery": {"level": 0.8, "is_charging": False},
        "activity": {"type": "in_vehicle"},
        "extras": {},
    }


def test_traccar_client_sends_one_location_or_a_backlog_of_them() -> None:
    one = {"location": traccar(1), "device_id": "x"}
    many = {"location": [traccar(1), traccar(2)], "device_id": "x"}
    [fix] = read_traccar(one)
    assert fix == UsableFix(NOON_MS + 1000, 40.7, -74.3, 5.0, 3.5, 180.0, NOON_MS + 1000)
    assert len(read_traccar(many)) == 2
    assert [len(read_traccar(part)) for part in traccar_parts(json.dumps([one, many]).encode())] == [1, 2]
    assert read_traccar({"location": []}) == ["location.coords is missing."]
    for body in (b"7", b"[]", b"[1]", b"{"):
        with pytest.raises(BadBody):
            traccar_parts(body)


def test_owntracks_speed_is_kilometres_an_hour_and_minus_one_is_nothing() -> None:
    told = {
        "_type": "location",
        **HERE,
        "tst": NOON_MS // 1000,
        "vel": 36,
        "cog": -1,
        "acc": 9,
        "batt": 80,
        "tid": "dr",
    }
    fix = read_owntracks(told, now_ms=0)
    assert fix == UsableFix(NOON_MS, 40.7162, -74.3461, 9.0, 10.0, None, NOON_MS)


def test_of_what_owntracks_posts_only_locations_count() -> None:
    location = {"_type": "location", **HERE}
    assert owntracks_locations(b"") == []
    assert owntracks_locations(json.dumps(location).encode()) == [location]
    assert owntracks_locations(json.dumps([{"_type": "lwt"}, location, {}]).encode()) == [location]
    for kind in ("lwt", "transition", "waypoints", "status", "card", "cmd", "encrypted"):
        assert owntracks_locations(json.dumps({"_type": kind}).encode()) == []
    with pytest.raises(BadBody):
        owntracks_locations(b"[1]")
