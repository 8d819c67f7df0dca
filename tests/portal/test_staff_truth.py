"""The page of truth: figures, charts, CSV, one depot or all, and fast with many estimates."""

import csv
import io
import os
import re
import time
from datetime import date, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert

from portal.services import Services
from portal.staff.truth_charts import columns, line
from portal.staff.truth_figures import Truth, truth_figures
from tests.builders import make_depot, make_route, make_stop
from tests.portal.staff_browser import StaffBrowser
from tracking.deliveries import EstimateMade
from tracking.truth_days import EtaDay, PromiseDay

ESTIMATES = int(os.environ.get("ESTIMATES", "12000"))  # 100000 is the size the page was made for


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services)


def truth(label: str, off_min: float | None) -> Truth:
    return Truth(label, 1, off_min, off_min, 80.0, 10.0, 1.0, 0.0)


def eta_day(on: date, depot_id: str, horizon: int, *, off_s: float, estimates: int = 10, inside: int = 8) -> EtaDay:
    sums = {"error_s": -off_s * estimates, "absolute_s": off_s * estimates, "width_s": 600.0 * estimates}
    calm = {"jumps": estimates - 1, "jump_s": 30.0 * (estimates - 1), "big_jumps": 0}
    return EtaDay(on=on, depot_id=depot_id, horizon=horizon, estimates=estimates, inside=inside, **sums, **calm)


def yesterday(services: Services) -> date:
    return services.clock.now().date() - timedelta(days=1)


@pytest.fixture
def counted(services: Services) -> tuple[str, str]:
    """Two depots: at North the far estimates are 4 minutes off, at South 8."""
    on = yesterday(services)
    with services.database.writing() as session:
        north, south = make_depot(session).id, make_depot(session, "South depot").id
        session.add_all([eta_day(on, north, 5, off_s=240.0), eta_day(on, south, 5, off_s=480.0, inside=6)])
        session.add(eta_day(on, north, 0, off_s=30.0))
        session.add(PromiseDay(on=on, depot_id=north, delivered=40, kept=33))
    return north, south


def rows_of(text: str, caption: str) -> dict[str, list[str]]:
    """Return the figures of one table of the page by their row's name."""
    table = re.search(rf"<caption[^>]*>{caption}</caption>(.*?)</table>", text, re.S)
    assert table is not None
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", table[1], re.S)
    return {re.sub("<[^>]+>", "", name): re.findall(r"<td[^>]*>(.*?)</td>", cells) for name, cells in rows}


@pytest.mark.usefixtures("counted")
def test_figures_stand_by_horizon_and_by_depot(staff: StaffBrowser) -> None:
    page = staff.get("/staff/truth").text

    # 10 x 4 min and 10 x 8 min are 6 min on average; all were too early; 14 of 20 inside.
    assert rows_of(page, "By how far ahead")["25–40 min"] == ["20", "6.0", "−6.0", "70", "10.0", "0.5", "0.0"]
    depots = rows_of(page, "By depot")
    # (300 s + 2400 s) / 20 are 2.25 min; 33 of 40 promises kept are 82.5 %.
    assert depots["North depot"] == ["20", "2.2", "−2.2", "80", "10.0", "0.5", "0.0", "82"]
    assert depots["South depot"][-1] == "–"


def test_one_depot_is_asked_for(staff: StaffBrowser, counted: tuple[str, str]) -> None:
    page = staff.get(f"/staff/truth?depot={counted[1]}").text

    assert rows_of(page, "By how far ahead")["All"][:2] == ["10", "8.0"]
    assert f'<option value="{counted[1]}" selected>' in page
    assert staff.get("/staff/truth?depot=nowhere").status_code == 200


def test_csv_has_a_line_for_each_day_depot_and_horizon(staff: StaffBrowser, counted: tuple[str, str]) -> None:
    answer = staff.get(f"/staff/truth.csv?depot={counted[0]}")

    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [(row["depot"], row["ahead"], row["off_by_min"]) for row in rows] == [
        ("North depot", "0–3 min", "0.50"),
        ("North depot", "25–40 min", "4.00"),
    ]
    assert answer.headers["Content-Type"].startswith("text/csv")


