"""Preparing: claimed rows get a last look and their texts as they are true now, and are marked as being posted.

All in one short transaction. What is written goes into the rows together, at its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.asking import may_ask_now
from messaging.channels.base import BUSY, Outgoing
from messaging.house import House
from messaging.in_force import in_force
from messaging.inbound_texts import QuestionKind
from messaging.kinds import Channel, Kind
from messaging.last_look import LastLook
from messaging.notifications import Notification
from messaging.outbox import Lease, mark_posting, still_mine
from messaging.questions import ask, open_question
from messaging.segments import segment_count
from messaging.texts import WORDS, Rendered, render
from messaging.trials import rendered_trial
from messaging.wording import Speech, route_speech, speech_of
from tracking.clocks import Clock
from tracking.deliveries import Delivery, load_many
from tracking.drivers import Driver
from tracking.ids import new_link_id
from tracking.link_book import LinkBook
from tracking.links import Audience, driver_link
from tracking.local_time import local_instant
from tracking.routes import Route
from tracking.stops import Stop

LINK_LASTS = timedelta(days=14)  # after the service date (reference/messaging.md 5.2)
SHIFT_LASTS = timedelta(hours=30)  # a driver's link, from the planned start (our choice)
_MIDNIGHT = time(0)
USUAL_USEFUL_S = 36_000  # Twilio's default


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row that is being posted, the message that goes out for it, and what its text said.

    ``said_before`` are the words a busy provider turned away. It may have taken them all the same: it is asked first.
    """

    outgoing: Outgoing
    kind: Kind
    segments: int
    context: dict[str, Any]
    said_before: str = ""

    @property
    def columns(self) -> dict[str, Any]:
        """What of it is kept in the row."""
        texts = {"subject": self.outgoing.subject, "body": self.outgoing.body}
        return {**texts, "segments": self.segments, "context": self.context}


def prepare(
    session: Session, ids: Sequence[str], *, owner: str, lease_s: float, house: House, clock: Clock
) -> tuple[list[Prepared], Lease]:
    """Return what of the claimed rows goes out now, in the order given, and the lease under which it is posted.

    Rows that somebody has moved meanwhile are left alone. The lease begins at the end, when waiting for locks is over.
    """
    now, elapsed = clock.now(), clock.elapsed()
    rows = {row.id: row for row in still_mine(session, ids, owner)}
    about = sorted({row.delivery_id for row in rows.values() if row.delivery_id is not None})
    deliveries = load_many(session, about)
    house = replace(house, force=in_force(session))
    look = LastLook(session, list(rows.values()), owner=owner, house=house, now=now, elapsed=elapsed)
    writer = Writer(session, LinkBook(session, about, new_id=new_link_id, now=now), house, now)
    prepared: list[Prepared] = []
    for notification_id in ids:
        row = rows.get(notification_id)
        if row is None:
            continue
        delivery = deliveries.get(row.delivery_id or "")
        if look.may_go(row, delivery):
            prepared.append(writer.written(row, delivery))
    writer.keep()
    posting_since = clock.elapsed()
    lease = Lease(owner, posting_since + lease_s)
    mark_posting(session, {one.outgoing.reference: one.columns for one in prepared}, lease, posting_since)
    return prepared, lease


