"""The lie of the land: where the town is, how its plan is bent, where the river runs. Plain functions, in metres.

``x`` is metres east and ``y`` metres north of the town's middle. The town is made up; the place is real, quiet ground.
"""

import math

MIDDLE_LAT, MIDDLE_LON = 40.7100, -74.3500
ZONE = "America/New_York"
TOWN_NAME = "Alder Falls"
RIVER_NAME = "Alder River"
PARK_NAME = "Miller's Park"
RIVER_HALF_M = 34.0
PARK_X_M, PARK_Y_M, PARK_A_M, PARK_B_M = 215.0, 330.0, 330.0, 215.0
METRES_A_DEGREE = 111_320.0

Point = tuple[float, float]


def to_lat_lon(point: Point) -> tuple[float, float]:
    """Return degrees ``(lat, lon)``; flat-earth, which is right to centimetres over a few kilometres."""
    x, y = point
    scale = METRES_A_DEGREE * math.cos(math.radians(MIDDLE_LAT))
    return MIDDLE_LAT + y / METRES_A_DEGREE, MIDDLE_LON + x / scale


def to_metres(lat: float, lon: float) -> Point:
    """Return ``(x, y)`` in metres; the inverse of ``to_lat_lon``."""
    scale = METRES_A_DEGREE * math.cos(math.radians(MIDDLE_LAT))
    return (lon - MIDDLE_LON) * scale, (lat - MIDDLE_LAT) * METRES_A_DEGREE


def bend(x: float, y: float) -> Point:
    """Turn and bend the surveyor's straight plan a little, so that the streets look grown."""
    turned = math.radians(-9.0)
    u = x * math.cos(turned) - y * math.sin(turned)
    v = x * math.sin(turned) + y * math.cos(turned)
    return (
        u + 70.0 * math.sin(v / 640.0 + 0.5) + 18.0 * math.sin(v / 210.0),
        v + 62.0 * math.sin(u / 760.0 + 1.1) + 16.0 * math.sin(u / 240.0 + 2.0),
    )


def river_x(y: float) -> float:
    """Return where the middle of the river is at height ``y``."""
    return -520.0 + 190.0 * math.sin(y / 620.0 + 0.4) + 60.0 * math.sin(y / 260.0) + 0.10 * y


def river_distance_m(point: Point) -> float:
    """Return metres from the river's middle line, negative west of it."""
    x, y = point
    slope = (river_x(y + 1.0) - river_x(y - 1.0)) / 2.0
    return (x - river_x(y)) / math.hypot(1.0, slope)


def park_depth(point: Point) -> float:
    """Return less than 1 inside the park, 1 on its edge, more outside."""
    dx, dy = (point[0] - PARK_X_M) / PARK_A_M, (point[1] - PARK_Y_M) / PARK_B_M
    angle = math.atan2(dy, dx)
    return math.hypot(dx, dy) / (1.0 + 0.07 * math.sin(3 * angle + 1.0) + 0.05 * math.sin(5 * angle))


def town_depth(point: Point) -> float:
    """Return less than 1 where there is town, more outside."""
    x, y = point
    angle = math.atan2(y, x)
    wobble = 1.0 + 0.06 * math.sin(3 * angle + 0.7) + 0.04 * math.sin(7 * angle)
    return float((abs(x / 1950.0) ** 2.4 + abs(y / 1420.0) ** 2.4) ** (1 / 2.4) / wobble)


def is_works(point: Point) -> bool:
    """Return whether this is the south-eastern quarter of workshops and warehouses, where the depot stands."""
    return 900.0 < point[0] < 1700.0 and -1250.0 < point[1] < -620.0


def lerp(start: Point, end: Point, share: float) -> Point:
    """Return the point ``share`` of the way from ``start`` to ``end``."""
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
