"""The page of truth: how far off the estimates were, how often they held, and how calm they were. Charts and CSV."""

from flask import render_template, request
from flask.typing import ResponseReturnValue

from portal.accounts import Role
from portal.services import services
from portal.staff.csv_cells import figures_answer, quoted
from portal.staff.day import today as day_today
from portal.staff.shell import blueprint, requires
from portal.staff.truth_charts import Chart, columns, line
from portal.staff.truth_figures import HORIZONS, TruthFigures, cells, truth_figures, truth_of
from tracking.hit_rate import LEAST_DELIVERED

AIM_PERCENT = 80.0  # the share of arrivals that the range should hold (reference/tracking.md 6)
HEADER = (
    *("day", "depot", "ahead", "estimates", "off_by_min", "bias_min", "inside_percent"),
    *("width_min", "jump_min", "jumps_over_5_min_percent"),
)


@blueprint.get("/truth")
@requires(Role.AGENT)
def truth() -> ResponseReturnValue:
    """Show 28 days of one depot or of all."""
    mine = services()
    today = day_today(mine.clock.now(), mine.settings.default_zone)
    with mine.database.reading() as session:
        asked = request.args.get("depot") or None
        found = truth_figures(session, today, asked)
    names = dict(found.depots)
    return render_template(
        "staff/truth.html",
        found=found,
        charts=charts(found),
        depot_id=asked if asked in names else "",
        depot=names.get(asked or "", "All depots"),
        least=LEAST_DELIVERED,
    )


@blueprint.get("/truth.csv")
@requires(Role.AGENT)
def truth_csv() -> ResponseReturnValue:
    """The same figures by day, depot and horizon."""
    mine = services()
    today = day_today(mine.clock.now(), mine.settings.default_zone)
    asked = request.args.get("depot") or None
    with mine.database.reading() as session:
        names = dict(truth_figures(session, today).depots)
        found, _ = cells(session, today)
    rows = []
    for cell in found:
        if asked is None or cell.depot_id == asked:
            row = truth_of(HORIZONS[cell.horizon], cell.sums)
            figures = (row.off_min, row.bias_min, row.inside_percent, row.width_min, row.jump_min)
            told = [*figures, row.big_jumps_percent]
            place = [cell.on.isoformat(), quoted(names.get(cell.depot_id, "")), row.label, row.estimates]
            rows.append([*place, *("" if value is None else f"{value:.2f}" for value in told)])
    return figures_answer(f"eta-truth-{today.isoformat()}", HEADER, rows)


def charts(found: TruthFigures) -> tuple[Chart, ...]:
    """Return the charts: by how far ahead, then by day."""
    ahead, days = found.by_horizon, found.by_day
    return (
        columns("Off by, on average", "min", ahead, lambda row: row.off_min),
        columns("Arrived inside the range", "%", ahead, lambda row: row.inside_percent, aim=AIM_PERCENT),
        columns("Width of the range", "min", ahead, lambda row: row.width_min),
        columns("Too late (+) or too early (−)", "min", ahead, lambda row: row.bias_min),
        columns("Jump to the next estimate", "min", ahead, lambda row: row.jump_min),
        columns("Jumps over 5 min", "%", ahead, lambda row: row.big_jumps_percent),
        line("Off by, day by day", "min", days, lambda row: row.off_min),
        line("Inside the range, day by day", "%", days, lambda row: row.inside_percent, aim=AIM_PERCENT),
    )
