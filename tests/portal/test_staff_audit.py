"""The audit: every look at a conversation is on it, admins read it."""

import csv
import io

import pytest
from flask import Flask

from portal.accounts import Role
from portal.audit import audit
from portal.services import Services
from portal.staff.audit_page import PAGE
from tests.portal.staff_browser import StaffBrowser
from tests.portal.staff_day import StaffDay, build_day
from tracking.actors import Actor, ActorKind
from tracking.clocks import SetClock
from tracking.deliveries import Delivery
from tracking.ids import new_id


@pytest.fixture
def day(services: Services) -> StaffDay:
    with services.database.writing() as session:
        return build_day(session, now=services.clock.now(), ids=new_id)


def test_who_looked_at_a_conversation_is_found_by_person_kind_and_reference(
    app: Flask, services: Services, day: StaffDay, clock: SetClock
) -> None:
    mara = StaffBrowser(app.test_client(), services, Role.AGENT, "Mara Lind")
    admin = StaffBrowser(app.test_client(), services, Role.ADMIN, "Ada Admin")
    mara.get(f"/staff/conversations/{day.chatty}")
    mara.get(f"/staff/deliveries/{day.late}")
    mara.get(f"/staff/cases/{day.case}")
    with services.database.reading() as session:
        reference = session.get_one(Delivery, day.chatty).reference

    def rows(query: str) -> int:
        return admin.get(f"/staff/audit?{query}").text.count("<tr><td")

    assert rows("") == 4  # the case is a look at its delivery too
    assert rows(f"who={mara.account.id}") == 4
    assert rows(f"who={admin.account.id}") == 0
    assert rows("kind=conversation") == 1
    assert rows(f"about={reference.lower()}") == 1
    assert rows("action=answer") == 0
    assert rows("since=2026-03-04&until=2026-03-04") == 4
    assert rows("since=2026-03-05") == 0
    assert rows("until=2026-03-03") == 0
    assert f'href="/staff/conversations/{day.chatty}"' in admin.get("/staff/audit?kind=conversation").text


def test_it_goes_on_where_the_page_ended_and_out_as_csv_which_is_on_it_too(app: Flask, services: Services) -> None:
    admin = StaffBrowser(app.test_client(), services, Role.ADMIN, "Ada Admin")
    with services.database.writing() as session:
        for number in range(PAGE + 5):
            actor = Actor(ActorKind.STAFF, admin.account.id)
            audit(session, actor, "view", "conversation", f"={number}", services.clock.now(), "a, b")

    first = admin.get("/staff/audit?kind=conversation").text
    older = first.split('class="more"><a class="button button--quiet" href="')[1].split('"')[0].replace("&amp;", "&")
    sheet = admin.get("/staff/audit.csv?kind=conversation")
    rows = list(csv.reader(io.StringIO(sheet.text.removeprefix("\ufeff"))))

    assert first.count("<tr><td") == PAGE
    assert admin.get(older).text.count("<tr><td") == 5
    assert len(rows) == 1 + PAGE + 5
    assert rows[1][1:] == ["Ada Admin", "view", "conversation", f"'={PAGE + 4}", "a, b"]
    assert "export" in admin.get("/staff/audit?kind=audit").text


@pytest.mark.parametrize("role", [Role.AGENT, Role.DISPATCHER])
def test_nobody_but_an_admin_reads_it(app: Flask, services: Services, role: Role) -> None:
    staff = StaffBrowser(app.test_client(), services, role)
    assert staff.get("/staff/audit").status_code == 403
    assert staff.get("/staff/audit.csv").status_code == 403
    assert "/staff/audit" not in staff.get("/staff/").text