class Writer:
    """Writes the messages of one batch, all true at the same ``now``."""

    def __init__(self, session: Session, links: LinkBook, house: House, now: datetime) -> None:
        self._session, self._links, self._house, self._now = session, links, house, now

    def keep(self) -> None:
        """Keep the links that the messages carry, and the questions that they ask."""
        self._links.keep(self._session)
        self._session.flush()

    def written(self, row: Notification, delivery: Delivery | None) -> Prepared:
        """Return the message of a row, and what it says."""
        speech, leave = self._speech(row, delivery)
        given = {name: str(value) for name, value in row.context.items() if name in WORDS}
        text = self._text(row, {**speech.words, **given, "unsubscribe": leave})
        is_text = row.channel is Channel.SMS
        if is_text and (speech.said.get("asked") or row.kind is Kind.RATING_REQUEST):
            self._note_question(row)
        until = row.useful_until
        outgoing = Outgoing(
            reference=row.id,
            to=row.to_address or "",
            body=text.body,
            useful_s=USUAL_USEFUL_S if until is None else int((until - self._now).total_seconds()),
            subject=text.subject,
            html=text.html,
            unsubscribe_url=leave,
        )
        segments = segment_count(text.body) if is_text else 1
        said_before = row.body if row.error_code == BUSY else ""
        return Prepared(outgoing, row.kind, segments, {**row.context, "said": speech.said}, said_before)

    def _text(self, row: Notification, words: dict[str, str]) -> Rendered:
        trial = rendered_trial(row.channel, row.context)
        return trial or render(row.kind, row.channel, row.locale, words, self._house.force.texts)

    def _note_question(self, row: Notification) -> None:
        """Remember that this number is being asked to rate, before it can answer."""
        address, kind = row.to_address or "", QuestionKind.RATING
        asked = open_question(self._session, address, kind, self._now)
        if asked is None or asked.delivery_id != row.delivery_id:
            ids = self._house.ids
            ask(self._session, address=address, kind=kind, now=self._now, ids=ids, delivery_id=row.delivery_id)

    def _speech(self, row: Notification, delivery: Delivery | None) -> tuple[Speech, str]:
        """Return the words for a row, and the address that ends mail where a recipient has one."""
        if delivery is None:
            return self._route_speech(row), ""
        if row.context.get("to") == "driver":
            return self._spoken(row, delivery, self._driver_url(delivery.stop.route)), ""
        link = self._url(delivery, Audience.RECIPIENT)
        leave = self._url(delivery, Audience.UNSUBSCRIBE) if row.channel is Channel.EMAIL else ""
        return self._spoken(row, delivery, link), leave

    def _url(self, delivery: Delivery, audience: Audience) -> str:
        """Return the address of a recipient's page, or of the one that ends mail."""
        expires_at = local_instant(delivery.service_on, _MIDNIGHT, delivery.zone) + LINK_LASTS
        link_id = self._links.id_of(delivery.id, audience, max(expires_at, self._now + LINK_LASTS))
        path = "u" if audience is Audience.UNSUBSCRIBE else "t"
        return f"{self._house.company.public_url}/{path}/{self._house.links.token(link_id, audience)}"

    def _spoken(self, row: Notification, delivery: Delivery, link: str) -> Speech:
        quiet = self._house.force.rules.question_hours()
        return speech_of(
            delivery,
            kind=row.kind,
            channel=row.channel,
            company=self._house.company,
            link=link,
            now=self._now,
            occasion=row.occasion,
            may_ask=row.kind is Kind.DELIVERED and may_ask_now(self._session, delivery, quiet, self._now),
        )

    def _route_speech(self, row: Notification) -> Speech:
        """Return the words of a message without a delivery: a driver's link, or a plain reply."""
        company = self._house.company
        if row.route_id is None:
            words: dict[str, Any] = {"company": company.name, "name": "", "support": company.support}
            return Speech({**words, "link": company.public_url, "text": ""}, {})
        route = self._session.get_one(Route, row.route_id)
        driver = self._session.get_one(Driver, route.driver_id)
        count = select(func.count()).select_from(Stop).where(Stop.route_id == route.id)
        return route_speech(
            route,
            stops=self._session.scalar(count) or 0,
            locale=row.locale,
            company=company,
            link=self._driver_url(route),
            driver_name=driver.name,
        )

    def _driver_url(self, route: Route) -> str:
        found = driver_link(
            self._session,
            route_id=route.id,
            driver_id=route.driver_id,
            link_id=new_link_id(),
            now=self._now,
            expires_at=max(route.planned_start_at, self._now) + SHIFT_LASTS,
        )
        return f"{self._house.company.public_url}/d/{self._house.links.token(found.id, Audience.DRIVER)}"
