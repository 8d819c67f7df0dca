import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from tracking import imports
from tracking.actors import SYSTEM
from tracking.deliveries import Delivery, DeliveryStatus, load
from tracking.depots import Depot
from tracking.imports import COLUMNS, ImportDefaults, ParsedFile
from tracking.routes import Route, RouteStatus
from tracking.stops import Stop, stops_of
from tracking.storage import Database

DEFAULTS = ImportDefaults(region="US", zone="America/New_York", locale="en")
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
ROW = {
    "date": "2026-03-05",
    "route": "North 1",
    "depot": "North depot",
    "depot_lat": "40.71",
    "depot_lon": "-74.35",
    "planned_start": "08:30",
    "driver": "Dana Ruiz",
    "driver_phone": "(201) 555-0150",
    "vehicle": "Van 7",
    "sequence": "1",
    "reference": "A-1",
    "recipient": "Anna Berg",
    "phone": "201-555-0101",
    "email": "anna@example.net",
    "address": "1 Orchard Lane",
    "lat": "40.714",
    "lon": "-74.347",
    "window_start": "10:00",
    "window_end": "12:00",
    "zone": "",
    "locale": "",
    "service_minutes": "5",
    "items": "1 bookcase",
    "instructions": "Ring twice",
}


def row(number: int = 1, **changed: str) -> dict[str, str]:
    """A row of route North 1; ``number`` is its sequence, its reference and where it is."""
    given = {
        "sequence": str(number),
        "reference": f"A-{number}",
        "address": f"{number} Orchard Lane",
        "lat": f"{40.71 + 0.004 * number:.6f}",
    }
    return {**ROW, **given, **changed}


def written(*rows: dict[str, str], delimiter: str = ",", header: list[str] | None = None) -> bytes:
    """The rows as a file."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header or list(COLUMNS), delimiter=delimiter, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(*rows: dict[str, str]) -> ParsedFile:
    return imports.parse_csv(written(*rows), DEFAULTS)


def take(database: Database, ids: Callable[[], str], *rows: dict[str, str]) -> imports.ImportResult:
    """Import these rows."""
    parsed = read(*rows)
    assert parsed.problems == ()
    with database.writing() as session:
        return imports.apply(session, parsed.rows, now=NOW, actor=SYSTEM, ids=ids)


def found(database: Database, reference: str) -> Delivery:
    with database.reading() as session:
        delivery_id = session.scalar(select(Delivery.id).where(Delivery.reference == reference))
        assert delivery_id is not None
        return load(session, delivery_id)


def order(database: Database) -> list[tuple[int, str]]:
    """Sequence and references of the one route's stops."""
    with database.reading() as session:
        route_id = session.scalars(select(Route.id)).one()
        told = []
        for stop in stops_of(session, route_id):
            held = session.scalars(select(Delivery.reference).where(Delivery.stop_id == stop.id))
            told.append((stop.sequence, ",".join(sorted(held))))
        return told


def test_row_is_read_into_normal_forms() -> None:
    parsed = read(row(zone="Europe/Berlin", locale="de-AT", window_start="9:00"))
    assert parsed.problems == ()
    (one,) = parsed.rows
    assert (one.phone, one.driver_phone) == ("+12015550101", "+12015550150")
    assert (one.zone, one.locale) == ("Europe/Berlin", "de_AT")
    assert one.window == (datetime(2026, 3, 5, 8, tzinfo=UTC), datetime(2026, 3, 5, 11, tzinfo=UTC))


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_file_may_begin_with_a_mark_and_use_semicolons(prefix: bytes, delimiter: str) -> None:
    parsed = imports.parse_csv(prefix + written(row(), row(2), delimiter=delimiter), DEFAULTS)
    assert (len(parsed.rows), parsed.problems) == (2, ())


def test_decimal_comma_is_read_where_semicolons_separate() -> None:
    parsed = imports.parse_csv(written(row(lat="40,714"), delimiter=";"), DEFAULTS)
    assert parsed.rows[0].lat == 40.714


