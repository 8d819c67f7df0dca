"""Texts and rules of messages, edited by staff."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from messaging.kinds import Channel, Kind
from messaging.message_rules import rules_from
from messaging.message_versions import MessageVersion, history
from messaging.notifications import Notification
from messaging.schedule import PLANNED_KINDS
from portal.accounts import Role
from portal.services import Services
from portal.staff.rule_form import rule_form
from tests.portal.staff_browser import StaffBrowser

DAY_BEFORE = "/staff/messages/day_before/sms/en"
FIELDS = ("at", "days_before", "minutes_away", "wait_s", "quiet_since", "quiet_until")
TEXT = "((company)): we come ((day)), ((window)). ((link))"


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services)


def versions(services: Services, part: str = "day_before/sms/en") -> list[MessageVersion]:
    with services.database.reading() as session:
        return history(session, part)


def save(staff: StaffBrowser, body: str = TEXT, seen: int = 0, path: str = DAY_BEFORE, **fields: str) -> int:
    return staff.post(f"{path}/save", {"body": body, "seen": str(seen), "why": "shorter", **fields}).status_code


@pytest.mark.parametrize("kind", list(Kind))
def test_every_text_of_every_kind_has_a_page_without_a_problem(staff: StaffBrowser, kind: Kind) -> None:
    assert kind.value in staff.get("/staff/messages").text
    for channel in Channel:
        for language in ("en", "es"):
            page = staff.get(f"/staff/messages/{kind}/{channel}/{language}")
            assert page.status_code == 200
            assert "preview__problems" not in page.text


def test_a_saved_text_is_a_version_with_who_when_and_why(staff: StaffBrowser, services: Services) -> None:
    assert save(staff) == 303

    (version,) = versions(services)
    assert (version.number, version.content["body"], version.why) == (1, TEXT, "shorter")
    assert (version.made_by, version.made_at) == (staff.account.id, services.clock.now())
    page = staff.get(DAY_BEFORE).text
    assert "shorter" in page
    assert "Mara Lind" in page
    assert "we come tomorrow" in page


def test_the_undo_of_the_first_version_is_the_shipped_text(staff: StaffBrowser, services: Services) -> None:
    save(staff)
    save(staff, TEXT + " Bye.", seen=1)
    assert staff.post(f"{DAY_BEFORE}/restore", {"number": "1", "seen": "2"}).status_code == 303
    assert staff.post(f"{DAY_BEFORE}/restore", {"number": "0", "seen": "3"}).status_code == 303

    assert [(one.number, one.content.get("body")) for one in versions(services)] == [
        (4, None),
        (3, TEXT),
        (2, TEXT + " Bye."),
        (1, TEXT),
    ]
    assert "Follow it or leave the driver a note" in staff.get(DAY_BEFORE).text


def test_who_saves_over_somebody_elses_version_is_told_and_loses_nothing(
    staff: StaffBrowser, services: Services
) -> None:
    save(staff)
    answer = staff.post(f"{DAY_BEFORE}/save", {"body": TEXT + " Mine.", "seen": "0"})

    assert answer.status_code == 409
    assert "Somebody saved another version meanwhile" in answer.text
    assert "Mine." in answer.text
    assert len(versions(services)) == 1
    assert 'name="seen" value="1"' in answer.text  # what they see now, so saving once more is meant


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("", "it is empty"),
        ("Come ((day)). ((lnk))", "There is no ((lnk)) in this message. Did you mean ((link))?"),
        ("Come ((day)). ((link)) {{ config }} ((secret_key))", "There is no ((secret_key))"),
        ("Come ((day)), ((window)).", "Keep ((link)): without it they cannot open their page."),
        ("((link)) " + "long " * 80, "segments, and 2 are the most"),
        ("((link)) " + "so " * 30 + "\U0001f69a", "delivery truck"),
        ("((link)) ((day)", "A word is not closed"),
        ("((link)) \x00", "cannot be shown"),
    ],
)
def test_a_text_that_cannot_go_out_is_refused_with_a_sentence(
    staff: StaffBrowser, services: Services, body: str, sentence: str
) -> None:
    answer = staff.post(f"{DAY_BEFORE}/save", {"body": body, "seen": "0"})

    assert answer.status_code == 422
    assert sentence in answer.text.replace("&#39;", "'")
    assert versions(services) == []


def test_a_preview_shows_segments_and_cost_and_keeps_nothing(staff: StaffBrowser, services: Services) -> None:
    page = staff.post(f"{DAY_BEFORE}/preview", {"body": TEXT, "seen": "0"})
    fragment = staff.post(f"{DAY_BEFORE}/preview", {"body": TEXT}, headers={"HX-Request": "true"})

    assert fragment.text.strip() in page.text
    assert "1 of 2" in fragment.text
    assert "0.0083" in fragment.text
    assert "8.30 for 1,000 deliveries" in fragment.text
    assert versions(services) == []


def test_a_letter_outside_the_plain_alphabet_is_named_in_the_preview(staff: StaffBrowser) -> None:
    fragment = staff.post(f"{DAY_BEFORE}/preview", {"body": "Кто ((link))"}, headers={"HX-Request": "true"})

    assert "UCS-2" in fragment.text
    assert "cyrillic capital letter ka" in fragment.text


def test_markup_in_a_text_is_shown_and_not_run(staff: StaffBrowser) -> None:
    page = staff.post(f"{DAY_BEFORE}/preview", {"body": "<script>alert(1)</script> ((link))"}).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_a_trial_is_sent_to_the_staff_member_and_belongs_to_no_delivery(
    staff: StaffBrowser, services: Services
) -> None:
    answer = staff.post(f"{DAY_BEFORE}/send", {"body": TEXT, "to": "(201) 555-0150"})

    assert answer.status_code == 200
    assert "+12015550150" in answer.text
    with services.database.reading() as session:
        (row,) = session.scalars(select(Notification))
    assert (row.to_address, row.delivery_id, row.kind) == ("+12015550150", None, Kind.REPLY)


def test_a_trial_to_nobody_or_too_often_is_refused(staff: StaffBrowser, services: Services) -> None:
    assert "not a phone number" in staff.post(f"{DAY_BEFORE}/send", {"body": TEXT, "to": "hello"}).text
    codes = [staff.post(f"{DAY_BEFORE}/send", {"body": TEXT, "to": "+12015550150"}).status_code for _ in range(11)]
    assert codes == [200] * 10 + [422]


def test_rules_are_kept_and_undone(staff: StaffBrowser, services: Services) -> None:
    rules = {"is_on": "yes", "at": "17:00", "days_before": "2", "quiet_since": "20:00", "quiet_until": "09:00"}
    assert staff.post("/staff/messages/day_before/rules", {**rules, "seen": "0"}).status_code == 303
    assert "At 5:00\N{NO-BREAK SPACE}pm, 2 days before" in staff.get("/staff/messages").text
    assert versions(services, "day_before/rules")[0].spread_at is None

    staff.post("/staff/messages/day_before/rules/restore", {"number": "0", "seen": "1"})

    assert "At 6:00\N{NO-BREAK SPACE}pm, the day before" in staff.get("/staff/messages").text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"at": "21:00"}, "lies in the quiet hours"),
        ({"at": "noon"}, "Write an hour as 18:00."),
        ({"quiet_since": "08:00", "quiet_until": "20:00"}, "the end must be the earlier hour"),
        (
            {"quiet_since": "23:00", "quiet_until": "08:00"},
            "Nobody is written to before 6:00\N{NO-BREAK SPACE}am or after 10:00\N{NO-BREAK SPACE}pm.",
        ),
        ({"quiet_since": "20:00"}, "a beginning and an end"),
        ({"days_before": "9"}, "between 1 and 3"),
        ({"seen": "4"}, "Somebody saved another version"),
    ],
)
def test_rules_that_make_no_sense_are_refused_with_a_sentence(
    staff: StaffBrowser, services: Services, fields: dict[str, str], sentence: str
) -> None:
    typed = {"is_on": "yes", "at": "18:00", "seen": "0", "why": "later", **fields}
    answer = staff.post("/staff/messages/day_before/rules", typed)

    assert answer.status_code in {409, 422}
    assert sentence in answer.text
    assert 'name="why" maxlength="200" value="later"' in answer.text
    assert versions(services, "day_before/rules") == []


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        ("next_stop", {"minutes_away": "4"}, "Choose between 5 and 60 minutes away."),
        ("next_stop", {"minutes_away": "61"}, "Choose between 5 and 60 minutes away."),
        ("next_stop", {"minutes_away": "soon"}, "Write a whole number of minutes."),
        ("delivered", {"wait_s": "601"}, "Choose between 0 and 600 seconds"),
        ("delivered", {"wait_s": "-1"}, "Write a whole number of seconds."),
    ],
)
def test_a_lead_time_out_of_bounds_is_refused_and_what_was_typed_stays(
    staff: StaffBrowser, services: Services, kind: str, fields: dict[str, str], sentence: str
) -> None:
    answer = staff.post(f"/staff/messages/{kind}/rules", {"is_on": "yes", "seen": "0", **fields})

    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'value="{next(iter(fields.values()))}"' in answer.text
    assert versions(services, f"{kind}/rules") == []


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        ("next_stop", {"minutes_away": "25", "or_next": "yes"}, "25 minutes away, or has no stop before"),
        ("next_stop", {"minutes_away": "25"}, "25 minutes away, however many stops come before"),
        ("delivered", {"wait_s": "150"}, "2 minutes 30 seconds after the driver's tap"),
        ("delivered", {"wait_s": "0"}, "t the driver's tap"),
    ],
)
def test_a_lead_time_is_kept_said_in_words_and_undone(
    staff: StaffBrowser, services: Services, kind: str, fields: dict[str, str], sentence: str
) -> None:
    before = staff.get(f"/staff/messages/{kind}").text
    typed = {"is_on": "yes", "seen": "0", **fields}
    preview = staff.post(f"/staff/messages/{kind}/rules/preview", typed, headers={"HX-Request": "true"})
    assert versions(services, f"{kind}/rules") == []
    assert staff.post(f"/staff/messages/{kind}/rules", typed).status_code == 303

    after = staff.get(f"/staff/messages/{kind}").text
    for shown in (preview.text, after, staff.get("/staff/messages").text):
        assert sentence in shown.replace("&#39;", "'")
    assert preview.text.strip() in after
    assert versions(services, f"{kind}/rules")[0].spread_at is None

    staff.post(f"/staff/messages/{kind}/rules/restore", {"number": "0", "seen": "1"})
    words = before[before.index('id="rule-meaning"') :].partition("</p>")[0]
    assert words in staff.get(f"/staff/messages/{kind}").text


def test_without_a_script_a_button_says_what_the_rules_mean(staff: StaffBrowser, services: Services) -> None:
    page = staff.post("/staff/messages/next_stop/rules/preview", {"is_on": "yes", "minutes_away": "40"})

    assert "40 minutes away, however many stops come before" in page.text
    assert 'value="40"' in page.text
    assert versions(services, "next_stop/rules") == []


@pytest.mark.parametrize("kind", sorted(PLANNED_KINDS))
def test_rules_that_nobody_changed_are_saved_as_the_usual_ones(
    staff: StaffBrowser, services: Services, kind: Kind
) -> None:
    typed = rule_form(kind, rules_from(kind, {}), 0)
    fields = {name: value for name in FIELDS if (value := getattr(typed, name)) is not None}
    ticks = {name: "yes" for name in ("is_on", "or_next") if getattr(typed, name)}
    assert staff.post(f"/staff/messages/{kind}/rules", {**fields, **ticks, "seen": "0"}).status_code == 303

    (version,) = versions(services, f"{kind}/rules")
    assert rules_from(kind, version.content) == rules_from(kind, {})


def test_what_answers_somebody_cannot_be_switched_off(staff: StaffBrowser, services: Services) -> None:
    assert "always on" in staff.post("/staff/messages/chat/rules", {"seen": "0"}).text
    assert versions(services, "chat/rules") == []


def test_an_agent_reads_and_changes_nothing(client: FlaskClient, services: Services) -> None:
    agent = StaffBrowser(client, services, Role.AGENT, "Ann")

    page = agent.get(DAY_BEFORE)
    assert page.status_code == 200
    assert "<textarea" not in page.text
    assert [save(agent), agent.post(f"{DAY_BEFORE}/send", {}).status_code] == [403, 403]


@pytest.mark.parametrize("path", ["/staff/messages/x", "/staff/messages/chat/fax/en", "/staff/messages/chat/sms/xx"])
def test_what_does_not_exist_is_not_found(staff: StaffBrowser, path: str) -> None:
    assert staff.get(path).status_code == 404


def test_the_preview_says_as_many_minutes_as_the_rule(staff: StaffBrowser) -> None:
    path = "/staff/messages/next_stop/sms/en"
    assert "15 minutes" in preview(staff.get(path).text)
    staff.post("/staff/messages/next_stop/rules", {"is_on": "yes", "minutes_away": "40", "or_next": "yes", "seen": "0"})

    shown = staff.get(path).text
    assert "40 minutes" in preview(shown)
    assert "about 15 minutes" not in shown
    typed = {"body": "((company)): ((soon)). ((link))", "seen": "0"}
    assert "40 minutes" in preview(staff.post(f"{path}/preview", typed).text)


def preview(page: str) -> str:
    return page.partition('id="message-preview"')[2]
