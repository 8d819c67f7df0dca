"""One driver: their routes, and the devices that may send their positions."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from flask import render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from portal.accounts import Role
from portal.services import services
from portal.staff import words
from portal.staff.qr import qr
from portal.staff.shell import ask_first, blueprint, done, is_confirmed, note_view, refused, requires
from portal.staff.words import Badge
from tracking.drivers import DeviceToken, Driver, issue_device_token
from tracking.errors import NotFound
from tracking.ids import new_id
from tracking.routes import Route

APPS = {
    "owntracks": "OwnTracks",
    "traccar": "Traccar Client",
    "osmand": "OsmAnd",
    "other": "Something else (own device)",
}
# OsmAnd's own words for what it fills in (osmand.net, "Online tracking"). It sends speeds in m/s, where Traccar's
# clients of the same dialect send knots (reference/tracking.md 4).
OSMAND_FIELDS = "lat={0}&lon={1}&timestamp={2}&hdop={3}&altitude={4}&speed={5}&bearing={6}"
INTERVAL_S = 15  # our choice: the page moves smoothly and a phone's battery lasts a shift


@dataclass(frozen=True, slots=True)
class DeviceView:
    """One device token, without the token."""

    id: str
    label: str
    made: str
    heard: str
    badge: Badge
    is_live: bool


@dataclass(frozen=True, slots=True)
class FreshToken:
    """A token just made: shown once, with what to type and the QR code that types it."""

    label: str
    app: str
    address: str
    token: str
    picture: Markup


@blueprint.get("/drivers/<driver_id>")
@requires(Role.DISPATCHER)
def driver(driver_id: str) -> ResponseReturnValue:
    """Show one driver."""
    return _page(driver_id)


@blueprint.post("/drivers/<driver_id>/tokens")
@requires(Role.DISPATCHER)
def token_add(driver_id: str) -> ResponseReturnValue:
    """Make a device token and show it this once."""
    mine = services()
    label = request.form.get("label", "").strip()[:60]
    app = request.form.get("app", "other")
    if not label or app not in APPS:
        return refused("staff.driver", "Say which phone or device this is.", driver_id=driver_id)
    with mine.database.writing() as session:
        _driver(session, driver_id)
        token = issue_device_token(
            session,
            token_id=new_id(),
            driver_id=driver_id,
            label=label,
            now=mine.clock.now(),
            expires_at=None,
            speed_unit="mps" if app == "osmand" else "knots",
        )
        note_view(session, "add_device", "driver", driver_id, mine.clock.now())
    return _page(driver_id, _fresh(app, label, token, mine.settings.public_url))


@blueprint.post("/drivers/<driver_id>/tokens/<token_id>/revoke")
@requires(Role.DISPATCHER)
def token_revoke(driver_id: str, token_id: str) -> ResponseReturnValue:
    """End a device token, after asking."""
    mine = services()
    if not is_confirmed():
        effects = ["Positions of this device are refused, within a quarter of a minute at the latest."]
        back = f"/staff/drivers/{driver_id}"
        return ask_first(
            question="End this device's right to send positions?", effects=effects, yes="End it", back=back
        )
    now = mine.clock.now()
    with mine.database.writing() as session:
        live = update(DeviceToken).where(DeviceToken.id == token_id, DeviceToken.driver_id == driver_id)
        session.execute(live.where(DeviceToken.revoked_at.is_(None)).values(revoked_at=now))
        note_view(session, "revoke_device", "driver", driver_id, now)
    return done("staff.driver", "Ended.", driver_id=driver_id)


def _page(driver_id: str, fresh: FreshToken | None = None) -> str:
    mine = services()
    now, zone = mine.clock.now(), mine.settings.default_zone
    with mine.database.reading() as session:
        found = _driver(session, driver_id)
        recent = select(Route).where(Route.driver_id == driver_id).order_by(Route.service_on.desc(), Route.name)
        routes = list(session.scalars(recent.limit(20)))
        held = select(DeviceToken).where(DeviceToken.driver_id == driver_id).order_by(DeviceToken.created_at.desc())
        tokens = list(session.scalars(held.limit(30)))
    return render_template(
        "staff/driver.html",
        driver=found,
        routes=[(f"/staff/routes/{r.id}", r.name, words.day(r.service_on, now), words.ROUTE[r.status]) for r in routes],
        devices=_devices(tokens, zone, now),
        apps=APPS,
        fresh=fresh,
        address=f"{mine.settings.public_url}/ingest",
    )


def _driver(session: Session, driver_id: str) -> Driver:
    found = session.get(Driver, driver_id)
    if found is None:
        raise NotFound("driver", driver_id)
    return found


def _devices(tokens: Sequence[DeviceToken], zone: str, now: datetime) -> tuple[DeviceView, ...]:
    return tuple(
        DeviceView(
            id=token.id,
            label="The driver's page" if token.label.startswith("browser ") else token.label,
            made=words.moment(token.created_at, zone, now),
            heard=words.moment(token.last_heard_at, zone, now) if token.last_heard_at else "",
            badge=_state(token, now),
            is_live=_state(token, now).tone == "ok",
        )
        for token in tokens
    )


def _state(token: DeviceToken, now: datetime) -> Badge:
    if token.revoked_at is not None:
        return Badge("Ended", "bad")
    if token.expires_at is not None and token.expires_at <= now:
        return Badge("Ran out", "warn")
    return Badge("May send", "ok")


def _fresh(app: str, label: str, token: str, public_url: str) -> FreshToken:
    address, content = device_code(app, label, token, public_url)
    return FreshToken(label, app, address, token, qr(content))


def device_code(app: str, label: str, token: str, public_url: str) -> tuple[str, str]:
    """Return the address that a device sends to, and what the code for its app holds.

    OwnTracks reads ``owntracks:///config?inline=`` and its base64 (owntracks.org, "URL config"). Traccar Client takes
    an http address with its settings as the query (traccar-client, ``ConfigurationService.applyUri``).
    """
    if app == "owntracks":
        address = f"{public_url}/ingest/owntracks"
        settings = {
            "_type": "configuration",
            "mode": 3,
            "url": address,
            "auth": True,
            "username": "driver",
            "password": token,
            "deviceId": "phone",
            "tid": label[:2] or "dr",
            "monitoring": 2,
            "moveModeLocatorInterval": INTERVAL_S,
        }
        inline = base64.b64encode(json.dumps(settings).encode()).decode()
        content = f"owntracks:///config?{urlencode({'inline': inline})}"
    elif app == "traccar":
        address = f"{public_url}/ingest/osmand"
        query = {"id": token, "interval": INTERVAL_S, "distance": 0, "accuracy": "high"}
        content = f"{address}?{urlencode(query)}"
    elif app == "osmand":
        content = address = f"{public_url}/ingest/osmand?id={token}&{OSMAND_FIELDS}"
    else:
        address = f"{public_url}/ingest/positions"
        content = token
    return address, content
