"""Quick replies and house rules: edited by staff, seen by people, taken back."""

import pytest
from flask.testing import FlaskClient

from messaging.house_rules import HouseRules, house_rules
from messaging.quick_replies import DEFAULTS, Audience, quick_replies
from portal.accounts import Role
from portal.services import Services
from tests.portal.staff_browser import StaffBrowser


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services, role=Role.DISPATCHER)


def texts(services: Services, audience: Audience = Audience.DRIVER) -> list[tuple[str, str]]:
    with services.database.reading() as session:
        return [(reply.texts["en"], reply.texts["es"]) for reply in quick_replies(session, audience)]


def test_the_page_shows_what_holds_and_room_for_one_more(staff: StaffBrowser) -> None:
    page = staff.get("/staff/chat-settings").text
    for reply in DEFAULTS[Audience.DRIVER]:
        assert reply.texts["es"] in page
    assert 'aria-label="Reply 6, English"' in page


def test_replies_are_saved_in_every_language_and_can_be_taken_back(staff: StaffBrowser, services: Services) -> None:
    before = texts(services)
    fields = {"en": ["Here now", " ", "Wait"], "es": ["Ya llegué", "", "Espere"]}
    answer = staff.post("/staff/chat-settings/replies/driver", fields)  # type: ignore[arg-type]
    assert answer.status_code == 303
    assert texts(services) == [("Here now", "Ya llegué"), ("Wait", "Espere")]
    english, spanish = ("\n".join(reply[column] for reply in before) for column in (0, 1))
    assert 'name="en_lines"' in staff.get("/staff/chat-settings").text
    lines = {"en_lines": english, "es_lines": spanish, "undone": "yes"}
    staff.post("/staff/chat-settings/replies/driver", lines)
    assert texts(services) == before


@pytest.mark.parametrize(
    ("english", "spanish", "sentence"),
    [
        (["Hi"], [""], "no text in one of the languages"),
        ([""], [""], "Keep between 1 and 8 replies"),
        (["x" * 121], ["y"], "longer than 120 letters"),
        (["Hi", "Hi"], ["Hola", "Buenas"], "Two replies have the same text"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_typed_is_lost(
    staff: StaffBrowser, services: Services, english: list[str], spanish: list[str], sentence: str
) -> None:
    before = texts(services)
    answer = staff.post("/staff/chat-settings/replies/driver", {"en": english, "es": spanish})  # type: ignore[dict-item]
    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'value="{english[0]}"' in answer.text
    assert texts(services) == before


def test_the_rules_are_saved_and_shown(staff: StaffBrowser, services: Services) -> None:
    fields = {"accepts_safe_place": "yes", "day0": "yes", "day6": "yes", "days_offered": "2"}
    assert staff.post("/staff/chat-settings/rules", fields).status_code == 303
    with services.database.reading() as session:
        assert house_rules(session) == HouseRules(True, (0, 6), 2)
    refused = staff.post("/staff/chat-settings/rules", {"days_offered": "2"})
    assert (refused.status_code, "at least one day" in refused.text) == (422, True)


def test_an_agent_may_not_change_them(client: FlaskClient, services: Services) -> None:
    agent = StaffBrowser(client, services, role=Role.AGENT)
    assert agent.get("/staff/chat-settings").status_code == 403
    assert agent.post("/staff/chat-settings/rules", {}).status_code == 403
