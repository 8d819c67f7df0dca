"""The audit: who of staff looked at, or changed, what; for admins, with filters, and as CSV."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal import accounts
from portal.accounts import AuditEntry, Role
from portal.services import services
from portal.staff.csv_cells import csv_answer
from portal.staff.shell import blueprint, note_view, requires
from tracking.deliveries import Delivery

PAGE, MOST_EXPORTED = 100, 50_000
_DELIVERIES = frozenset({"conversation", "delivery"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry in words. ``href`` leads to what it is about, where there is a page."""

    id: int
    at: str
    who: str
    action: str
    kind: str
    subject: str
    href: str
    detail: str


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for; empty is everything. ``about`` is an id, or a delivery's reference."""

    who: str
    action: str
    kind: str
    about: str
    since: date | None
    until: date | None

    def fields(self) -> dict[str, str]:
        """Return the filter as the fields of an address."""
        told = {"who": self.who, "action": self.action, "kind": self.kind, "about": self.about}
        days = {"since": self.since, "until": self.until}
        told |= {name: on.isoformat() for name, on in days.items() if on}
        return {name: value for name, value in told.items() if value}


@blueprint.get("/audit")
@requires(Role.ADMIN)
def audit_page() -> ResponseReturnValue:
    """List what was looked at and changed, newest first."""
    wanted = _filter()
    before = request.args.get("before", "")
    with services().database.reading() as session:
        statement = _entries(session, wanted)
        if before.isdigit():
            statement = statement.where(AuditEntry.id < int(before))
        found = list(session.scalars(statement.limit(PAGE + 1)))
        rows = _rows(session, found[:PAGE])
        people = [(person.id, person.name) for person in accounts.everybody(session)]
        actions = list(session.scalars(select(AuditEntry.action).distinct().order_by(AuditEntry.action)))
        kinds = list(session.scalars(select(AuditEntry.subject_kind).distinct().order_by(AuditEntry.subject_kind)))
    older = urlencode({**wanted.fields(), "before": rows[-1].id}) if len(found) > PAGE else ""
    more = f"{url_for('staff.audit_page')}?{older}" if older else ""
    told = {"people": people, "actions": actions, "kinds": kinds, "more": more}
    return render_template("staff/audit.html", rows=rows, wanted=wanted, **told)


@blueprint.get("/audit.csv")
@requires(Role.ADMIN)
def audit_csv() -> ResponseReturnValue:
    """The same for a spreadsheet, at most 50,000 entries; that it was taken goes on record."""
    mine = services()
    with mine.database.writing() as session:
        rows = _rows(session, list(session.scalars(_entries(session, _filter()).limit(MOST_EXPORTED))))
        note_view(session, "export", "audit", "entries", mine.clock.now())
    header = ("at", "who", "action", "kind", "subject", "detail")
    return csv_answer("audit", header, [(r.at, r.who, r.action, r.kind, r.subject, r.detail) for r in rows])


def _filter() -> Filter:
    given = request.args
    return Filter(
        who=given.get("who", "")[:64],
        action=given.get("action", "")[:64],
        kind=given.get("kind", "")[:32],
        about=given.get("about", "").strip()[:120],
        since=_day(given.get("since", "")),
        until=_day(given.get("until", "")),
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _entries(session: Session, wanted: Filter) -> Select[AuditEntry]:
    """Select the entries a filter lets through. Days are those of the house's zone."""
    statement = select(AuditEntry).order_by(AuditEntry.id.desc())
    if wanted.who:
        statement = statement.where(AuditEntry.actor_id == wanted.who)
    if wanted.action:
        statement = statement.where(AuditEntry.action == wanted.action)
    if wanted.kind:
        statement = statement.where(AuditEntry.subject_kind == wanted.kind)
    if wanted.about:
        named = session.scalars(select(Delivery.id).where(Delivery.reference.in_({wanted.about, wanted.about.upper()})))
        statement = statement.where(AuditEntry.subject_id.in_([wanted.about, *named]))
    if wanted.since:
        statement = statement.where(AuditEntry.at >= _midnight(wanted.since))
    if wanted.until:
        statement = statement.where(AuditEntry.at < _midnight(wanted.until + timedelta(days=1)))
    return statement


def _midnight(on: date) -> datetime:
    zone = ZoneInfo(services().settings.default_zone)
    return datetime(on.year, on.month, on.day, tzinfo=zone).astimezone(UTC)


def _rows(session: Session, found: list[AuditEntry]) -> list[Entry]:
    names, zone = accounts.names_of(session), ZoneInfo(services().settings.default_zone)
    ids = {entry.subject_id for entry in found if entry.subject_kind in _DELIVERIES}
    statement = select(Delivery.id, Delivery.reference).where(Delivery.id.in_(ids))
    references = dict(session.execute(statement).all())
    return [
        Entry(
            id=entry.id,
            at=entry.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
            who=names.get(entry.actor_id, entry.actor_kind),
            action=entry.action.replace("_", " "),
            kind=entry.subject_kind.replace("_", " "),
            subject=_subject(entry, names, references),
            href=_href(entry),
            detail=entry.detail,
        )
        for entry in found
    ]


def _subject(entry: AuditEntry, names: Mapping[str, str], references: Mapping[str, str]) -> str:
    known = names if entry.subject_kind == "staff" else references
    return known.get(entry.subject_id, entry.subject_id)


def _href(entry: AuditEntry) -> str:
    pages = {"conversation": "conversations", "delivery": "deliveries", "case": "cases", "route": "routes"}
    page = pages.get(entry.subject_kind)
    return f"/staff/{page}/{entry.subject_id}" if page else ""
