"""Nobody learns anything of anybody else: an independent oracle over every byte that links can fetch on a played day.

Small here; ``make privacy`` plays three whole routes. The oracle itself is proven by faults that are put in on purpose.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from portal.recipient import view
from portal.services import Services
from sandbox.small_day import make_rounds
from tests.portal.privacy_day import PrivacyDay
from tests.portal.streams import live_server
from tracking import live_state, visibility
from tracking.clocks import SetClock
from tracking.geo import LatLon
from tracking.visibility import visible_truck

ROUTES = int(os.environ.get("PRIVACY_ROUTES", "2"))
STOPS = int(os.environ.get("PRIVACY_STOPS", "13"))  # so that somebody is more than ten stops and an hour away
PARCELS = int(os.environ.get("PRIVACY_PARCELS", "1"))  # at each stop
TICKS = int(os.environ.get("PRIVACY_TICKS", "30"))  # of ten seconds
SHARE = float(os.environ.get("PRIVACY_SHARE", "0.03"))  # of the recipients who are polled at a tick
STEP = int(os.environ.get("PRIVACY_STEP", "3"))  # every so many recipients have their stream open
APART_M = float(os.environ.get("PRIVACY_APART_M", "700"))  # from stop to stop; a truck is hidden within 150 m of them
SEED = int(os.environ.get("PRIVACY_SEED", "3"))


def play(
    services: Services, app: Flask, clock: SetClock, *, ticks: int = TICKS, share: float = SHARE, is_fault: bool = False
) -> PrivacyDay:
    """Play the day, or its first ticks, and return it with all that was found."""
    rounds = make_rounds(routes=ROUTES, stops=STOPS, parcels_a_stop=PARCELS, stop_m=APART_M)
    day = PrivacyDay(services, app, clock, rounds, share=share, step=4 if is_fault else STEP, seed=SEED)

    async def run() -> None:
        async with live_server(services) as server:
            await day.play(server, most_ticks=ticks, is_fault=is_fault)

    asyncio.run(run())
    return day


def test_no_link_gives_anything_away(services: Services, app: Flask, clock: SetClock) -> None:
    day = play(services, app, clock)
    tally = day.tally
    print(
        f"{ROUTES} routes of {STOPS} stops: {sum(tally.fetched.values())} answers and stretches of streams, "
        f"{day.oracle.looked_at / 1e6:.1f} MB, {tally.places} places told, {len(tally.findings)} findings"
    )
    assert tally.findings == []
    assert tally.places > 20, "the oracle has hardly seen a place"
    for rule in (
        "/t/<token>",
        "/t/<token>/place",
        "stream",
        "driver stream",
        "driver /d/",
        "/api/v1/deliveries",
        "front /place",
    ):
        assert tally.fetched[rule], f"{rule} was never fetched"


def _too_exact(**given: Any) -> Any:
    truck = visible_truck(**given)
    newest = given["fixes"][-1] if given["fixes"] else None
    return truck and newest and replace(truck, lat=round(newest.lat, 5), lon=round(newest.lon, 5))


def _at_others_doors(**given: Any) -> Any:
    return visible_truck(**{**given, "other_stops": ()})


def _to_everybody(**given: Any) -> Any:
    return visible_truck(**{**given, "stops_before": 1})


def _home_line_for_all(**given: Any) -> Any:
    truck = visible_truck(**given)
    return truck and replace(truck, line_to_home=True)


def _to_others_home(**given: Any) -> Any:
    truck = visible_truck(**given)
    other = given["other_stops"][0] if given["other_stops"] else LatLon(40.7, -74.4)
    return truck and replace(truck, lat=round(other.lat, 3), lon=round(other.lon, 3))


@pytest.mark.parametrize("wrong", [_too_exact, _at_others_doors, _to_everybody, _home_line_for_all, _to_others_home])
def test_a_fault_in_visibility_is_found(
    wrong: Callable[..., Any],
    services: Services,
    app: Flask,
    clock: SetClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault is seeded, which is the one way to show that the oracle would see it."""
    monkeypatch.setattr(live_state, "visible_truck", wrong)
    assert play(services, app, clock, ticks=60, share=0.0, is_fault=True).tally.findings


def test_a_rule_that_believes_every_speed_is_found(
    services: Services, app: Flask, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visibility, "_may_stand", lambda fixes, index: (fixes[index].speed_mps or 0.0) < 2.0)
    assert play(services, app, clock, ticks=120, share=0.0, is_fault=True).tally.findings


def test_a_page_that_names_somebody_else_is_found(
    services: Services, app: Flask, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_rounds(routes=ROUTES, stops=STOPS)[-1].parcels[-1]
    monkeypatch.setattr(view, "street_of", lambda address: other.address)
    found = play(services, app, clock, ticks=3, share=0.2, is_fault=True).tally.findings
    assert {finding.what for finding in found} >= {f"the address of {other.reference}"}
