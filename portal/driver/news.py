"""What tells an open driver's page that something changed: one small fragment, by stream or by polling.

It carries versions and counts only. The page's script compares them with what it shows and fetches its own address
again, so forms, tokens and half-typed words never travel by stream.
"""

import hashlib
from datetime import datetime

from flask import Response, make_response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from portal.driver.day import DayView, load_day
from portal.driver.routing import blueprint
from portal.driver.shift import current_shift
from portal.rendering import fragment
from portal.services import Services, services
from portal.topics import Snapshot
from tracking.facts import Fact


class DriverTopic:
    """One route, as its driver's page watches it."""

    def __init__(self, route_id: str, locale: str) -> None:
        self._route_id = route_id
        self._locale = locale
        self._delivery_ids: frozenset[str] = frozenset()

    def keys(self) -> frozenset[str]:
        """Return the ids this topic is about; all facts are asked about, since deliveries join and leave a route."""
        return frozenset()

    def concerns(self, fact: Fact) -> bool:
        """Return whether the fact is of this route or of a delivery that was on it when it was last shown."""
        if fact["kind"] == "route":
            return fact.get("route_id") == self._route_id
        return fact["kind"] in {"chat", "delivery"} and fact.get("delivery_id") in self._delivery_ids

    def snapshot(self, session: Session, services: Services, now: datetime) -> Snapshot:
        """Return the one fragment that says what is new."""
        day = load_day(session, self._route_id, now)
        self._delivery_ids = frozenset(delivery.id for delivery in day.deliveries)
        return Snapshot([news_fragment(day)], is_over=day.is_finished and not day.can_reopen)


def news_fragment(day: DayView) -> str:
    """Return the fragment of a day."""
    return fragment(
        "driver/_news.html",
        locale=day.locale,
        zone=day.zone,
        version=version_of(day),
        chat_version=chat_version_of(day),
        plan_version=day.plan_version,
        unread={delivery.id: delivery.unread for delivery in day.deliveries if delivery.unread},
        unread_count=day.unread,
        is_driving=day.is_driving,
    )


def version_of(day: DayView) -> str:
    """Return a word that changes with anything the day's pages show but chats, and not with time alone."""
    following = day.next_stop
    eta_at = following.eta_at if following else None
    shown = [day.status, str(day.plan_version), f"{eta_at:%H:%M}" if eta_at else ""]
    for stop in day.stops:
        shown.extend((stop.id, stop.address))
        for found in stop.deliveries:
            shown.extend((found.id, found.status, found.note, found.instructions, found.items))
            shown.extend((found.wish, str(found.is_agreed)))
            shown.extend((found.name, str(found.not_loaded_reason), str(found.window_start_at)))
    return _digest(shown)


def chat_version_of(day: DayView) -> str:
    """Return a word that changes with every line of the day's chats, and with who has seen them."""
    return _digest([f"{found.id} {found.chat.unread} {found.chat.version}" for found in day.deliveries])


def _digest(shown: list[str]) -> str:
    return hashlib.sha256("\0".join(shown).encode()).hexdigest()[:16]


@blueprint.get("/news")
def news() -> ResponseReturnValue:
    """Give the fragment to a page whose stream is blocked, with an ETag."""
    mine = services()
    with mine.database.reading() as session:
        view = load_day(session, current_shift(session).route_id, mine.clock.now())
    response: Response = make_response(news_fragment(view))
    response.set_etag(f"{version_of(view)}-{chat_version_of(view)}-{'m' if view.is_driving else 's'}")
    return response.make_conditional(request)
