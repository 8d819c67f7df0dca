"""Cases: complaints to make good, with owner, deadline and everything known beside them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.case_work import ask_again, ask_back
from messaging.cases import Case, CaseStatus, EmptyResolution, assign_case, close_case
from messaging.cases import cases as cases_of
from messaging.chat_lines import EmptyMessage, MessageTooLong
from messaging.consent import pepper_of
from messaging.fairness import ScoreCause
from messaging.kinds import Channel, Kind
from messaging.notifications import NotificationStatus
from messaging.ratings import Rating, rating_of
from portal import accounts
from portal.accounts import Role, StaffAccount
from portal.services import services
from portal.staff import words
from portal.staff.conversation import tell
from portal.staff.facts import Facts, facts_of
from portal.staff.shell import blueprint, done, me, note_view, refused, requires
from portal.staff.words import Badge
from tracking.deliveries import Delivery, load
from tracking.errors import NotFound
from tracking.facts import inbox_changed, publish
from tracking.ids import new_id

_NEVER_TRIED = frozenset({NotificationStatus.DUE, NotificationStatus.WITHDRAWN})
QUESTION = "I am sorry. What went wrong, and what would make it good?"


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case of the list."""

    id: str
    href: str
    name: str
    reference: str
    score: int
    comment: str
    deadline: Badge
    owner: str
    resolution: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case: ``then`` are the facts as they were when it opened, ``facts`` as they are now."""

    row: CaseRow
    opened: str
    owner_id: str | None
    staff: tuple[tuple[str, str], ...]
    then: tuple[tuple[str, str], ...]
    facts: Facts
    excuse: str
    asked: str
    again: str
    again_comment: str
    told: tuple[tuple[str, str], ...]
    typed: str = ""
    problem: str = ""
    question: str = QUESTION


@blueprint.get("/cases")
@requires(Role.AGENT)
def cases() -> ResponseReturnValue:
    """List the open cases by deadline, or the closed ones."""
    mine = services()
    wants_closed = request.args.get("show") == "closed"
    with mine.database.reading() as session:
        names = accounts.names_of(session)
        found = cases_of(session, CaseStatus.CLOSED if wants_closed else CaseStatus.OPEN)
        of = select(Delivery).where(Delivery.id.in_([case.delivery_id for case in found]))
        deliveries = {delivery.id: delivery for delivery in session.scalars(of)}
        rows = [_row(case, deliveries[case.delivery_id], names, mine.clock.now()) for case in found]
    return render_template("staff/cases.html", rows=rows, is_closed=wants_closed)


@blueprint.get("/cases/<case_id>")
@requires(Role.AGENT)
def case(case_id: str) -> ResponseReturnValue:
    """Show one case."""
    mine = services()
    with mine.database.writing() as session:
        view = _view(session, case_id)
        note_view(session, "view", "case", case_id, mine.clock.now())
        note_view(session, "view", "delivery", view.facts.id, mine.clock.now())
    return render_template("staff/case.html", view=view)


@blueprint.post("/cases/<case_id>/assign")
@requires(Role.AGENT)
def case_assign(case_id: str) -> ResponseReturnValue:
    """Say who owns a case; empty for nobody."""
    mine = services()
    wanted = request.form.get("staff_id") or None
    with mine.database.writing() as session:
        account = session.get(StaffAccount, wanted) if wanted else None
        if wanted and (account is None or account.disabled_at is not None):
            return refused("staff.case", "There is no such person.", case_id=case_id)
        has_changed = assign_case(session, case_id, wanted)
        note_view(session, "assign", "case", case_id, mine.clock.now())
    publish(mine.redis, [inbox_changed()])
    if not has_changed:
        return refused("staff.case", "This case is closed.", case_id=case_id)
    return done("staff.case", f"Given to {account.name if account else 'nobody'}.", case_id=case_id)


@blueprint.post("/cases/<case_id>/ask")
@requires(Role.AGENT)
def case_ask(case_id: str) -> ResponseReturnValue:
    """Ask the recipient our one question; what they answer by text is added to the case."""
    mine = services()
    now, typed = mine.clock.now(), request.form.get("question", "")
    try:
        with mine.database.writing() as session:
            found = _found(session, case_id)
            has_asked = ask_back(session, case_id, text=typed, staff_id=me().id, now=now, ids=new_id)
            note_view(session, "ask", "case", case_id, now)
    except (EmptyMessage, MessageTooLong) as error:
        return refused("staff.case", str(error), case_id=case_id)
    tell(found.delivery_id)
    mine.wake.send(Channel.SMS)
    if not has_asked:
        return refused("staff.case", "They were asked already, or the case is closed.", case_id=case_id)
    return done("staff.case", "Asked. Their answer comes into the case and the conversation.", case_id=case_id)


@blueprint.post("/cases/<case_id>/close")
@requires(Role.AGENT)
def case_close(case_id: str) -> ResponseReturnValue:
    """Close a case with a word on how it was made good."""
    mine = services()
    now, typed = mine.clock.now(), request.form.get("resolution", "")
    try:
        with mine.database.writing() as session:
            has_closed = close_case(session, case_id, resolution=typed[:2000], staff_id=me().id, now=now)
            pepper = pepper_of(mine.settings.secret_keys)
            asks = has_closed and request.form.get("again") == "yes"
            has_asked = asks and ask_again(session, case_id, now=now, ids=new_id, pepper=pepper)
            note_view(session, "close", "case", case_id, now)
    except EmptyResolution as error:
        with mine.database.reading() as session:
            view = _view(session, case_id, typed=typed, problem=str(error))
        return render_template("staff/case.html", view=view), 422
    publish(mine.redis, [inbox_changed()])
    if has_asked:
        mine.wake.send(Channel.SMS)
        mine.wake.send(Channel.EMAIL)
    said = "Closed. We ask them how it is now." if has_asked else "Closed." if has_closed else "It was closed already."
    return done("staff.case", said, case_id=case_id)


def _view(session: Session, case_id: str, *, typed: str = "", problem: str = "") -> CaseView:
    now = services().clock.now()
    found = _found(session, case_id)
    delivery = load(session, found.delivery_id)
    names = accounts.names_of(session)
    return CaseView(
        row=_row(found, delivery, names, now),
        opened=words.moment(found.opened_at, delivery.zone, now),
        owner_id=found.owner_id,
        staff=tuple((p.id, p.name) for p in accounts.everybody(session) if p.disabled_at is None),
        then=_then(found.facts, delivery.zone, now),
        excuse=_excuse(rating_of(session, delivery.id)),
        asked=words.moment(found.asked_at, delivery.zone, now) if found.asked_at else "",
        again=_again(found, delivery.zone, now),
        again_comment=found.again_comment,
        told=_told(found.facts, delivery.zone, now),
        facts=facts_of(session, delivery, now),
        typed=typed,
        problem=problem,
    )


def _found(session: Session, case_id: str) -> Case:
    found = session.get(Case, case_id)
    if found is None:
        raise NotFound("case", case_id)
    return found


def _excuse(rating: Rating | None) -> str:
    """Return whose the score is, when it is not the driver's."""
    if rating is None or rating.cause is not ScoreCause.LATE_START:
        return ""
    return f"The depot let the truck out {rating.cause_min} min late, so this score is not the driver's."


