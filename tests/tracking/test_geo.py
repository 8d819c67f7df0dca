"""Distances and bearings against figures worked out by hand."""

import math

import pytest

from tracking.geo import LatLon, bearing_deg, distance_m, is_place, segment_distance_m

HOME = LatLon(52.0, 13.0)


def test_a_thousandth_of_a_degree_north_is_111_metres() -> None:
    # 6371008.8 m x pi / 180 / 1000 = 111.195 m
    assert distance_m(HOME, LatLon(52.001, 13.0)) == pytest.approx(111.195, abs=0.01)


def test_east_is_shorter_by_the_cosine_of_the_latitude() -> None:
    # 111.195 m x cos 52 degrees = 68.458 m
    assert distance_m(HOME, LatLon(52.0, 13.001)) == pytest.approx(68.458, abs=0.01)


@pytest.mark.parametrize(
    ("to", "bearing"),
    [(LatLon(52.1, 13.0), 0.0), (LatLon(52.0, 13.001), 90.0), (LatLon(51.9, 13.0), 180.0), (LatLon(52, 12.999), 270)],
)
def test_bearing_is_clockwise_from_north(to: LatLon, bearing: float) -> None:
    assert bearing_deg(HOME, to) == pytest.approx(bearing, abs=0.01)


def test_the_way_between_two_places_may_pass_nearer_than_either() -> None:
    a, b = LatLon(52.001, 12.99), LatLon(52.001, 13.01)
    assert segment_distance_m(HOME, a, b) == pytest.approx(111.195, abs=0.1)
    assert segment_distance_m(HOME, a, a) == pytest.approx(distance_m(HOME, a), rel=1e-3)


@pytest.mark.parametrize(
    ("lat", "lon"), [(0.0, 0.0), (91.0, 1.0), (1.0, 181.0), (math.nan, 1.0), (1.0, math.inf), (-90.5, 0.0)]
)
def test_what_cannot_be_a_place_is_none(lat: float, lon: float) -> None:
    assert not is_place(lat, lon)
