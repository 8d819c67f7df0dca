"""One shift: a driver's link, opened on one phone and remembered there by a signed cookie.

The cookie holds the link's id, a secret of this browser and the device token for positions. The link's row is read
on every request, so a revoked, expired or rebound link stops working at once.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Response, request
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from portal.services import Services, services
from tracking.drivers import DeviceToken, issue_device_token
from tracking.links import Audience, Link, live_link

COOKIE = "portal_driver"
COOKIE_PATH = "/d"
COOKIE_LIFE_S = 3 * 86_400  # longer than any shift: the link's own end is what counts


@dataclass(frozen=True, slots=True)
class Shift:
    """Who drives what, on this phone."""

    link_id: str
    route_id: str
    driver_id: str
    secret: str
    device_token: str


class NoShift(Exception):
    """This browser has not opened a driver's link."""


class OtherPhone(Exception):
    """The link was opened on another phone first."""


def current_shift(session: Session) -> Shift:
    """Return the shift of this request. Raises ``NoShift``, ``OtherPhone``, ``ClosedLink`` or ``UnknownLink``."""
    told = _told(services())
    if told is None:
        raise NoShift
    link_id, secret, device_token = told
    link = live_link(session, link_id, Audience.DRIVER, services().clock.now())
    if link.bound_to is None or not hmac.compare_digest(link.bound_to, _hash(secret)):
        raise OtherPhone
    assert link.route_id is not None
    assert link.driver_id is not None
    return Shift(link.id, link.route_id, link.driver_id, secret, device_token)


def is_bound_elsewhere(link: Link) -> bool:
    """True when another browser than this one has opened the link."""
    if link.bound_to is None:
        return False
    told = _told(services())
    return told is None or told[0] != link.id or not hmac.compare_digest(link.bound_to, _hash(told[1]))


def open_shift(session: Session, link: Link, *, now: datetime, ids: Callable[[], str]) -> Shift:
    """Bind the link to this browser and issue a device token, or return the shift it already has here.

    Raises ``OtherPhone`` when another browser was first.
    """
    assert link.route_id is not None
    assert link.driver_id is not None
    if is_bound_elsewhere(link):
        raise OtherPhone
    told = _told(services())
    if link.bound_to is not None and told is not None:
        return Shift(link.id, link.route_id, link.driver_id, told[1], told[2])
    secret = secrets.token_urlsafe(16)
    free = update(Link).where(Link.id == link.id, Link.bound_to.is_(None))
    result = session.execute(free.values(bound_to=_hash(secret), bound_at=now))
    assert isinstance(result, CursorResult)
    if result.rowcount != 1:
        raise OtherPhone
    token = _issue_token(session, link, link.driver_id, now=now, token_id=ids())
    return Shift(link.id, link.route_id, link.driver_id, secret, token)


def remember(response: Response, shift: Shift) -> Response:
    """Put the shift into this browser's cookie."""
    mine = services()
    response.set_cookie(
        COOKIE,
        _serializer(mine).dumps([shift.link_id, shift.secret, shift.device_token]),
        max_age=COOKIE_LIFE_S,
        path=COOKIE_PATH,
        secure=mine.settings.is_https,
        httponly=True,
        samesite="Lax",
    )
    return response


def forget(response: Response) -> Response:
    """Drop the cookie of a shift that has ended."""
    response.delete_cookie(COOKIE, path=COOKIE_PATH)
    return response


def _issue_token(session: Session, link: Link, driver_id: str, *, now: datetime, token_id: str) -> str:
    """Return a new device token that ends with the shift; the one of the phone before stops working."""
    label = f"browser {link.id}"
    earlier = update(DeviceToken).where(DeviceToken.driver_id == driver_id, DeviceToken.label == label)
    session.execute(earlier.where(DeviceToken.revoked_at.is_(None)).values(revoked_at=now))
    return issue_device_token(
        session, token_id=token_id, driver_id=driver_id, label=label, now=now, expires_at=link.expires_at
    )


def _told(mine: Services) -> tuple[str, str, str] | None:
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    try:
        told = _serializer(mine).loads(cookie)
    except BadSignature:
        return None
    return (told[0], told[1], told[2]) if isinstance(told, list) and len(told) == 3 else None


def _serializer(mine: Services) -> URLSafeSerializer:
    keys = list(mine.settings.secret_keys)
    return URLSafeSerializer(keys, salt="driver-cookie.v1", signer_kwargs={"digest_method": hashlib.sha256})


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