def test_a_depot_called_like_a_formula_is_harmless_in_a_spreadsheet(staff: StaffBrowser, services: Services) -> None:
    with services.database.writing() as session:
        session.add(eta_day(yesterday(services), make_depot(session, "=cmd()").id, 0, off_s=1.0))

    assert ",'=cmd()," in staff.get("/staff/truth.csv").text


def test_today_is_added_as_it_stands(staff: StaffBrowser, services: Services) -> None:
    now = services.clock.now()
    with services.database.writing() as session:
        stop = make_stop(session, make_route(session, on=now.date()), arrived_at=now)
        made_at = now - timedelta(minutes=20)
        session.add(EstimateMade(stop_id=stop.id, made_at=made_at, eta_at=now, lo_at=made_at, hi_at=now, model="m"))

    page = staff.get("/staff/truth").text
    assert "and today so far" in page
    assert rows_of(page, "By how far ahead")["15–25 min"][:2] == ["1", "0.0"]


def test_before_the_first_arrival_the_page_says_so(staff: StaffBrowser) -> None:
    assert "No estimate has come true yet" in staff.get("/staff/truth").text


def test_the_page_draws_without_inline_styles(staff: StaffBrowser, counted: tuple[str, str]) -> None:
    page = staff.get(f"/staff/truth?depot={counted[0]}").text

    assert page.count('<svg viewBox="0 0 360 150" aria-hidden="true"') == 8
    assert " style=" not in page


def test_columns_stand_on_the_ground_and_hang_below_it() -> None:
    chart = columns("Bias", "min", [truth("a", 2.0), truth("b", -1.0), truth("c", None)], lambda row: row.bias_min)

    up, down, none = chart.columns
    assert up.y + up.height == pytest.approx(chart.ground, abs=0.11)
    assert down.y == pytest.approx(chart.ground, abs=0.11)
    assert (none.height, none.figure) == (0, "")
    # Twice as far from zero is twice as long.
    assert up.height == pytest.approx(2 * down.height, abs=0.2)


def test_a_line_breaks_where_a_day_has_no_figure() -> None:
    days = [truth(str(n), value) for n, value in enumerate((1.0, 2.0, None, 3.0, 2.0))]
    chart = line("Off by", "min", days, lambda row: row.off_min, aim=4.0)

    assert [len(path.split()) for path in chart.paths] == [2, 2]
    assert chart.aim is not None
    assert chart.aim.y < min(y for _, y, _ in chart.dots)


def test_many_estimates_of_today_and_28_days_before_do_not_slow_the_page(services: Services) -> None:
    now = services.clock.now()
    with services.database.writing() as session:
        for back in range(1, 29):
            for name in range(5):
                depot = make_depot(session, f"Depot {name}").id
                on = now.date() - timedelta(days=back)
                session.add_all(eta_day(on, depot, horizon, off_s=60.0) for horizon in range(7))
        route = make_route(session, on=now.date())
        stops = [make_stop(session, route, arrived_at=now).id for _ in range(100)]
        session.execute(insert(EstimateMade), [_estimate(stops[n % 100], n, now) for n in range(ESTIMATES)])
    with services.database.reading() as session:
        began = time.process_time()
        found = truth_figures(session, now.date())
        took_s = time.process_time() - began
    assert (found.whole.estimates, found.has_today) == (28 * 5 * 7 * 10, False)
    assert took_s < 1.5  # 0.3 s on a quiet machine


def _estimate(stop_id: str, number: int, now: datetime) -> dict[str, object]:
    made_at = now - timedelta(seconds=number)
    return {"stop_id": stop_id, "made_at": made_at, "eta_at": now, "lo_at": now, "hi_at": now, "model": "m"}
