"""Distances and bearings on the globe."""

import math
from typing import NamedTuple

# Mean Earth radius (IUGG R1), metres.
EARTH_RADIUS_M = 6_371_008.8


class LatLon(NamedTuple):
    """A place in degrees (WGS 84), latitude first."""

    lat: float
    lon: float


def distance_m(a: LatLon, b: LatLon) -> float:
    """Return the great-circle distance in metres (haversine)."""
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    half_lat = math.sin((lat_b - lat_a) / 2)
    half_lon = math.sin(math.radians(b.lon - a.lon) / 2)
    h = half_lat * half_lat + math.cos(lat_a) * math.cos(lat_b) * half_lon * half_lon
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def bearing_deg(a: LatLon, b: LatLon) -> float:
    """Return the initial bearing from ``a`` to ``b``, clockwise from north, in [0, 360); 0 when they are one place."""
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    d_lon = math.radians(b.lon - a.lon)
    east = math.sin(d_lon) * math.cos(lat_b)
    north = math.cos(lat_a) * math.sin(lat_b) - math.sin(lat_a) * math.cos(lat_b) * math.cos(d_lon)
    return math.degrees(math.atan2(east, north)) % 360.0


def segment_distance_m(place: LatLon, a: LatLon, b: LatLon) -> float:
    """Return how near the straight way from ``a`` to ``b`` comes to ``place``; on a flat earth, good below 50 km."""
    shrink = math.cos(math.radians(place.lat))
    ax, ay = (a.lon - place.lon) * shrink, a.lat - place.lat
    dx, dy = (b.lon - a.lon) * shrink, b.lat - a.lat
    length2 = dx * dx + dy * dy
    share = min(1.0, max(0.0, -(ax * dx + ay * dy) / length2)) if length2 > 0.0 else 0.0
    return math.radians(math.hypot(ax + share * dx, ay + share * dy)) * EARTH_RADIUS_M


def is_place(lat: float, lon: float) -> bool:
    """Tell whether the pair can be a real place.

    False for NaN, infinities, degrees out of range, and (0, 0), which receivers send when they know nothing.
    """
    if not (math.isfinite(lat) and math.isfinite(lon)):
        return False
    return abs(lat) <= 90.0 and abs(lon) <= 180.0 and not (lat == 0.0 and lon == 0.0)
