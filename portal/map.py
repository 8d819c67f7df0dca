"""The map's shell, drawn by folium once per configuration and kept.

folium writes a page of its own: a viewport that forbids zooming, styles for a map that fills the screen, inline
scripts, five hosts. We keep the container and the script that builds ``map_live`` with the configured tiles,
and serve the script as a file of ours. Truck and home come as data (``static/js/map.js``), so a page costs no folium
time, and no text from outside ever passes through folium (reference/tracking.md 5: it escapes nothing).
"""

import functools
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from portal.settings import Settings

_SCRIPT_TAG = re.compile(r"</?script", re.IGNORECASE)
# folium's own header sets these before Leaflet loads (folium 0.20, `Map._template`).
_FLAGS = "L_NO_TOUCH = false;\nL_DISABLE_3D = false;\n"
MAX_ZOOM = 18


@dataclass(frozen=True, slots=True)
class MapShell:
    """``script`` builds the map in an element of the id ``map_live``; ``version`` names this very script."""

    script: str
    version: str


def shell(settings: Settings) -> MapShell:
    """Return the shell for these settings; drawn on the first call of a process."""
    return _drawn(settings.tile_url or "", settings.tile_attribution)


@functools.lru_cache(maxsize=4)
def _drawn(tile_url: str, attribution: str) -> MapShell:
    import folium  # noqa: PLC0415 - 25 MiB and 0.4 s that live and ingest processes do without

    drawn = folium.Map(location=[0, 0], zoom_start=14, tiles=None, zoom_control=False, attribution_control=False)
    drawn._id = "live"  # a fixed name, so that the script is the same in every process
    drawn.default_js, drawn.default_css = [], []
    if tile_url:
        tiles = folium.TileLayer(tiles=tile_url, attr=attribution or " ", max_zoom=MAX_ZOOM)
        tiles._id = "ground"
        tiles.add_to(drawn)
    figure: Any = drawn.get_root()
    figure.render()
    script = _FLAGS + "\n".join(line.rstrip() for line in figure.script.render().splitlines() if line.strip()) + "\n"
    if _SCRIPT_TAG.search(script):
        raise ValueError("PORTAL_TILE_URL or PORTAL_TILE_ATTRIBUTION holds a script tag")
    return MapShell(script=script, version=hashlib.sha256(script.encode()).hexdigest()[:12])
