"""Names on the map: each zoom's are placed once, for the whole town, so that they join across tiles."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from sandbox.ground import PARK_NAME, PARK_X_M, PARK_Y_M, RIVER_NAME, TOWN_NAME, Point
from sandbox.mercator import world_px
from sandbox.scenery import river_line
from sandbox.town import Town

HALO = (255, 255, 255, 225)
INK, WATER_INK, PARK_INK = (94, 88, 80), (76, 130, 160), (86, 126, 76)


@dataclass(frozen=True)
class Label:
    """``x, y``: its middle in world pixels; ``angle_deg`` counter-clockwise; ``size_px`` of the type."""

    text: str
    x: float
    y: float
    angle_deg: float
    size_px: float
    ink: tuple[int, int, int]

    @property
    def reach_px(self) -> float:
        """How far it may stretch from its middle."""
        return text_width_px(self.text, self.size_px) / 2 + self.size_px


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own typeface, so that the map looks the same on every machine."""
    return ImageFont.load_default(size)


@cache
def text_width_px(text: str, size_px: float) -> float:
    return float(font(100).getlength(text)) * size_px / 100


@cache
def picture(text: str, size: int, angle_deg: float, ink: tuple[int, int, int]) -> Image.Image:
    """Return the name as a turned picture with a light halo."""
    face, halo = font(size), max(2, size // 5)
    left, top, right, bottom = face.getbbox(text, stroke_width=halo)
    image = Image.new("RGBA", (math.ceil(right - left) + 4, math.ceil(bottom - top) + 4), (255, 255, 255, 0))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, font=face, fill=ink, stroke_width=halo, stroke_fill=HALO)
    return image.rotate(angle_deg, expand=True, resample=Image.Resampling.BICUBIC)


def place_labels(town: Town, zoom: int) -> list[Label]:
    """Return the names that fit at ``zoom``, important ones first, none on top of another."""
    taken: dict[tuple[int, int], list[Label]] = defaultdict(list)
    placed = []
    for label in _wanted(town, zoom):
        cells = [(int(label.x // 256) + dx, int(label.y // 256) + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
        if not any(_touch(label, other) for cell in cells for other in taken[cell]):
            taken[cells[4]].append(label)
            placed.append(label)
    return placed


def _wanted(town: Town, zoom: int) -> Iterator[Label]:
    if zoom <= 14:
        x, y = world_px((0.0, -60.0), zoom)
        yield Label(TOWN_NAME, x, y, 0.0, 13 if zoom < 13 else 17, (70, 64, 58))
    if zoom >= 14:
        x, y = world_px((PARK_X_M - 60, PARK_Y_M + 20), zoom)
        yield Label(PARK_NAME, x, y, 0.0, 11 if zoom < 16 else 13, PARK_INK)
        yield from _along(RIVER_NAME, river_line(), zoom, 11 if zoom < 16 else 14, 900.0, WATER_INK)
    streets = list(town.streets())
    if zoom >= 14:
        for name, is_main, line in streets:
            if is_main:
                yield from _along(name, line, zoom, 10 if zoom < 16 else 12, 420.0, INK)
    if zoom >= 16:
        for name, is_main, line in streets:
            if not is_main:
                yield from _along(name, line, zoom, 10 if zoom == 16 else 11.5, 330.0, INK)


def _along(
    name: str, line: Sequence[Point], zoom: int, size_px: float, every_px: float, ink: tuple[int, int, int]
) -> Iterator[Label]:
    """Yield ``name`` along ``line`` wherever that is straight for long enough."""
    points = [world_px(point, zoom) for point in line]
    width = text_width_px(name, size_px)
    total = sum(math.dist(a, b) for a, b in pairwise(points))
    at = width * 0.75
    while at + width * 0.7 < total:
        start, middle, end = (_at(points, at + offset) for offset in (-width / 2, 0.0, width / 2))
        chord = math.dist(start, end)
        if chord > width * 0.985:
            angle = math.degrees(math.atan2(start[1] - end[1], end[0] - start[0]))
            angle = angle - 180 if angle > 90 else angle + 180 if angle < -90 else angle
            yield Label(name, middle[0], middle[1], round(angle), size_px, ink)
            at += every_px
        else:
            at += 24.0


def _at(points: Sequence[Point], along_px: float) -> Point:
    left = along_px
    for start, end in pairwise(points):
        piece = math.dist(start, end)
        if left <= piece and piece > 0:
            return start[0] + (end[0] - start[0]) * left / piece, start[1] + (end[1] - start[1]) * left / piece
        left -= piece
    return points[-1]


def _touch(one: Label, other: Label) -> bool:
    """Return whether two names overlap, each taken as a row of discs."""
    if math.dist((one.x, one.y), (other.x, other.y)) > one.reach_px + other.reach_px:
        return False
    gap = (one.size_px + other.size_px) * 0.75
    return any(math.dist(a, b) < gap for a in _discs(one) for b in _discs(other))


def _discs(label: Label) -> list[Point]:
    width, turn = text_width_px(label.text, label.size_px), math.radians(label.angle_deg)
    count = max(2, int(width / label.size_px) + 1)
    offsets = [width * (step / (count - 1) - 0.5) for step in range(count)]
    return [(label.x + o * math.cos(turn), label.y - o * math.sin(turn)) for o in offsets]
