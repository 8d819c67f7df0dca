"""Where a point of the town is on a web map: the usual square projection, in pixels of 256 to a tile."""

import math

from sandbox.ground import Point, to_lat_lon

TILE_PX = 256


def world_px(point: Point, zoom: int) -> Point:
    """Return the pixel of ``point`` (metres) on the map of the whole world at ``zoom``."""
    lat, lon = to_lat_lon(point)
    size = TILE_PX * 2**zoom
    y = 0.5 - math.asinh(math.tan(math.radians(lat))) / (2 * math.pi)
    return (lon + 180.0) / 360.0 * size, y * size


def metres_a_px(zoom: int) -> float:
    """Return how many metres a pixel shows, in the town."""
    left, right = world_px((0.0, 0.0), zoom), world_px((1000.0, 0.0), zoom)
    return 1000.0 / (right[0] - left[0])