def _again(case: Case, zone: str, now: datetime) -> str:
    if case.again_at is not None:
        return f"Rated {case.again_score} of 5 once it was settled, {words.moment(case.again_at, zone, now)}"
    asked = case.again_asked_at
    return f"Asked how it is now, {words.moment(asked, zone, now)}. No answer yet." if asked else ""


def _told(facts: Mapping[str, Any], zone: str, now: datetime) -> tuple[tuple[str, str], ...]:
    """Return what had been sent, or tried, when the case opened, as (when, words), the oldest first."""
    sent = [one for one in facts.get("notifications") or () if one.get("at") and one["status"] not in _NEVER_TRIED]
    return tuple(
        (
            words.moment(datetime.fromisoformat(one["at"]), zone, now),
            f"{words.KIND[Kind(one['kind'])]} by {words.CHANNEL[Channel(one['channel'])]}: "
            f"{words.notification(one['status'], one['channel']).word.lower()}",
        )
        for one in sorted(sent, key=lambda one: datetime.fromisoformat(one["at"]))
    )


def _row(case: Case, delivery: Delivery, names: Mapping[str, str], now: datetime) -> CaseRow:
    return CaseRow(
        id=case.id,
        href=f"/staff/cases/{case.id}",
        name=delivery.recipient_name,
        reference=delivery.reference,
        score=case.score,
        comment=case.comment,
        deadline=_deadline(case, delivery.zone, now),
        owner=names.get(case.owner_id or "", ""),
        resolution=case.resolution,
        is_open=case.status is CaseStatus.OPEN,
    )


def _deadline(case: Case, zone: str, now: datetime) -> Badge:
    if case.status is CaseStatus.CLOSED:
        return Badge(f"Closed {words.moment(case.closed_at, zone, now)}", "ok")
    if case.deadline_at <= now:
        return Badge(f"Overdue by {words.span(now - case.deadline_at)}", "bad")
    return Badge(f"Answer within {words.span(case.deadline_at - now)}", "warn")


def _then(facts: Mapping[str, Any], zone: str, now: datetime) -> tuple[tuple[str, str], ...]:
    """Return what was known when the case opened, as (name, words)."""

    def at(value: Any) -> datetime | None:
        return datetime.fromisoformat(value) if isinstance(value, str) else None

    window, promised = facts.get("window") or [None, None], facts.get("promised") or [None, None]
    late, depot, moved = facts.get("late_min"), facts.get("depot_late_min"), len(facts.get("promise_changes") or ())
    told = [
        ("Window", words.window(at(window[0]), at(window[1]), zone)),
        ("Last promise", words.window(at(promised[0]), at(promised[1]), zone)),
        ("Arrived", words.moment(at(facts.get("arrived_at")), zone, now)),
        ("Late by", "" if late is None else f"{late} min"),
        ("Depot let go late", f"{depot} min: not the driver's part" if depot else ""),
        ("First estimate", _estimate(facts.get("first_estimate"), zone, at)),
        ("Promise changed", f"{words.count(moved, 'time')} after they had opened their page" if moved else ""),
        ("Proof taken", _distance(facts.get("proof_distance_m"))),
        ("Driver", str(facts.get("driver") or "")),
        ("Depot", str(facts.get("depot") or "")),
    ]
    return tuple((name, text) for name, text in told if text and text != "–") if facts else ()


def _estimate(made: Any, zone: str, at: Callable[[Any], datetime | None]) -> str:
    if not isinstance(made, dict):
        return ""
    window = words.window(at(made.get("lo")), at(made.get("hi")), zone)
    return f"{window}, made {words.clock(at(made.get('made_at')), zone)}"


def _distance(metres: Any) -> str:
    return f"{metres:,.0f} m from the address" if isinstance(metres, int | float) else ""
