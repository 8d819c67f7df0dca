"""The map's shell, drawn by folium once per configuration and kept.

folium writes a page of its own: a viewport that forbids zooming, styles for a map that fills the screen, inline
scripts, five hosts. We keep the container and the script that builds ``map_live`` with the configured tiles,
and serve the script as a file of ours. Truck and home come as data (``static/js/map.js``), so a page costs no folium
time, and no text from outside ever passes through folium (reference/tracking.md 5: it escapes nothing).
"""

import functools
import hashlib
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from portal.settings import Settings

_SCRIPT_TAG = re.compile(r"</?script", re.IGNORECASE)
# folium's own header sets these before Leaflet loads (folium 0.20, `Map._template`).
_FLAGS = "L_NO_TOUCH = false;\nL_DISABLE_3D = false;\n"
MAX_ZOOM = 18


def address(settings: Settings) -> str:
    """Return the address of the script that builds the map in ``map_live``. It changes whenever the script may."""
    return f"/map.js?v={version(settings)}"


def version(settings: Settings) -> str:
    """Return what names the script of these settings. Nothing is drawn for it: every page asks."""
    return _named(settings.tile_url or "", settings.tile_attribution)


def script(settings: Settings) -> str:
    """Return the script, drawn on the first call of a process. Raises ``ValueError`` for settings with a script tag."""
    return _drawn(settings.tile_url or "", settings.tile_attribution)


@functools.lru_cache(maxsize=4)
def _named(*told: str) -> str:
    made_by = (metadata.version("folium"), metadata.version("branca"), Path(__file__).read_text())
    return hashlib.sha256("\0".join((*made_by, *told)).encode()).hexdigest()[:12]


@functools.lru_cache(maxsize=4)
def _drawn(tile_url: str, attribution: str) -> str:
    import folium  # noqa: PLC0415 - 25 MiB and 0.4 s, for a script that browsers keep for a year

    drawn = folium.Map(location=[0, 0], zoom_start=14, tiles=None, zoom_control=False, attribution_control=False)
    drawn._id = "live"  # a fixed name, so that the script is the same in every process
    drawn.default_js, drawn.default_css = [], []
    if tile_url:
        tiles = folium.TileLayer(tiles=tile_url, attr=attribution or " ", max_zoom=MAX_ZOOM)
        tiles._id = "ground"
        tiles.add_to(drawn)
    figure: Any = drawn.get_root()
    figure.render()
    text = _FLAGS + "\n".join(line.rstrip() for line in figure.script.render().splitlines() if line.strip()) + "\n"
    if _SCRIPT_TAG.search(text):
        raise ValueError("PORTAL_TILE_URL or PORTAL_TILE_ATTRIBUTION holds a script tag")
    return text
