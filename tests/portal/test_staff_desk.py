"""Import, cases, tasks, people and the first page."""

import io

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from messaging.cases import Case, CaseStatus, Task
from portal import accounts
from portal.accounts import Role, StaffAccount
from portal.services import Services
from tests.portal.staff_browser import PASSWORD, StaffBrowser
from tests.portal.staff_day import StaffDay, build_day, route_file
from tracking.clocks import SetClock
from tracking.deliveries import Delivery
from tracking.ids import new_id


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services)


@pytest.fixture
def day(services: Services) -> StaffDay:
    with services.database.writing() as session:
        return build_day(session, now=services.clock.now(), ids=new_id)


def upload(staff: StaffBrowser, data: bytes) -> object:
    return staff.post("/staff/import", files={"file": (io.BytesIO(data), "routes.csv")})


def a_file(clock: SetClock) -> bytes:
    return route_file(clock.now().date())


def count(services: Services) -> int:
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Delivery)) or 0


def test_a_file_is_shown_before_it_is_applied(staff: StaffBrowser, services: Services, clock: SetClock) -> None:
    page = staff.post("/staff/import", files={"file": (io.BytesIO(a_file(clock)), "routes.csv")})

    assert page.status_code == 200
    assert "new deliveries" in page.text
    assert count(services) == 0
    answer = staff.say_yes(page) if "confirmed" in page.text else _apply(staff, page.text)

    assert answer.status_code == 303  # type: ignore[attr-defined]
    assert count(services) == 54
    again = staff.post("/staff/import", files={"file": (io.BytesIO(a_file(clock)), "routes.csv")})
    assert "changes nothing" in again.text


def _apply(staff: StaffBrowser, text: str) -> object:
    token = text.split('name="token" value="')[1].split('"')[0]
    return staff.post("/staff/import/apply", {"token": token, "name": "routes.csv"})


def test_a_bad_file_changes_nothing_and_names_every_bad_row(
    staff: StaffBrowser, services: Services, clock: SetClock
) -> None:
    lines = a_file(clock).decode().splitlines()
    lines[3] = lines[3].replace("-74.", "west")
    lines[5] = lines[5].replace("@example.net", "")

    page = staff.post("/staff/import", files={"file": (io.BytesIO("\n".join(lines).encode()), "routes.csv")})

    assert page.status_code == 422
    assert '<td class="number">4</td>' in page.text
    assert '<td class="number">6</td>' in page.text
    assert count(services) == 0


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"not,a,route,file\n1,2,3,4\n", b"\x00" * 100])
def test_nonsense_is_refused_with_a_sentence(staff: StaffBrowser, services: Services, data: bytes) -> None:
    page = staff.post("/staff/import", files={"file": (io.BytesIO(data), "x.csv")})

    assert page.status_code == 422
    assert "was not imported" in page.text


def test_a_yes_to_an_old_preview_does_nothing_when_the_record_has_moved_since(
    staff: StaffBrowser, services: Services, clock: SetClock
) -> None:
    page = staff.post("/staff/import", files={"file": (io.BytesIO(a_file(clock)), "routes.csv")}).text
    _apply(staff, page)
    with services.database.writing() as session:
        for delivery in session.scalars(select(Delivery)):
            delivery.recipient_name = "Somebody Else"

    answer = _apply(staff, page)

    assert answer.status_code == 303  # type: ignore[attr-defined]  # the file was forgotten once it was applied
    second = staff.post("/staff/import", files={"file": (io.BytesIO(a_file(clock) + b"\n"), "routes.csv")}).text
    assert "changes nothing" in second


def test_a_preview_is_good_for_half_an_hour(staff: StaffBrowser, services: Services, clock: SetClock) -> None:
    page = staff.post("/staff/import", files={"file": (io.BytesIO(a_file(clock)), "routes.csv")}).text
    clock.advance(minutes=20)
    staff.get("/staff/import")
    clock.advance(minutes=11)

    _apply(staff, page)

    assert count(services) == 0
    assert "upload the file again" in staff.get("/staff/import").text


def test_a_forged_token_fetches_no_file(staff: StaffBrowser, services: Services) -> None:
    staff.post("/staff/import/apply", {"token": "../../etc/passwd"})

    assert "upload the file again" in staff.get("/staff/import").text


