"""Everything known of one delivery, in words, for the pages that stand beside a conversation, a case or a change."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.cases import Case, CaseStatus
from messaging.kinds import Kind
from messaging.notifications import TERMINAL, Notification, NotificationStatus
from messaging.ratings import Rating
from portal import accounts
from portal.receivers import handed_over
from portal.staff import words
from portal.staff.day import route_name
from portal.staff.lateness import Lateness, lateness
from portal.staff.wish_views import WishView, wish_of
from portal.staff.words import Badge
from tracking.actors import ActorKind
from tracking.custody import CustodyEvent, history
from tracking.deliveries import Delivery, PromiseChange
from tracking.drivers import Driver
from tracking.holding import is_holding
from tracking.links import Audience, Link
from tracking.proofs import Proof, ProofKind

_WHO = {ActorKind.RECIPIENT: "the recipient", ActorKind.API: "the API", ActorKind.SYSTEM: "by itself"}
# Lines of a chat and answers to a text are said again by writing again.
_RESENDABLE = frozenset(Kind) - {Kind.CHAT, Kind.REPLY, Kind.DRIVER_LINK}
_GONE_OUT = TERMINAL | {NotificationStatus.ACCEPTED, NotificationStatus.SENT, NotificationStatus.WITHDRAWN}
_SOURCE = {"position": "seen by position", "tap": "tapped"}


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a timeline."""

    word: str
    tone: str
    at: str
    who: str
    detail: str
    place: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One message that was, or will be, sent."""

    id: str
    can_resend: bool
    word: str
    channel: str
    status: Badge
    at: str
    reason: str
    body: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One proof. ``href`` leads to the picture, if it is one."""

    word: str
    text: str
    href: str
    at: str


@dataclass(frozen=True, slots=True)
class LinkView:
    """The recipient's link, without its token."""

    id: str
    badge: Badge
    sentence: str


@dataclass(frozen=True, slots=True)
class Facts:
    """One delivery as staff see it. All texts; the templates decide nothing."""

    id: str
    name: str
    reference: str
    status: Badge
    late: Lateness | None
    zone: str
    day: str
    window: str
    promise: str
    promise_why: str
    eta: str
    stops_before: str
    arrived: str
    route_name: str
    route_href: str
    driver: str  # empty while it waits for a truck
    sequence: int
    address: str
    items: str
    instructions: str
    note: str
    wish: WishView | None
    not_loaded: str
    failure: str
    phone: str
    email: str
    locale: str
    seen: str
    events: tuple[Event, ...]
    notices: tuple[Notice, ...]
    proofs: tuple[Evidence, ...]
    score: int | None
    comment: str
    case: tuple[str, str] | None  # its page, and a word
    links: tuple[LinkView, ...]
    is_open: bool

    @property
    def live_link(self) -> LinkView | None:
        """The link that works now."""
        return next((link for link in self.links if link.badge.tone == "ok"), None)


def can_resend(row: Notification) -> bool:
    """True for a message about the delivery that has left the outbox, one way or the other."""
    return row.kind in _RESENDABLE and row.status in _GONE_OUT


def facts_of(session: Session, delivery: Delivery, now: datetime) -> Facts:
    """Return the facts of a delivery that was loaded whole."""
    stop, zone = delivery.stop, delivery.zone
    rating = session.get(Rating, delivery.id)
    arrived_at = delivery.arrived_at or stop.arrived_at or delivery.delivered_at
    return Facts(
        id=delivery.id,
        name=delivery.recipient_name,
        reference=delivery.reference,
        status=words.DELIVERY[delivery.status],
        late=lateness(delivery, now),
        zone=zone,
        day=words.day(delivery.service_on, now),
        window=words.window(delivery.window_start_at, delivery.window_end_at, zone),
        promise=words.window(delivery.promise_lo_at, delivery.promise_hi_at, zone),
        promise_why=words.CAUSE.get(delivery.promise_cause or "", ""),
        eta=_eta(delivery, now),
        stops_before=_stops_before(delivery),
        arrived=words.moment(arrived_at, zone, now) if arrived_at else "",
        route_name=route_name(stop.route),
        route_href=f"/staff/routes/{stop.route_id}",
        driver="" if is_holding(stop.route.driver) else stop.route.driver.name,
        sequence=stop.sequence,
        address=stop.address,
        items=delivery.items,
        instructions=delivery.instructions,
        note=delivery.recipient_note,
        wish=wish_of(session, delivery, now),
        not_loaded=delivery.not_loaded_reason or "",
        failure=_failure(delivery),
        phone=delivery.phone or "",
        email=delivery.email or "",
        locale=delivery.locale,
        seen=f"Opened the page {words.moment(delivery.seen_at, zone, now)}" if delivery.seen_at else "Not opened yet",
        events=_events(session, delivery, now),
        notices=_notices(session, delivery, now),
        proofs=_proofs(session, delivery, now),
        score=rating.score if rating else None,
        comment=rating.comment if rating else "",
        case=_case(session, delivery.id),
        links=_links(session, delivery, now),
        is_open=delivery.is_open,
    )


def _eta(delivery: Delivery, now: datetime) -> str:
    stop = delivery.stop
    if not delivery.is_open or stop.eta_at is None or stop.arrived_at is not None:
        return ""
    within = f" ({words.window(stop.eta_lo_at, stop.eta_hi_at, delivery.zone)})" if stop.eta_lo_at else ""
    return f"{words.moment(stop.eta_at, delivery.zone, now)}{within}"