def test_spaces_and_empty_lines_do_not_matter() -> None:
    data = written(row(recipient="  Anna   Berg ")).replace(b"\r\n", b"\n") + b"\n  \n" + b"," * 23 + b"\n"
    parsed = imports.parse_csv(data, DEFAULTS)
    assert parsed.problems == ()
    assert parsed.rows[0].recipient == "Anna Berg"


@pytest.mark.parametrize(
    ("changed", "column", "reason"),
    [
        ({"date": "05/03/2026"}, "date", "write it as"),
        ({"date": "2026-02-30"}, "date", "calendar"),
        ({"route": " "}, "route", "empty"),
        ({"planned_start": "8h30"}, "planned_start", "time of day"),
        ({"window_start": "25:00"}, "window_start", "time of day"),
        ({"window_end": "10:00"}, "window_end", "not after"),
        ({"date": "2026-03-08", "window_start": "02:10", "window_end": "02:50"}, "window_end", "does not exist"),
        ({"lat": ""}, "lat", "empty"),
        ({"lat": "nan"}, "lat", "not a number"),
        ({"lat": "91"}, "lat", "between -90 and 90"),
        ({"lon": "181"}, "lon", "between -180 and 180"),
        ({"lat": "0", "lon": "0"}, "lat", "sea"),
        ({"sequence": "0"}, "sequence", "whole number"),
        ({"sequence": "1.5"}, "sequence", "whole number"),
        ({"sequence": "١"}, "sequence", "whole number"),
        ({"phone": "", "email": ""}, "phone", "one of them is needed"),
        ({"phone": "12"}, "phone", "number of digits"),
        ({"driver_phone": "none"}, "driver_phone", "not a phone number"),
        ({"email": "anna@"}, "email", "not an email address"),
        ({"zone": "Mars/Base"}, "zone", "not a time zone"),
        ({"locale": "xx-yy-zz"}, "locale", "not a language"),
        ({"service_minutes": "-1"}, "service_minutes", "between 0"),
        ({"recipient": "x" * 201}, "recipient", "at most 200"),
        ({"recipient": "An\x00na"}, "recipient", "unprintable"),
        ({"date": "2026-\x00"}, "date", "unprintable"),
    ],
)
def test_bad_row_is_named_by_line_column_and_reason(changed: dict[str, str], column: str, reason: str) -> None:
    parsed = read(row(), row(2, **changed))
    assert [(problem.line, problem.column) for problem in parsed.problems] == [(3, column)]
    assert reason in parsed.problems[0].reason


def test_every_bad_row_is_named_not_only_the_first() -> None:
    parsed = read(row(lat="x"), row(2), row(3, phone="1", lon="y"))
    assert [(problem.line, problem.column) for problem in parsed.problems] == [(2, "lat"), (4, "phone"), (4, "lon")]


def test_unknown_missing_and_repeated_columns_are_named() -> None:
    header = [name for name in COLUMNS if name != "lat"] + ["colour", "phone"]
    problems = imports.parse_csv(",".join(header).encode() + b"\n", DEFAULTS).problems
    assert [(problem.column, problem.reason) for problem in problems] == [
        ("lat", "this column is missing"),
        ("colour", "this column is not known"),
        ("phone", "this column comes twice"),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (written(), "no rows"),
        (b"\xff\xfed\x00a\x00", "UTF-16"),
        (written(row()) + b'"never closed', "cannot be read|fields"),
        (b"\x00" * 50, "not known"),
        (bytes(range(256)), "UTF-8"),
    ],
)
def test_file_that_is_none_is_refused_with_a_sentence(data: bytes, reason: str) -> None:
    parsed = imports.parse_csv(data, DEFAULTS)
    assert not parsed.is_good
    assert any(word in problem.reason for problem in parsed.problems for word in reason.split("|"))


def test_line_that_is_not_utf8_is_named() -> None:
    data = written(row(), row(2, recipient="Jörg")).decode().encode("latin-1")
    parsed = imports.parse_csv(data, DEFAULTS)
    assert [(problem.line, parsed.rows) for problem in parsed.problems] == [(3, ())]


