"""The town as map tiles, drawn with Pillow in a calm, light style."""

import asyncio
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web
from PIL import Image, ImageDraw

from sandbox import scenery
from sandbox.ground import Point
from sandbox.houses import House
from sandbox.labels import Label, picture, place_labels
from sandbox.mercator import TILE_PX, metres_a_px, world_px
from sandbox.town import Town

MIN_ZOOM, MAX_ZOOM = 11, 18
FINE = 3  # drawn so many times larger, then reduced: that smooths edges
KEPT_TILES = 4000

GROUND, TOWN, WORKS, WOOD = "#f3f1e9", "#efebe2", "#e6e3de", "#dbe6cf"
MEADOW, PARK, POND_EDGE, WATER, WATER_EDGE = "#dfe9d2", "#cfe4be", "#a5cbdb", "#aed3e3", "#9cc6d8"
HOUSE, HOUSE_EDGE, SHED, SHED_EDGE = "#e2dacd", "#d3c9b9", "#d9d6d1", "#c9c5bf"
SIDE, SIDE_EDGE, MAIN, MAIN_EDGE, PATH = "#ffffff", "#ddd6c9", "#fdedb9", "#e6c983", "#f4f0e2"

# Widths in metres, and never less than so many pixels (fill, then edge on each side).
SIDE_M, MAIN_M = 8.5, 14.0


@dataclass(frozen=True)
class Area:
    """A filled shape with its bounding box in metres."""

    shape: Sequence[Point]
    fill: str
    edge: str
    box: tuple[float, float, float, float]


def _area(shape: Sequence[Point], fill: str, edge: str = "") -> Area:
    xs, ys = [p[0] for p in shape], [p[1] for p in shape]
    return Area(shape, fill, edge, (min(xs), min(ys), max(xs), max(ys)))


