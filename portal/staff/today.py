"""The first page: the day in numbers, and what needs a person."""

from dataclasses import dataclass
from datetime import date, timedelta

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal.accounts import Role
from portal.services import services
from portal.staff import charts, numbers, words
from portal.staff.day import asked_day
from portal.staff.day import today as day_today
from portal.staff.queues import Item, needing_a_person
from portal.staff.shell import blueprint, requires


@dataclass(frozen=True, slots=True)
class Figure:
    """One card: a big figure, what it means, and one small chart."""

    name: str
    value: str
    unit: str
    tone: str
    sentence: str
    line: charts.Line | None = None
    bars: tuple[charts.Bar, ...] = ()
    chart_name: str = ""


@dataclass(frozen=True, slots=True)
class DayView:
    """What the page shows."""

    title: str
    on: date
    before: date
    after: date
    is_today: bool
    figures: tuple[Figure, ...]
    items: list[Item]


@blueprint.get("/")
@requires(Role.AGENT)
def today() -> ResponseReturnValue:
    """Show a day."""
    return render_template("staff/today.html", view=_view(request.args.get("on")))


@blueprint.get("/today-part")
@requires(Role.AGENT, counts_as_use=False)
def today_part() -> ResponseReturnValue:
    """The part of the page that follows by itself."""
    return render_template("staff/_today.html", view=_view(request.args.get("on")))


def _view(asked: str | None) -> DayView:
    mine = services()
    now, zone = mine.clock.now(), mine.settings.default_zone
    on, current = asked_day(asked, now, zone), day_today(now, zone)
    with mine.database.reading() as session:
        found = numbers.figures(session, on, now)
        items = needing_a_person(session, on, now)
    return DayView(
        title="Today" if on == current else words.day(on, now),
        on=on,
        before=on - timedelta(days=1),
        after=on + timedelta(days=1),
        is_today=on == current,
        figures=_figures(found),
        items=items,
    )


def _figures(found: numbers.Figures) -> tuple[Figure, ...]:
    return (_on_time(found), _satisfaction(found), _truth(found.truth), undelivered_figure(found.undelivered))


def _on_time(found: numbers.Figures) -> Figure:
    seen = found.on_time
    late = seen.due - seen.on_time
    return Figure(
        name="On time",
        value=_shown(seen.percent),
        unit="%",
        tone=_tone(seen.percent, good=95, fair=85),
        sentence=f"{seen.on_time:,} of {seen.due:,} inside their window, {late:,} late"
        if seen.due
        else "No window is over yet",
        line=charts.line(found.on_time_by_day),
        chart_name="On time, last seven days",
    )


def _satisfaction(found: numbers.Figures) -> Figure:
    seen = found.satisfaction
    mean = "" if seen.mean is None else f", {seen.mean:.1f} of 5 on average"
    rows = [(str(score), str(seen.by_score[score - 1]), float(seen.by_score[score - 1])) for score in (5, 4, 3, 2, 1)]
    return Figure(
        name="Satisfied",
        value=_shown(seen.percent),
        unit="%",
        tone=_tone(seen.percent, good=90, fair=75),
        sentence=f"{words.count(seen.answers, 'answer')}{mean}" if seen.answers else "Nobody has answered yet",
        bars=charts.bars(rows),
        chart_name="Answers by score",
    )


def _truth(seen: numbers.Truth) -> Figure:
    known = [horizon for horizon in seen.horizons if horizon.mean_error_min is not None]
    rows = [(h.label, f"{h.mean_error_min:.1f} min", h.mean_error_min or 0.0) for h in known]
    return Figure(
        name="ETA off by",
        value="–" if seen.mean_error_min is None else f"{seen.mean_error_min:.1f}",
        unit="min",
        tone="plain",
        sentence=f"{seen.percent_inside} % arrived within the range shown; {numbers.PROMISED_INSIDE} % is the aim"
        if seen.estimates
        else "No estimate has come true yet",
        bars=charts.bars(rows),
        chart_name="Mean error by how far ahead",
    )


def undelivered_figure(seen: numbers.Undelivered) -> Figure:
    """Return the card of what did not arrive: a failed text whose mail arrived is no person who does not know."""
    name = {"sms": "texts", "email": "emails"}
    rows = [(name[c], f"{lost:,} of {tried:,}", lost / tried) for c, tried, lost in seen.by_channel]
    return Figure(
        name="Not delivered",
        value=str(seen.lost),
        unit="",
        tone=_tone(100 - (seen.percent or 0), good=101, fair=97) if seen.may_not_know else "ok",
        sentence=_who_knows(seen),
        bars=charts.bars(rows, whole=1.0),
        chart_name="Messages not delivered, by channel",
    )


def _who_knows(seen: numbers.Undelivered) -> str:
    """Say of how many messages, and whether the people know all the same."""
    sent = f"of {seen.tried:,} sent for this day" if seen.tried else "None sent for this day yet"
    if seen.may_not_know:
        people = "1 person" if seen.may_not_know == 1 else f"{seen.may_not_know:,} people"
        return f"{sent}; {people} may not know"
    return f"{sent}; everybody was reached by another way" if seen.lost else sent


def _shown(percent: int | None) -> str:
    return "–" if percent is None else str(percent)


def _tone(percent: int | None, *, good: int, fair: int) -> str:
    if percent is None:
        return "plain"
    return "ok" if percent >= good else "warn" if percent >= fair else "bad"