def test_line_with_the_wrong_number_of_fields_is_named() -> None:
    parsed = imports.parse_csv(written(row()) + b"a,b\n", DEFAULTS)
    assert [(problem.line, problem.reason) for problem in parsed.problems] == [
        (3, "the line has 2 fields, and the header has 24")
    ]


@pytest.mark.parametrize(
    ("second", "column", "reason"),
    [
        (row(1), "reference", "already in route North 1 of 2026-03-05, at line 2"),
        (row(1, reference="B", lat="40.9"), "lat", "stop 1 of route North 1"),
        (row(1, reference="B", address="elsewhere"), "address", "stop 1 of route North 1"),
        (row(2, planned_start="09:00"), "planned_start", "09:00 differs from 08:30 at line 2"),
        (row(2, driver_phone="+12015550151"), "driver_phone", "route North 1"),
        (row(2, driver="Sam"), "driver", "same driver's phone"),
        (row(2, depot="South"), "depot", "route North 1"),
        (row(2, depot_lat="41"), "depot_lat", "same depot"),
    ],
)
def test_rows_that_contradict_each_other_are_named(second: dict[str, str], column: str, reason: str) -> None:
    problems = read(row(), second).problems
    assert [(problem.line, problem.column) for problem in problems] == [(3, column)]
    assert reason in problems[0].reason


def test_import_makes_routes_stops_and_deliveries(database: Database, ids: Callable[[], str]) -> None:
    result = take(database, ids, row(), row(2), row(2, reference="A-2b", recipient="Bo"), row(1, route="South"))
    assert [(new.route, new.stops, new.deliveries) for new in result.preview.new_routes] == [
        ("North 1", 2, 3),
        ("South", 1, 1),
    ]
    assert len(result.changed.delivery_ids) == 4
    delivery = found(database, "A-2b")
    assert delivery.stop.sequence == 2
    assert delivery.stop.route.driver.phone == "+12015550150"
    assert delivery.window_start_at == datetime(2026, 3, 5, 15, tzinfo=UTC)
    assert (delivery.status, delivery.plan_dirty_at) == (DeliveryStatus.SCHEDULED, NOW)
    assert delivery.stop.service_s == 300.0
    assert delivery.stop.route.planned_start_at == datetime(2026, 3, 5, 13, 30, tzinfo=UTC)
    # The truck waits for the window at the first stop and serves it for five minutes before it drives on.
    assert delivery.stop.planned_arrival_at is not None
    assert delivery.stop.planned_arrival_at > datetime(2026, 3, 5, 15, 5, tzinfo=UTC)


def test_same_file_again_does_nothing(database: Database, ids: Callable[[], str]) -> None:
    rows = [row(), row(2), row(3)]
    take(database, ids, *rows)
    result = take(database, ids, *rows)
    assert result.preview.is_noop
    assert (result.preview.unchanged, result.changed.delivery_ids, result.facts()) == (3, (), [])
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 3
        assert session.scalar(select(func.count()).select_from(Stop)) == 3


def test_changed_row_shows_the_difference_then_updates(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(), row(2))
    before = found(database, "A-2")
    changed = [row(), row(2, phone="201-555-0199", window_end="13:00", service_minutes="9")]
    with database.reading() as session:
        shown = imports.preview(session, read(*changed).rows)
    (difference,) = shown.changed
    assert [(change.column, change.old, change.new) for change in difference.changes] == [
        ("phone", "+12015550101", "+12015550199"),
        ("window_end", "12:00", "13:00"),
        ("service_minutes", 5.0, 9.0),
    ]
    assert found(database, "A-2").phone == "+12015550101"
    take(database, ids, *changed)
    after = found(database, "A-2")
    assert (after.id, after.stop_id, after.phone) == (before.id, before.stop_id, "+12015550199")
    assert after.window_end_at == datetime(2026, 3, 5, 18, tzinfo=UTC)
    assert (after.stop.service_s, after.version) == (540.0, before.version + 1)
    assert take(database, ids, *changed).preview.is_noop


def test_missing_row_is_listed_and_stays(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(), row(2))
    result = take(database, ids, row())
    assert [missing.reference for missing in result.preview.missing] == ["A-2"]
    assert result.preview.is_noop
    assert found(database, "A-2").status is DeliveryStatus.SCHEDULED


