"""The inbox: conversations in queues, with search and how long each has waited."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue

from messaging.chat_lines import Voice, first_name
from messaging.inbox import QUEUES, InboxRow, Queue, inbox_counts
from messaging.inbox import inbox as conversations
from messaging.search import MAX_QUERY_LENGTH, MOST_FOUND
from messaging.search_words import Piece
from portal import accounts, presence
from portal.accounts import Role
from portal.presence import Present
from portal.services import services
from portal.staff import words
from portal.staff.shell import blueprint, me, requires
from portal.staff.words import Badge
from tracking.holding import NOBODY_NAME

PAGE = 50
LONG_WAIT = timedelta(minutes=10)  # our choice: from here on a wait is shown in red
LABELS: dict[Queue, str] = {
    "unanswered": "Unanswered",
    "mine": "Mine",
    "waiting": "Waiting for them",
    "cases": "With a case",
    "all": "All",
    "closed": "Closed",
}
_SAYS = {Voice.RECIPIENT: "", Voice.DRIVER: "Driver: ", Voice.SUPPORT: "Us: ", Voice.SYSTEM: ""}


@dataclass(frozen=True, slots=True)
class Tab:
    """One queue to choose."""

    label: str
    href: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class TalkRow:
    """One conversation of the list."""

    href: str
    name: str
    said: str
    about: str
    status: Badge
    found: tuple[Piece, ...]
    wait: str
    waited_s: int
    is_long: bool
    unread: int
    age: str
    owner: str
    has_case: bool
    here: str


@dataclass(frozen=True, slots=True)
class InboxView:
    """What the page shows. ``more`` is the address of the next page, empty on the last; ``is_cut`` a search's end."""

    tabs: tuple[Tab, ...]
    queue: str
    label: str
    query: str
    rows: tuple[TalkRow, ...]
    more: str
    part: str
    is_cut: bool


@blueprint.get("/inbox")
@requires(Role.AGENT)
def inbox() -> ResponseReturnValue:
    """Show a queue, or what a search found in it."""
    return render_template("staff/inbox.html", view=_view())


@blueprint.get("/inbox/part")
@requires(Role.AGENT, counts_as_use=False)
def inbox_part() -> ResponseReturnValue:
    """The list alone."""
    return render_template("staff/_inbox.html", view=_view())


def _view() -> InboxView:
    mine, staff_id = services(), me().id
    now = mine.clock.now()
    queue = next((name for name in QUEUES if name == request.args.get("queue")), QUEUES[0])
    query, before = request.args.get("q", "").strip()[:MAX_QUERY_LENGTH], _instant(request.args.get("before"))
    if query and "queue" not in request.args:
        queue = "all"
    with mine.database.reading() as session:
        rows = conversations(
            session,
            queue=queue,
            staff_id=staff_id,
            query=query or None,
            limit=PAGE + 1,
            before=before,
            now=now,
            region=mine.settings.default_region,
        )
        counts = inbox_counts(session, staff_id=staff_id, now=now)
        names = accounts.names_of(session)
    here = presence.present_in(mine.redis, [row.delivery_id for row in rows], mine.clock.elapsed())
    return InboxView(
        tabs=tuple(
            Tab(label, url_for("staff.inbox", queue=name, q=query or None), counts[name], name == queue)
            for name, label in LABELS.items()
        ),
        queue=queue,
        label=LABELS[queue],
        query=query,
        rows=tuple(
            _row(row, names, staff_id, now, mine.settings.default_zone, here[row.delivery_id]) for row in rows[:PAGE]
        ),
        more="" if query else _next_page(rows, queue),
        part=url_for("staff.inbox_part", queue=queue, q=query or None, before=request.args.get("before")),
        is_cut=bool(query) and len(rows) >= MOST_FOUND,
    )


def _place(row: InboxRow) -> str:
    if row.driver_name == NOBODY_NAME:
        return "waits for a truck"
    return f"{row.route_name}, stop {row.stop_sequence}, {row.driver_name}"


def _row(
    row: InboxRow, names: dict[str, str], staff_id: str, now: datetime, zone: str, here: tuple[Present, ...]
) -> TalkRow:
    waits = row.waiting_since is not None
    length = now - row.waiting_since if row.waiting_since else timedelta()
    owner_id = row.taken_over_by or row.assigned_to
    return TalkRow(
        href=f"/staff/conversations/{row.delivery_id}" + (f"#line-{row.found_line}" if row.found_line else ""),
        name=row.recipient_name,
        said=(_SAYS[row.last_voice] if row.last_voice else "") + row.last_body,
        about=f"{row.reference} · {_place(row)}",
        status=words.DELIVERY[row.status],
        found=row.found,
        wait=f"waits {words.span(length)}" if waits else "",
        waited_s=max(0, int(length.total_seconds())),
        is_long=length >= LONG_WAIT,
        unread=row.unread,
        age=words.moment(row.last_message_at, zone, now),
        owner="you" if owner_id == staff_id else names.get(owner_id or "", ""),
        has_case=row.has_open_case,
        here=_others(here, names, staff_id),
    )


def _others(here: tuple[Present, ...], names: dict[str, str], staff_id: str) -> str:
    """Return who else has the conversation open, in a few words."""
    others = [one for one in here if one.staff_id != staff_id and one.staff_id in names]
    if len(others) == 1:
        return f"{first_name(names[others[0].staff_id])} {'writes' if others[0].is_writing else 'looks'}"
    return f"{len(others)} look" if others else ""


def _next_page(rows: list[InboxRow], queue: Queue) -> str:
    if len(rows) <= PAGE:
        return ""
    last = rows[PAGE - 1]
    at = last.waiting_since if queue == "unanswered" else last.last_message_at
    return url_for("staff.inbox", queue=queue, before=at.isoformat()) if at else ""


def _instant(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
