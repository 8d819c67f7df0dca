"""Ratings: how satisfied recipients are, by week, driver and depot, with what they said; and as CSV."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy import select

from messaging import satisfaction
from messaging.fairness import ScoreCause
from messaging.satisfaction import Given, Share, Wanted
from portal.accounts import Role
from portal.services import services
from portal.staff import words
from portal.staff.charts import Bar, Columns, bars, columns
from portal.staff.csv_cells import csv_answer
from portal.staff.shell import blueprint, note_view, requires
from tracking.depots import Depot
from tracking.drivers import Driver

WEEKS_SHOWN = 8
LONGEST_SPAN = timedelta(days=370)
PAGE = 50
SCORES = {"low": (1, 2), "middle": (3,), "good": (4, 5)}


@dataclass(frozen=True, slots=True)
class Comment:
    """One rating of the list."""

    href: str
    score: int
    comment: str
    at: str
    name: str
    about: str
    excuse: str
    case_href: str
    again: str


@dataclass(frozen=True, slots=True)
class Group:
    """A chart of bars that is a table too: one row a driver or depot."""

    name: str
    bars: tuple[Bar, ...]
    shares: tuple[Share, ...]


@blueprint.get("/ratings")
@requires(Role.AGENT)
def ratings() -> ResponseReturnValue:
    """Show the charts and the newest comments."""
    mine = services()
    wanted, given_args = _wanted(), request.args
    shown = int(given_args["shown"]) if given_args.get("shown", "").isdigit() else PAGE
    with mine.database.reading() as session:
        given = satisfaction.ratings(session, wanted)
        drivers = [(row.id, row.name) for row in session.execute(select(Driver.id, Driver.name).order_by(Driver.name))]
        depots = [(row.id, row.name) for row in session.execute(select(Depot.id, Depot.name).order_by(Depot.name))]
    weeks = satisfaction.by_week(given, wanted)
    fields = _fields()
    return render_template(
        "staff/ratings.html",
        whole=satisfaction.overall(given),
        weeks=weeks,
        chart=_weeks_chart(weeks),
        groups=(
            _group("By driver", satisfaction.by_driver(given)),
            _group("By depot", satisfaction.by_depot(given)),
        ),
        comments=[_comment(one, mine.clock.now()) for one in given[:shown]],
        drivers=drivers,
        depots=depots,
        wanted=wanted,
        chosen=fields.get("score", ""),
        fields=fields,
        more=_address(shown + PAGE) if len(given) > shown else "",
    )


@blueprint.get("/ratings.csv")
@requires(Role.AGENT)
def ratings_csv() -> ResponseReturnValue:
    """The same ratings for a spreadsheet; that they were taken goes on record."""
    mine = services()
    with mine.database.writing() as session:
        given = satisfaction.ratings(session, _wanted())
        note_view(session, "export", "ratings", "list", mine.clock.now())
    zone = ZoneInfo(mine.settings.default_zone)
    header = (
        "at",
        "score",
        "comment",
        "by",
        "reference",
        "recipient",
        "driver",
        "depot",
        "counts_for",
        "late_min",
    )
    rows = [
        (
            *(one.at.astimezone(zone).isoformat(timespec="minutes"), str(one.score), one.comment, one.source),
            *(one.reference, one.recipient, one.driver, one.depot),
            "driver and depot" if one.is_drivers else "depot",
            "" if one.cause_min is None else str(one.cause_min),
        )
        for one in given
    ]
    return csv_answer("ratings", header, rows)


def _address(shown: int) -> str:
    return f"{url_for('staff.ratings')}?{urlencode({**_fields(), 'shown': shown})}"


def _wanted() -> Wanted:
    mine = services()
    today = mine.clock.now().astimezone(ZoneInfo(mine.settings.default_zone)).date()
    given = request.args
    until = min(_day(given.get("until"), today), today)
    usual = until - timedelta(days=until.weekday(), weeks=WEEKS_SHOWN - 1)
    since = max(min(_day(given.get("since"), usual), until), until - LONGEST_SPAN)
    return Wanted(
        since=since,
        until=until,
        zone=mine.settings.default_zone,
        driver_id=given.get("driver", "")[:32],
        depot_id=given.get("depot", "")[:32],
        scores=SCORES.get(given.get("score", ""), ()),
        words=given.get("q", "").strip()[:100],
        only_with_words=given.get("said") == "yes",
    )


def _day(text: str | None, usual: date) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return usual


def _fields() -> dict[str, str]:
    """Return the filter as it was asked for, to ask for it again."""
    names = ("since", "until", "driver", "depot", "score", "q", "said")
    return {name: request.args[name][:100] for name in names if request.args.get(name)}


def _weeks_chart(weeks: list[tuple[date, Share]]) -> Columns:
    return columns([(f"{monday.day} {monday:%b}", one.percent, str(one.answers)) for monday, one in weeks])


def _group(name: str, shares: list[Share]) -> Group:
    figures = ["–" if one.percent is None else f"{one.percent} %" for one in shares]
    rows = [(one.name, figure, one.percent or 0) for one, figure in zip(shares, figures, strict=True)]
    return Group(name, bars(rows), tuple(shares))


def _comment(one: Given, now: datetime) -> Comment:
    minutes = f"{one.cause_min} min late" if one.cause_min else "late"
    return Comment(
        href=f"/staff/conversations/{one.delivery_id}",
        score=one.score,
        comment=one.comment,
        at=words.moment(one.at, services().settings.default_zone, now),
        name=one.recipient,
        about=f"{one.reference} · {one.driver}, {one.depot}",
        excuse=f"The depot let the truck out {minutes}: not the driver's score"
        if one.cause is ScoreCause.LATE_START
        else "",
        case_href=f"/staff/cases/{one.case_id}" if one.case_id else "",
        again=f"Rated {one.again_score} once it was settled" if one.again_score else "",
    )
