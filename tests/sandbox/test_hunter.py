"""What the hunt for others' numbers, addresses and names takes for a finding."""

from datetime import date

import pytest

from sandbox.day import Day, plan_day
from sandbox.houses import build_houses
from sandbox.hunter import Reader, Secrets
from sandbox.routing import Streets
from sandbox.town import build_town


@pytest.fixture(scope="module")
def day() -> Day:
    town = build_town()
    return plan_day(date(2026, 3, 5), build_houses(town), Streets(town))


@pytest.fixture(scope="module")
def secrets(day: Day) -> Secrets:
    return Secrets(day)


def reader_of(day: Day, index: int = 0) -> Reader:
    name = day.drops()[index].person.name
    return Reader(name, frozenset({name}))


def test_ones_own_name_is_no_finding(day: Day, secrets: Secrets) -> None:
    assert list(secrets.foreign_to(reader_of(day), f"Hello {day.drops()[0].person.name}, 2 stops before you")) == []


def test_anothers_name_is_found_in_any_case(day: Day, secrets: Secrets) -> None:
    other = day.drops()[1].person.name
    assert list(secrets.foreign_to(reader_of(day), f"<p>{other.upper()}</p>")) == [other]


@pytest.mark.parametrize("form", ["{0}", "tel:{0}", "+1 ({1}) {2}-{3}", "{1}.{2}.{3}", "{1} {2} {3}"])
def test_a_number_is_found_however_it_is_written(day: Day, secrets: Secrets, form: str) -> None:
    number = day.routes[0].driver_phone
    parts = (number, number[-10:-7], number[-7:-4], number[-4:])
    assert list(secrets.foreign_to(reader_of(day), f"call {form.format(*parts)}.")) == [number]


def test_a_mail_address_is_found_even_ones_own(day: Day, secrets: Secrets) -> None:
    drop = next(drop for drop in day.drops() if drop.email)
    assert list(secrets.foreign_to(Reader("a", frozenset({drop.person.name})), drop.email)) == [drop.email]


def test_places_and_instants_are_no_numbers(day: Day, secrets: Secrets) -> None:
    assert list(secrets.foreign_to(reader_of(day), "40.71432, -74.34712 at 1772719200.125 2026-03-05T10:00:00Z")) == []