def _stops_before(delivery: Delivery) -> str:
    before = delivery.stop.stops_before
    if before is None or not delivery.is_open or delivery.stop.arrived_at is not None:
        return ""
    return "next" if before == 0 else f"{words.count(before, 'stop')} before"


def _failure(delivery: Delivery) -> str:
    reason = (delivery.failure_reason or "").replace("_", " ")
    return ": ".join(part for part in (reason.capitalize(), delivery.failure_note) if part)


def _events(session: Session, delivery: Delivery, now: datetime) -> tuple[Event, ...]:
    events = history(session, delivery.id)
    changes = list(session.scalars(select(PromiseChange).where(PromiseChange.delivery_id == delivery.id)))
    staff = accounts.names_of(session)
    ids = {event.actor_id for event in events if event.actor_kind == ActorKind.DRIVER}
    drivers = {row.id: row.name for row in session.scalars(select(Driver).where(Driver.id.in_(ids)))}
    told = [(event.at, _custody(event, staff | drivers, delivery, now)) for event in events]
    told += [(change.at, _promise(change, delivery, now)) for change in changes if change.from_lo_at is not None]
    return tuple(event for _, event in sorted(told, key=lambda pair: pair[0]))


def _custody(event: CustodyEvent, names: dict[str, str], delivery: Delivery, now: datetime) -> Event:
    who = names.get(event.actor_id) or _WHO.get(ActorKind(event.actor_kind), event.actor_kind)
    detail = event.detail.get("reason") or event.detail.get("note") or ""
    late_s = (event.recorded_at - event.at).total_seconds()
    heard = f"heard of {words.span(event.recorded_at - event.at)} later" if late_s > 120 else ""
    return Event(
        word=words.CUSTODY[event.kind],
        tone=words.custody_tone(event.kind),
        at=words.moment(event.at, delivery.zone, now),
        who=", ".join(part for part in (who, _SOURCE.get(event.source, "")) if part),
        detail="; ".join(part for part in (str(detail).replace("_", " "), heard) if part),
        place="" if event.lat is None or event.lon is None else f"{event.lat:.5f}, {event.lon:.5f}",
    )


def _promise(change: PromiseChange, delivery: Delivery, now: datetime) -> Event:
    zone = delivery.zone
    return Event(
        word=f"Promise moved to {words.window(change.lo_at, change.hi_at, zone)}",
        tone="is-moved",
        at=words.moment(change.at, zone, now),
        who=words.CAUSE.get(change.cause or "", ""),
        detail=f"was {words.window(change.from_lo_at, change.from_hi_at, zone)}",
        place="",
    )


def _notices(session: Session, delivery: Delivery, now: datetime) -> tuple[Notice, ...]:
    statement = select(Notification).where(Notification.delivery_id == delivery.id).order_by(Notification.due_at.desc())
    return tuple(
        Notice(
            id=row.id,
            can_resend=can_resend(row),
            word=words.KIND[row.kind],
            channel=words.CHANNEL[row.channel],
            status=words.notification(row.status, row.channel),
            at=words.moment(row.final_at or row.accepted_at or row.due_at, delivery.zone, now),
            reason=row.reason + (f" ({row.error_code})" if row.error_code else ""),
            body=row.body,
        )
        for row in session.scalars(statement.limit(60))
    )


def _proofs(session: Session, delivery: Delivery, now: datetime) -> tuple[Evidence, ...]:
    statement = select(Proof).where(Proof.delivery_id == delivery.id).order_by(Proof.taken_at)
    names = {ProofKind.PHOTO: "Photo", ProofKind.SIGNATURE: "Signature", ProofKind.NAME: "Received by"}
    return tuple(
        Evidence(
            word=(handed_over(proof.text) or names[proof.kind]) + (" (withdrawn)" if proof.withdrawn_at else ""),
            text="" if handed_over(proof.text) else proof.text,
            href=f"/staff/proofs/{proof.id}" if proof.public_sha256 else "",
            at=words.moment(proof.taken_at, delivery.zone, now),
        )
        for proof in session.scalars(statement)
    )


def _case(session: Session, delivery_id: str) -> tuple[str, str] | None:
    case = session.scalar(select(Case).where(Case.delivery_id == delivery_id))
    if case is None:
        return None
    return f"/staff/cases/{case.id}", "open case" if case.status is CaseStatus.OPEN else "closed case"


def _links(session: Session, delivery: Delivery, now: datetime) -> tuple[LinkView, ...]:
    statement = select(Link).where(Link.delivery_id == delivery.id, Link.audience == Audience.RECIPIENT)
    return tuple(
        _link(link, delivery.zone, now) for link in session.scalars(statement.order_by(Link.created_at.desc()))
    )


def _link(link: Link, zone: str, now: datetime) -> LinkView:
    made = f"made {words.moment(link.created_at, zone, now)}"
    if link.revoked_at is not None:
        return LinkView(link.id, Badge("Revoked", "bad"), f"{made}, revoked {words.moment(link.revoked_at, zone, now)}")
    if link.expires_at <= now:
        return LinkView(link.id, Badge("Expired", "warn"), f"{made}, ended {words.moment(link.expires_at, zone, now)}")
    return LinkView(link.id, Badge("Works", "ok"), f"{made}, works until {words.moment(link.expires_at, zone, now)}")