def test_new_row_pushes_the_stop_that_has_its_number(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1), row(2))
    take(database, ids, row(2, reference="New", address="Between", lat="40.7155"))
    assert order(database) == [(1, "A-1"), (2, "New"), (3, "A-2")]


def test_stop_inserted_into_the_file_moves_the_others_and_keeps_them(
    database: Database, ids: Callable[[], str]
) -> None:
    take(database, ids, row(1), row(2), row(3))
    before = {name: found(database, name).stop_id for name in ("A-1", "A-2", "A-3")}
    moved = [row(1), row(9, sequence="2", reference="New"), {**row(2), "sequence": "3"}, {**row(3), "sequence": "4"}]
    take(database, ids, *moved)
    assert order(database) == [(1, "A-1"), (2, "New"), (3, "A-2"), (4, "A-3")]
    assert {name: found(database, name).stop_id for name in before} == before


def test_two_stops_that_change_places_stay_the_same_stops(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1), row(2))
    before = found(database, "A-1").stop_id
    take(database, ids, {**row(1), "sequence": "2"}, {**row(2), "sequence": "1"})
    assert order(database) == [(1, "A-2"), (2, "A-1")]
    assert found(database, "A-1").stop_id == before


def test_delivery_that_leaves_a_shared_stop_gets_its_own(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1), row(1, reference="B"), row(2))
    take(database, ids, row(1), row(3, reference="B"), row(2))
    assert order(database) == [(1, "A-1"), (2, "A-2"), (3, "B")]


def test_stop_that_the_file_empties_is_cleared_away(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1), row(2))
    take(database, ids, row(1), row(1, reference="A-2"))
    assert order(database) == [(1, "A-1,A-2")]


def test_address_correction_moves_the_stop_itself(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1), row(2))
    before = found(database, "A-1").stop_id
    take(database, ids, row(1, lat="40.7999"), row(2))
    after = found(database, "A-1")
    assert (after.stop_id, after.stop.lat) == (before, 40.7999)


@pytest.mark.parametrize("status", [DeliveryStatus.OUT_FOR_DELIVERY, DeliveryStatus.DELIVERED])
def test_goods_on_their_way_take_new_contacts_and_refuse_the_rest(
    database: Database, ids: Callable[[], str], status: DeliveryStatus
) -> None:
    take(database, ids, row(1), row(2))
    with database.writing() as session:
        session.get_one(Delivery, found(database, "A-1").id).status = status
    changed = row(1, phone="201-555-0177", window_end="15:00", lat="40.9")
    result = take(database, ids, changed, row(2))
    (difference,) = result.preview.changed
    assert [change.column for change in difference.accepted] == ["phone"]
    assert {change.column for change in difference.refused} == {"lat", "window_end"}
    assert all(change.reason for change in difference.refused)
    delivery = found(database, "A-1")
    assert (delivery.phone, delivery.stop.lat) == ("+12015550177", 40.714)
    assert take(database, ids, changed, row(2)).preview.is_noop


def test_row_for_a_finished_route_is_refused(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1))
    with database.writing() as session:
        session.scalars(select(Route)).one().status = RouteStatus.FINISHED
    result = take(database, ids, row(1), row(2))
    assert [(refused.row.reference, "finished" in refused.reason) for refused in result.preview.refused] == [
        ("A-2", True)
    ]


def test_what_staff_changed_since_is_not_changed_back(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1), row(2))
    with database.writing() as session:
        session.get_one(Delivery, found(database, "A-1").id).phone = "+12015550188"
    take(database, ids, row(1, instructions="Side door"), row(2))
    delivery = found(database, "A-1")
    assert (delivery.phone, delivery.instructions) == ("+12015550188", "Side door")


def test_another_driver_in_the_file_reassigns_the_route(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1), row(2))
    other = {"driver": "Sam Poe", "driver_phone": "+12015550151"}
    result = take(database, ids, row(1, **other), row(2, **other))
    assert [(difference.kind, difference.name) for difference in result.preview.changed] == [("route", "North 1")]
    route = found(database, "A-1").stop.route
    assert (route.driver.name, route.plan_version) == ("Sam Poe", 2)
    assert take(database, ids, row(1, **other), row(2, **other)).preview.is_noop


