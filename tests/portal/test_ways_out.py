"""What staff and operators see of the ways out: alarms on every page, the page itself, and the figures."""

from datetime import date

import pytest
from flask.testing import FlaskClient

from messaging.breakers import FAILURES_TO_OPEN, Health, ProviderState, note_health, room
from messaging.doubts import DoubtBegan, DoubtEnded, begin_doubts, end_doubt
from messaging.kinds import Channel
from messaging.provider_days import ProviderDay
from portal.accounts import Role
from portal.services import Services
from tests.portal.staff_browser import StaffBrowser


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    """Somebody of the dispatch desk."""
    return StaffBrowser(client, services, role=Role.DISPATCHER)


def rest(services: Services) -> None:
    """Let texts fail, and the probe too."""
    now, elapsed = services.clock.now(), services.clock.elapsed()
    with services.database.writing() as session:
        fails = [(Health.FAILS, "no answer in time")] * FAILURES_TO_OPEN
        note_health(session, "twilio", fails, owner="a", now=now, elapsed=elapsed)
        room(session, "twilio", wished=9, owner="a", elapsed=elapsed + 2, probe_s=30)
        note_health(session, "twilio", fails[:1], owner="a", now=now, elapsed=elapsed + 2)


def test_every_staff_page_says_that_texts_do_not_get_out(staff: StaffBrowser, services: Services) -> None:
    assert "have not got out" not in staff.get("/staff/").text
    rest(services)
    assert "Texts have not got out since 12:00\N{NO-BREAK SPACE}pm." in staff.get("/staff/").text
    page = staff.get("/staff/ways-out").text
    assert "Since 12:00\N{NO-BREAK SPACE}pm, no answer in time." in page
    assert "Messages get out." in page


def test_slow_texts_are_told_with_their_share(staff: StaffBrowser, services: Services) -> None:
    with services.database.writing() as session:
        slow = ProviderState(provider="twilio", slow_since_at=services.clock.now(), slow_share=0.4)
        session.add(slow)
    assert "Texts arrive slowly since 12:00\N{NO-BREAK SPACE}pm: 40 %" in staff.get("/staff/").text


def test_doubts_and_days_are_counted_on_the_page_and_in_the_figures(
    staff: StaffBrowser, client: FlaskClient, services: Services
) -> None:
    now = services.clock.now()
    doubted = [(f"{number:032x}", Channel.SMS) for number in range(3)]
    day = ProviderDay(
        provider="twilio", listed_on=date(2026, 3, 3), ran_at=now, listed=70, adopted=4, strangers=2, missing=0, ids={}
    )
    with services.database.writing() as session:
        begin_doubts(session, doubted, DoubtBegan.NO_ANSWER, now=now)
        end_doubt(session, doubted[0][0], DoubtEnded.FOUND, now=now)
        end_doubt(session, doubted[1][0], DoubtEnded.RESENT, now=now)
        session.add(day)
        past = {"provider": "twilio", "listed_on": date(2025, 12, 31), "ran_at": now, "ids": {}}
        session.add(ProviderDay(**past, listed=1, adopted=0, strangers=0, missing=0))

    page, figures = staff.get("/staff/ways-out").text, client.get("/metrics").text

    for words in (
        "Found at the provider",
        "Not there: sent again",
        "Still open",
        "Tue 3 Mar ",
        "Wed 31 Dec 2025",
        "Differs",
    ):
        assert words in page
    for line in (
        'portal_doubts{began="no_answer",channel="sms",ended="found"} 1.0',
        'portal_doubts{began="no_answer",channel="sms",ended="open"} 1.0',
        'portal_provider_day{what="strangers"} 2.0',
        'portal_provider_resting{provider="twilio"} 0.0',
        "portal_redactions_open 0.0",
    ):
        assert line in figures


def test_agents_are_not_shown_the_page(client: FlaskClient, services: Services) -> None:
    assert StaffBrowser(client, services, role=Role.AGENT).get("/staff/ways-out").status_code == 403
