"""From when on a recipient sees the truck is the company's to say: so many stops, or so many minutes, before."""

import pytest
from sqlalchemy.orm import Session

from portal.recipient.truck import sight
from portal.settings import BadSettings, read_settings
from tests.portal.recipient_day import NOW, on_the_way


@pytest.mark.parametrize(
    ("stops", "minutes", "is_shown"),
    [("10", "60", True), ("2", "20", False), ("3", "20", True), ("2", "21", True), ("1", "500", True)],
)
def test_the_truck_is_shown_from_the_stops_or_minutes_that_were_set(
    session: Session, environ: dict[str, str], stops: str, minutes: str, is_shown: bool
) -> None:
    rules = read_settings({**environ, "PORTAL_MAP_STOPS": stops, "PORTAL_MAP_MINUTES": minutes}).visibility
    delivery = on_the_way(session, stops_before=3, minutes=21)
    assert (sight(session, delivery, NOW, rules).place is not None) is is_shown


def test_a_setting_of_the_map_that_is_no_number_is_told(environ: dict[str, str]) -> None:
    with pytest.raises(BadSettings) as told:
        read_settings({**environ, "PORTAL_MAP_STOPS": "few"})
    assert "PORTAL_MAP_STOPS" in told.value.problems[0]