def test_started_route_keeps_its_driver(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1))
    with database.writing() as session:
        session.scalars(select(Route)).one().status = RouteStatus.STARTED
    result = take(database, ids, row(1, driver="Sam Poe", driver_phone="+12015550151"))
    assert [change.column for change in result.preview.changed[0].refused] == ["driver_phone"]
    assert found(database, "A-1").stop.route.driver.name == "Dana Ruiz"


def test_depot_that_moved_is_shown_and_moved(database: Database, ids: Callable[[], str]) -> None:
    take(database, ids, row(1))
    result = take(database, ids, row(1, depot_lat="40.72"))
    assert [difference.kind for difference in result.preview.changed] == ["depot"]
    assert len(result.changed.route_ids) == 1  # the day begins elsewhere: it is planned anew
    with database.reading() as session:
        assert session.scalars(select(Depot.lat)).one() == 40.72


def document(**changed: Any) -> dict[str, Any]:
    """The JSON that tells the same as ``row()``."""
    delivery = {name: ROW[name] for name in ("reference", "recipient", "phone", "email", "window_start", "window_end")}
    delivery |= {"items": ROW["items"], "instructions": ROW["instructions"]}
    stop = {"sequence": 1, "address": ROW["address"], "lat": 40.714, "lon": -74.347, "service_minutes": 5}
    route = {
        "date": ROW["date"],
        "route": ROW["route"],
        "depot": {"name": ROW["depot"], "lat": 40.71, "lon": -74.35},
        "planned_start": "08:30",
        "driver": {"name": ROW["driver"], "phone": ROW["driver_phone"]},
        "vehicle": ROW["vehicle"],
        "stops": [{**stop, "deliveries": [delivery]}],
    }
    return {"routes": [{**route, **changed}]}


def test_json_tells_the_same_as_the_file() -> None:
    parsed = imports.parse_json(document(), DEFAULTS)
    assert parsed.problems == ()
    assert [one.fields() for one in parsed.rows] == [one.fields() for one in read(row()).rows]
    assert parsed.rows[0].key == (date(2026, 3, 5), "North 1", "A-1")


def test_json_problem_is_named_by_its_path() -> None:
    told = document()
    told["routes"][0]["stops"][0]["deliveries"][0]["phone"] = "12"
    (problem,) = imports.parse_json(told, DEFAULTS).problems
    assert (problem.line, problem.column) == (None, "routes[0].stops[0].deliveries[0].phone")


@pytest.mark.parametrize(
    ("told", "path"),
    [
        (None, "(document)"),
        ([], "(document)"),
        ({"routes": []}, "routes"),
        (document(colour="red"), "routes[0].colour"),
        (document(date=5), "routes[0].date"),
        (document(stops=[]), "routes[0].stops"),
        (document(date="\ud800"), "routes[0].date"),
        (document(depot={"name": "N", "lat": float("nan"), "lon": 1.0}), "routes[0].depot.lat"),
        (document(depot={"name": "N", "lat": 1e300, "lon": 1.0}), "routes[0].depot.lat"),
        (document(stops=document()["routes"][0]["stops"] * 2), "routes[0].stops[1].sequence"),
    ],
)
def test_json_that_has_another_shape_is_refused_by_path(told: Any, path: str) -> None:
    parsed = imports.parse_json(told, DEFAULTS)
    assert path in [problem.column for problem in parsed.problems]


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    assert not imports.parse_csv(data, DEFAULTS).is_good


@given(st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=20), max_size=4))
def test_no_cell_breaks_the_reader(cells: dict[str, str]) -> None:
    parsed = imports.parse_csv(written({**row(), **cells}), DEFAULTS)
    assert parsed.is_good == bool(parsed.rows)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["date", "route", "depot", "planned_start", "driver", "vehicle", "stops"]), JSON)
def test_no_json_breaks_the_reader(name: str, value: Any) -> None:
    imports.parse_json(document(**{name: value}), DEFAULTS)
