"""The driver's page as an application of the phone: manifest, service worker, and the page without signal."""

import hashlib
import json
from functools import cache
from pathlib import Path

from flask import Response, current_app, render_template, url_for
from flask.typing import ResponseReturnValue

from portal.driver.routing import blueprint
from portal.errors import reader_locale
from portal.services import services

# What the shell is made of. Pages are kept by the worker as they are opened, while the shift lasts.
SHELL = (
    "css/base.css",
    "css/driver.css",
    "icons/mark.svg",
    "icons/mark-192.png",
    "js/driver-drive.js",
    "js/driver-focus.js",
    "js/driver-forms.js",
    "js/driver-news.js",
    "js/driver-offline.js",
    "js/driver-outbox.js",
    "js/driver-phone.js",
    "js/driver-position.js",
    "js/driver-scan.js",
    "js/driver-stop.js",
)
WORKER = "js/driver-worker.js"


@blueprint.get("/app.webmanifest")
def manifest() -> ResponseReturnValue:
    """Say what the phone installs. A browser fetches it without cookies: it is the same for all."""
    name = services().settings.company_name
    told = {
        "name": f"{name} driver",
        "short_name": name[:12],
        "id": "/d/",
        "start_url": "/d/",
        "scope": "/d/",
        "display": "standalone",
        "background_color": "#f6f4ef",
        "theme_color": "#0b5d4b",
        "icons": [
            {"src": _static("icons/mark-192.png"), "sizes": "192x192", "type": "image/png"},
            {"src": _static("icons/mark-512.png"), "sizes": "512x512", "type": "image/png"},
            {"src": _static("icons/mark-512.png"), "sizes": "512x512", "type": "image/png", "purpose": "maskable"},
        ],
    }
    return Response(json.dumps(told), content_type="application/manifest+json")


@blueprint.get("/worker.js")
def worker() -> ResponseReturnValue:
    """Give the service worker. Its text changes with every file of the shell, so a browser takes the new one."""
    folder = Path(current_app.static_folder or "static")
    shell = [_static(name) for name in SHELL]
    head = f"const VERSION = {json.dumps(_version(folder))};\nconst SHELL = {json.dumps(shell)};\n"
    head += f"const OFFLINE = {json.dumps(url_for('driver.offline'))};\n"
    source = (folder / WORKER).read_text(encoding="utf-8")
    response = Response(head + source, content_type="text/javascript; charset=utf-8")
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/offline")
def offline() -> ResponseReturnValue:
    """Show what there is without signal; the page itself knows nobody, its script lists what this phone kept."""
    return render_template("driver/offline.html", locale=reader_locale())


def _static(name: str) -> str:
    return url_for("static", filename=name)


@cache
def _version(folder: Path) -> str:
    """Return a word that changes with any file of the shell, read once a process."""
    digest = hashlib.sha256()
    for name in (*SHELL, WORKER):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:12]