def test_a_case_closes_with_a_word_and_not_without(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    path = f"/staff/cases/{day.case}"

    refused = staff.post(f"{path}/close", {"resolution": "  "})
    assert refused.status_code == 422
    staff.post(f"{path}/assign", {"staff_id": staff.account.id})
    staff.post(f"{path}/close", {"resolution": "Sent flowers."})

    with services.database.reading() as session:
        case = session.get_one(Case, day.case)
    assert (case.status, case.resolution, case.owner_id) == (CaseStatus.CLOSED, "Sent flowers.", staff.account.id)
    assert "Sent flowers." in staff.get("/staff/cases?show=closed").text


def test_a_task_is_settled_with_a_word(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    with services.database.reading() as session:
        task_id = session.scalars(select(Task.id)).first()

    staff.post(f"/staff/tasks/{task_id}/resolve", {"resolution": "Called her."})

    with services.database.reading() as session:
        task = session.get_one(Task, task_id)
    assert (task.resolution, task.resolved_by) == ("Called her.", staff.account.id)


def test_the_export_runs_nothing_in_a_spreadsheet(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    with services.database.writing() as session:
        task = session.scalars(select(Task)).first()
        assert task is not None
        task.reason = "=HYPERLINK(1)"

    text = staff.get("/staff/tasks.csv").text

    assert "'=HYPERLINK(1)" in text
    assert ",=" not in text
    assert "+1201555" in text


def test_the_first_page_lists_what_needs_a_person_and_holds_its_part(staff: StaffBrowser, day: StaffDay) -> None:
    page = staff.get("/staff/").text
    part = staff.get("/staff/today-part").text.strip()

    assert part in page
    for expected in ("late", "Rated 2 of 5", "Could not be reached", "Not loaded"):
        assert expected in page


def test_the_fleet_and_the_line_that_sums_it_up_follow_together(staff: StaffBrowser, services: Services) -> None:
    with services.database.writing() as session:
        build_day(session, now=services.clock.now(), ids=new_id)
    page, part = staff.get("/staff/fleet").text, staff.get("/staff/fleet/part").text

    summary, rows = part.split("</p>", 1)
    assert summary in page
    assert rows.strip() in page
    assert "driving" in summary


def test_an_admin_adds_a_person_with_a_password_shown_once(staff: StaffBrowser, services: Services) -> None:
    fields = {"email": "new@example.net", "name": "New Person", "role": "dispatcher"}
    page = staff.post("/staff/people", fields)
    password = page.text.split('secret__value">')[1].split("<")[0]

    with services.database.reading() as session:
        account = accounts.by_email(session, "new@example.net")
    assert account is not None
    assert account.role is Role.DISPATCHER
    assert len(password) >= 20
    assert password not in staff.get("/staff/people").text
    assert staff.post("/staff/people", fields).status_code == 422


def test_the_last_admin_stays(staff: StaffBrowser, services: Services) -> None:
    staff.say_yes(staff.post(f"/staff/people/{staff.account.id}/disable"))
    staff.post(f"/staff/people/{staff.account.id}/role", {"role": "agent"})

    with services.database.reading() as session:
        account = session.get_one(StaffAccount, staff.account.id)
    assert (account.role, account.disabled_at) == (Role.ADMIN, None)
    assert "last admin" in staff.get("/staff/people").text


def test_an_api_key_is_shown_once_and_ends_when_it_is_revoked(staff: StaffBrowser, services: Services) -> None:
    page = staff.post("/staff/keys", {"name": "the shop"})
    key = page.text.split('secret__value">')[1].split("<")[0]
    with services.database.reading() as session:
        row = accounts.live_api_key(session, key)
    assert row is not None

    staff.say_yes(staff.post(f"/staff/keys/{row.id}/revoke"))

    with services.database.reading() as session:
        assert accounts.live_api_key(session, key) is None


def test_a_new_password_ends_every_session(client: FlaskClient, services: Services) -> None:
    from portal.passwords import hash_password

    staff = StaffBrowser(client, services, Role.AGENT)
    with services.database.writing() as session:
        accounts.the_account(session, staff.account.id).password_hash = hash_password(PASSWORD)

    wrong = staff.post("/staff/account/password", {"current": "x", "fresh": "y", "again": "y"})
    short = staff.post("/staff/account/password", {"current": PASSWORD, "fresh": "short", "again": "short"})
    fresh = "a quite different set of words"
    done = staff.post("/staff/account/password", {"current": PASSWORD, "fresh": fresh, "again": fresh})

    assert (wrong.status_code, short.status_code, done.status_code) == (422, 422, 303)
    assert staff.get("/staff/").status_code == 303
