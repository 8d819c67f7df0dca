"""What the map shows besides streets and houses: water, green, works, as polygons in metres."""

import math
import random
from collections.abc import Iterator

from sandbox.ground import (
    PARK_A_M,
    PARK_B_M,
    PARK_X_M,
    PARK_Y_M,
    RIVER_HALF_M,
    Point,
    is_works,
    lerp,
    river_distance_m,
    river_x,
    town_depth,
)
from sandbox.town import Town

Shape = tuple[Point, ...]


def river() -> Shape:
    """Return the river's outline, well beyond the town; its width breathes a little."""
    heights = range(-8000, 8001, 25)
    banks = []
    for side in (-1, 1):
        bank = []
        for y in heights:
            slope = (river_x(y + 1.0) - river_x(y - 1.0)) / 2.0
            half_m = RIVER_HALF_M + 5.0 * math.sin(y / 310.0 + side)
            scale = half_m / math.hypot(1.0, slope)
            bank.append((river_x(y) + side * scale, y - side * scale * slope))
        banks.append(bank)
    return (*banks[0], *reversed(banks[1]))


def river_line() -> list[Point]:
    """Return the river's middle line through the town, for its name."""
    return [(river_x(y), float(y)) for y in range(1500, -1501, -25)]


def blob(x: float, y: float, a: float, b: float, rng: random.Random | None = None) -> Shape:
    """Return a rounded patch around ``(x, y)``; the same wobble as the park's unless ``rng`` makes another."""
    phases = (1.0, 0.0) if rng is None else (rng.uniform(0, 6), rng.uniform(0, 6))
    points = []
    for step in range(72):
        angle = step / 72 * 2 * math.pi
        wobble = 1.0 + 0.07 * math.sin(3 * angle + phases[0]) + 0.05 * math.sin(5 * angle + phases[1])
        points.append((x + a * wobble * math.cos(angle), y + b * wobble * math.sin(angle)))
    return tuple(points)


def meadow() -> Shape:
    """Return the green strip along both banks."""
    west = [(river_x(y) - RIVER_HALF_M - 26 - 9 * math.sin(y / 170), float(y)) for y in range(-8000, 8001, 25)]
    east = [(river_x(y) + RIVER_HALF_M + 26 + 9 * math.sin(y / 190 + 2), float(y)) for y in range(-8000, 8001, 25)]
    return (*west, *reversed(east))


def park() -> Shape:
    return blob(PARK_X_M, PARK_Y_M, PARK_A_M * 0.95, PARK_B_M * 0.95)


def pond() -> Shape:
    return blob(PARK_X_M + 95, PARK_Y_M - 30, 88, 46, random.Random(3))


def park_paths() -> list[list[Point]]:
    """Return the footpaths of the park."""
    a, b = PARK_A_M * 0.70, PARK_B_M * 0.68
    turns = [step / 40 * math.tau for step in range(41)]
    ring = [(PARK_X_M + a * math.cos(turn), PARK_Y_M + b * math.sin(turn)) for turn in turns]
    across = [(PARK_X_M - 300 + 15 * s, PARK_Y_M + 60 * math.sin(s / 7) - 5 * s + 60) for s in range(18)]
    return [ring, across]


def woods(seed: int = 7) -> list[Shape]:
    """Return patches of wood outside the town, off the river."""
    rng = random.Random(seed + 200)
    patches: list[Shape] = []
    while len(patches) < 46:
        x, y = rng.uniform(-6500, 6500), rng.uniform(-6000, 6000)
        a, b = rng.uniform(180, 620), rng.uniform(140, 420)
        if town_depth((x, y)) > 1.0 + max(a, b) / 1100 and abs(river_distance_m((x, y))) > a + 120:
            patches.append(blob(x, y, a, b, rng))
    return patches


def town_ground() -> Shape:
    """Return the built-up area."""
    points = []
    for step in range(180):
        angle = step / 180 * math.tau
        radius = 0.0
        while town_depth((radius * math.cos(angle), radius * math.sin(angle))) < 1.06:
            radius += 20.0
        points.append((radius * math.cos(angle), radius * math.sin(angle)))
    return tuple(points)


def works(town: Town) -> Iterator[Shape]:
    """Yield the blocks of workshops and warehouses."""
    for block in town.blocks:
        if all(is_works(point) for point in block):
            yield block


def greens(town: Town, seed: int = 7) -> Iterator[Shape]:
    """Yield small squares and playing fields: a block here and there, drawn in from its streets."""
    rng = random.Random(seed + 300)
    for block in town.blocks:
        wet = any(abs(river_distance_m(point)) < 90 for point in block)
        if rng.random() < 0.035 and not wet and not any(is_works(point) for point in block):
            middle = (sum(p[0] for p in block) / 4, sum(p[1] for p in block) / 4)
            yield tuple(lerp(middle, point, 0.8) for point in block)
