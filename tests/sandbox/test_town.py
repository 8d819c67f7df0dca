import io
import math
from itertools import pairwise

import pytest
from PIL import Image

from sandbox.ground import RIVER_HALF_M, park_depth, river_distance_m, to_lat_lon, to_metres
from sandbox.houses import build_houses
from sandbox.mercator import world_px
from sandbox.tiles import Tiles
from sandbox.town import build_town


@pytest.fixture(scope="module")
def town():
    return build_town()


@pytest.fixture(scope="module")
def houses(town):
    return build_houses(town)


@pytest.fixture(scope="module")
def tiles(town, houses):
    return Tiles(town, houses)


def test_the_same_seed_builds_the_same_town(town):
    assert build_town().edges == town.edges
    assert build_town(seed=8).edges != town.edges


def test_every_corner_can_be_reached(town):
    meeting, seen, todo = town.edges_at(), set(), [0]
    todo = [town.edges[0].start]
    while todo:
        corner = todo.pop()
        seen.add(corner)
        todo.extend({c for e in meeting[corner] for c in (e.start, e.end)} - seen)
    assert seen == set(town.corners)


def test_streets_cross_the_river_on_two_bridges_only(town):
    crossing = [e for e in town.edges if river_distance_m(e.line[0]) * river_distance_m(e.line[-1]) < 0]

    assert len(crossing) == 2
    assert all(edge.is_bridge and edge.is_main for edge in crossing)


def test_no_street_but_the_bridges_runs_through_water_or_park(town):
    points = [point for edge in town.edges if not edge.is_bridge for point in edge.line]

    assert min(abs(river_distance_m(point)) for point in points) > RIVER_HALF_M
    assert min(park_depth(point) for point in points) > 0.95


def test_houses_stand_apart_with_an_address_each(houses):
    assert len(houses) > 3000
    assert len({house.address for house in houses}) == len(houses)
    by_place = sorted(house.middle for house in houses)
    assert all(math.dist(one, other) > 8 for one, other in pairwise(by_place))


def test_metres_and_degrees_are_inverse():
    assert to_metres(*to_lat_lon((1234.5, -987.6))) == pytest.approx((1234.5, -987.6))


@pytest.mark.parametrize("zoom", [11, 14, 16, 18])
def test_a_tile_is_a_png_of_256_pixels_and_small(tiles, zoom):
    x, y = world_px((0.0, 0.0), zoom)

    body = tiles.png(zoom, int(x // 256), int(y // 256))

    image = Image.open(io.BytesIO(body))
    assert (image.format, image.size) == ("PNG", (256, 256))
    assert len(body) < 60_000


def test_a_tile_far_from_town_is_plain_ground(tiles):
    body = tiles.png(14, 100, 100)

    colours = Image.open(io.BytesIO(body)).convert("RGB").getcolors()
    assert len(colours) == 1