class Tiles:
    """Draws tiles of one town and keeps those it drew."""

    def __init__(self, town: Town, houses: Iterable[House]) -> None:
        self._town = town
        self._grounds = list(self._ground_areas())
        self._houses = [_area(h.outline, *((SHED, SHED_EDGE) if _is_large(h) else (HOUSE, HOUSE_EDGE))) for h in houses]
        self._labels: dict[int, list[Label]] = {}
        self.png = lru_cache(KEPT_TILES)(self._png)

    def routes(self) -> list[web.RouteDef]:
        return [web.get(r"/tiles/{z:\d+}/{x:\d+}/{y:\d+}.png", self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """Answer one tile; 404 outside the zooms that are drawn."""
        zoom, column, row = (int(request.match_info[name]) for name in "zxy")
        if not MIN_ZOOM <= zoom <= MAX_ZOOM or column >= 2**zoom or row >= 2**zoom:
            raise web.HTTPNotFound
        body = await asyncio.to_thread(self.png, zoom, column, row)
        return web.Response(body=body, content_type="image/png", headers={"Cache-Control": "public, max-age=86400"})

    def _png(self, zoom: int, column: int, row: int) -> bytes:
        """Return the tile as PNG bytes."""
        sheet = _Sheet(zoom, column, row)
        for area in self._grounds:
            sheet.fill(area)
        if zoom >= 15:
            for path in scenery.park_paths():
                sheet.line(path, PATH, 3.0, 1.2)
        if zoom >= 15:
            for house in self._houses:
                sheet.fill(house, zoom >= 16)
        self._draw_roads(sheet)
        image = sheet.reduced()
        if zoom not in self._labels:
            self._labels[zoom] = place_labels(self._town, zoom)
        for label in self._labels[zoom]:
            sheet.write(label, image)
        out = io.BytesIO()
        image.convert("RGB").quantize(160, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        return out.getvalue()

    def _draw_roads(self, sheet: "_Sheet") -> None:
        mains = [edge.line for edge in self._town.edges if edge.is_main]
        sides = [edge.line for edge in self._town.edges if not edge.is_main]
        low = sheet.zoom <= 13
        for line in self._town.country_roads:
            sheet.line(line, MAIN_EDGE, MAIN_M * 0.8, 1.2, edge=True)
        for line in self._town.country_roads:
            sheet.line(line, MAIN, MAIN_M * 0.8, 1.2)
        if not low:
            for line in sides:
                sheet.line(line, SIDE_EDGE, SIDE_M, 1.4, edge=True)
        for line in mains:
            sheet.line(line, MAIN_EDGE, MAIN_M, 2.2, edge=True)
        for line in sides:
            sheet.line(line, SIDE, SIDE_M, 0.7 if low else 1.4)
        for line in mains:
            sheet.line(line, MAIN, MAIN_M, 2.2)

    def _ground_areas(self) -> Iterator[Area]:
        """Yield what lies under the streets, lowest first."""
        for shape in scenery.woods():
            yield _area(shape, WOOD)
        yield _area(scenery.town_ground(), TOWN)
        for shape in scenery.works(self._town):
            yield _area(shape, WORKS)
        for shape in scenery.greens(self._town):
            yield _area(shape, PARK)
        yield _area(scenery.meadow(), MEADOW)
        yield _area(scenery.park(), PARK)
        yield _area(scenery.pond(), WATER, POND_EDGE)
        yield _area(scenery.river(), WATER, WATER_EDGE)


class _Sheet:
    """One tile while it is drawn."""

    def __init__(self, zoom: int, column: int, row: int) -> None:
        self.zoom = zoom
        self._left, self._top = column * TILE_PX, row * TILE_PX
        self._metres_a_px = metres_a_px(zoom)
        self._image = Image.new("RGB", (TILE_PX * FINE, TILE_PX * FINE), GROUND)
        self._draw = ImageDraw.Draw(self._image)
        origin, unit = world_px((0.0, 0.0), zoom), 1.0 / self._metres_a_px
        margin = 30.0 * self._metres_a_px
        west = (self._left - origin[0]) / unit - margin
        north = (origin[1] - self._top) / unit + margin
        span = TILE_PX / unit + 2 * margin
        self._box = (west, north - span, west + span, north)

    def fill(self, area: Area, outlined: bool = True) -> None:
        if self._misses(area.box):
            return
        self._draw.polygon(self._fine(area.shape), fill=area.fill)
        if area.edge and outlined:
            points = self._fine(area.shape)
            self._draw.line([*points, points[0]], fill=area.edge, width=FINE, joint="curve")

    def line(self, line: Sequence[Point], colour: str, width_m: float, least_px: float, *, edge: bool = False) -> None:
        """Draw a road: ``width_m`` wide, at least ``least_px``; its ``edge`` shows a pixel more on each side."""
        xs, ys = [p[0] for p in line], [p[1] for p in line]
        if self._misses((min(xs), min(ys), max(xs), max(ys))):
            return
        width = max(width_m / self._metres_a_px, least_px) + (2.0 if edge else 0.0)
        points, fine = self._fine(line), max(1, round(width * FINE))
        self._draw.line(points, fill=colour, width=fine, joint="curve")
        for x, y in (points[0], points[-1]):
            self._draw.ellipse((x - fine / 2, y - fine / 2, x + fine / 2, y + fine / 2), fill=colour)

    def reduced(self) -> Image.Image:
        return self._image.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS).convert("RGBA")

    def write(self, label: Label, image: Image.Image) -> None:
        """Put a name on the reduced tile, if any of it falls there."""
        x, y, reach = label.x - self._left, label.y - self._top, label.reach_px
        if not (-reach < x < TILE_PX + reach and -reach < y < TILE_PX + reach):
            return
        name = picture(label.text, round(label.size_px * FINE), label.angle_deg, label.ink)
        small = name.resize((round(name.width / FINE), round(name.height / FINE)), Image.Resampling.LANCZOS)
        image.paste(small, (round(x - small.width / 2), round(y - small.height / 2)), small)

    def _fine(self, shape: Sequence[Point]) -> list[Point]:
        pixels = (world_px(point, self.zoom) for point in shape)
        return [((x - self._left) * FINE, (y - self._top) * FINE) for x, y in pixels]

    def _misses(self, box: tuple[float, float, float, float]) -> bool:
        west, south, east, north = self._box
        return box[2] < west or box[0] > east or box[3] < south or box[1] > north


def _is_large(house: House) -> bool:
    return abs(house.outline[0][0] - house.outline[2][0]) + abs(house.outline[0][1] - house.outline[2][1]) > 34
