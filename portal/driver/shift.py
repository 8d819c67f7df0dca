"""One shift: a driver's link, opened on one phone and remembered there by a signed cookie.

The cookie holds a secret of this browser, the link that is open now, and the device token of each link it opened: a
driver may have two routes on one day. The link's row is read on every request, so a revoked, expired or rebound link
stops working at once.
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
from tracking.drivers import DeviceToken, Driver, issue_device_token
from tracking.links import Audience, Link, live_link

COOKIE = "portal_driver"
COOKIE_PATH = "/d"
COOKIE_LIFE_S = 3 * 86_400  # longer than any shift: the link's own end is what counts
MOST_LINKS = 6  # remembered in one browser; the oldest is forgotten


@dataclass(frozen=True, slots=True)
class Shift:
    """Who drives what, on this phone."""

    link_id: str
    route_id: str
    driver_id: str
    device_token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Browser:
    """What the cookie remembers: a secret, the link that is open, and the device token of each link opened here."""

    secret: str
    link_id: str
    tokens: dict[str, str]

    def opened(self, link_id: str, token: str) -> "Browser":
        """Return the same browser with this link open."""
        others = {known: held for known, held in self.tokens.items() if known != link_id}
        newest = dict(list(others.items())[-(MOST_LINKS - 1) :])
        return Browser(self.secret, link_id, {**newest, link_id: token})


class NoShift(Exception):
    """This browser has not opened a driver's link."""


class OtherPhone(Exception):
    """The link was opened on another phone first."""


def current_shift(session: Session) -> Shift:
    """Return the shift of this request. Raises ``NoShift``, ``OtherPhone``, ``ClosedLink`` or ``UnknownLink``."""
    browser = _browser(services())
    if browser is None:
        raise NoShift
    link = live_link(session, browser.link_id, Audience.DRIVER, services().clock.now())
    if not _is_bound_to(link, browser):
        raise OtherPhone
    assert link.route_id is not None
    assert link.driver_id is not None
    return Shift(link.id, link.route_id, link.driver_id, browser.tokens[link.id], link.expires_at)


def driver_locale(session: Session) -> str | None:
    """Return the language of the driver whose link was opened in this browser, ended or not; None for a stranger."""
    browser = _browser(services())
    link = session.get(Link, browser.link_id) if browser else None
    driver = session.get(Driver, link.driver_id) if link and link.driver_id else None
    return driver.locale if driver else None


def is_bound_elsewhere(link: Link) -> bool:
    """True when another browser than this one has opened the link."""
    return link.bound_to is not None and not _is_bound_to(link, _browser(services()))


def open_shift(session: Session, link: Link, *, now: datetime, ids: Callable[[], str]) -> Browser:
    """Bind the link to this browser and issue a device token, or find both here already; return what to remember.

    Raises ``OtherPhone`` when another browser was first.
    """
    assert link.driver_id is not None
    browser = _browser(services()) or Browser(secrets.token_urlsafe(16), link.id, {})
    if link.bound_to is not None:
        if not _is_bound_to(link, browser):
            raise OtherPhone
        return browser.opened(link.id, browser.tokens[link.id])
    free = update(Link).where(Link.id == link.id, Link.bound_to.is_(None))
    result = session.execute(free.values(bound_to=_hash(browser.secret), bound_at=now))
    assert isinstance(result, CursorResult)
    if result.rowcount != 1:
        raise OtherPhone
    return browser.opened(link.id, _issue_token(session, link, link.driver_id, now=now, token_id=ids()))


def remember(response: Response, browser: Browser) -> Response:
    """Put what is to be remembered into this browser's cookie."""
    mine = services()
    response.set_cookie(
        COOKIE,
        _serializer(mine).dumps([browser.secret, browser.link_id, browser.tokens]),
        max_age=COOKIE_LIFE_S,
        path=COOKIE_PATH,
        secure=mine.settings.is_https,
        httponly=True,
        samesite="Lax",
    )
    return response


def shift_key() -> str:
    """Return what a rate limit counts by: the link that is open in this browser; nobody's is one for all."""
    browser = _browser(services())
    return browser.link_id if browser else "no shift"


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


def _browser(mine: Services) -> Browser | None:
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    try:
        secret, link_id, tokens = _serializer(mine).loads(cookie)
    except (BadSignature, ValueError, TypeError):
        return None
    return Browser(secret, link_id, tokens)


def _is_bound_to(link: Link, browser: Browser | None) -> bool:
    if browser is None or link.bound_to is None or link.id not in browser.tokens:
        return False
    return hmac.compare_digest(link.bound_to, _hash(browser.secret))


def _serializer(mine: Services) -> URLSafeSerializer:
    keys = list(mine.settings.secret_keys)
    return URLSafeSerializer(keys, salt="driver-cookie.v1", signer_kwargs={"digest_method": hashlib.sha256})


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
