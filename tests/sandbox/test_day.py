import csv
import itertools
import random
from datetime import date, timedelta

import phonenumbers
import pytest

from sandbox.day import HEADER, plan_day, write_route_file
from sandbox.drive import Jam, plan_drive
from sandbox.houses import build_houses
from sandbox.routing import Place, Streets
from sandbox.town import build_town


@pytest.fixture(scope="module")
def town():
    return build_town()


@pytest.fixture(scope="module")
def streets(town):
    return Streets(town)


@pytest.fixture(scope="module")
def day(town, streets):
    return plan_day(date(2026, 11, 23), build_houses(town), streets)


@pytest.fixture
def rows(day, tmp_path):
    write_route_file(day, tmp_path / "routes.csv")
    text = (tmp_path / "routes.csv").read_text()
    assert text.splitlines()[0] == HEADER
    return list(csv.DictReader(text.splitlines()))


def test_the_file_has_three_routes_of_eight_stops_one_of_them_with_two_deliveries(rows):
    stops = [(row["route"], row["sequence"]) for row in rows]

    assert len(rows) == 25
    assert len(set(stops)) == 24
    assert len({row["reference"] for row in rows}) == 25
    assert {row["locale"] for row in rows} == {"en", "es"}


def test_every_row_can_be_reached_and_its_number_is_a_valid_number_of_fiction(rows):
    assert all(row["phone"] or row["email"] for row in rows)
    for number in {row["phone"] for row in rows if row["phone"]} | {row["driver_phone"] for row in rows}:
        assert phonenumbers.is_valid_number(phonenumbers.parse(number))
        assert number[5:10] == "55501"


def test_a_driven_day_keeps_the_windows_it_promised(day, streets):
    rng = random.Random(5)
    for route in day.routes:
        at, here = route.starts_at, Place(day.depot.edge, day.depot.along_m)
        for stop in route.stops:
            at += timedelta(seconds=plan_drive(streets, streets.way(here, stop.place), rng).duration_s)
            assert stop.window_start < at.time() < stop.window_end
            at += timedelta(minutes=stop.service_min)
            here = stop.place


def test_a_drive_follows_the_streets_from_door_to_door_without_leaps(day, streets):
    here, stop = Place(day.depot.edge, day.depot.along_m), day.routes[0].stops[0]
    drive = plan_drive(streets, streets.way(here, stop.place), random.Random(1))

    fixes = [drive.at(second) for second in range(int(drive.duration_s) + 2)]

    assert max(fix.speed_mps for fix in fixes) < 14
    assert all(abs(a.point[0] - b.point[0]) < 14 for a, b in itertools.pairwise(fixes))
    assert fixes[-1].speed_mps == 0.0
    assert min(abs(fixes[-1].point[0] - x) for x, _ in streets.way(here, stop.place)[-1].line) < 1


def test_a_jam_makes_main_roads_slow(day, streets):
    way = streets.way(Place(day.depot.edge, day.depot.along_m), day.routes[0].stops[0].place)
    jam = Jam((0.0, 0.0), 5000.0, 4.0)

    free = plan_drive(streets, way, random.Random(1))
    jammed = plan_drive(streets, way, random.Random(1), [jam])

    assert jammed.duration_s > free.duration_s * 2


def test_the_way_back_is_as_long_and_no_detour(day, streets):
    start, end = (Place(s.house.edge, s.house.along_m) for s in day.routes[1].stops[:2])

    there = sum(leg.free_s for leg in streets.way(start, end))

    assert sum(leg.free_s for leg in streets.way(end, start)) == pytest.approx(there)
    assert streets.way(start, start) == []
