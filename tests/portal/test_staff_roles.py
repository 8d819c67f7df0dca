"""Who may go where: every staff page against every role."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.accounts import Role
from portal.services import Services
from tests.portal.staff_browser import StaffBrowser
from tests.portal.staff_day import StaffDay, build_day
from tracking.ids import new_id

A, D, M = Role.AGENT, Role.DISPATCHER, Role.ADMIN
PAGES = [
    (A, "/staff/"),
    (A, "/staff/today-part"),
    (A, "/staff/inbox"),
    (A, "/staff/inbox?queue=all&q=side+door"),
    (A, "/staff/inbox/part"),
    (A, "/staff/conversations/{chatty}"),
    (A, "/staff/conversations/{chatty}/part"),
    (A, "/staff/fleet"),
    (A, "/staff/fleet/part"),
    (A, "/staff/routes/{route}"),
    (A, "/staff/routes/{route}/part"),
    (A, "/staff/deliveries/{late}"),
    (A, "/staff/deliveries/{late}/part"),
    (A, "/staff/cases"),
    (A, "/staff/cases?show=closed"),
    (A, "/staff/cases/{case}"),
    (A, "/staff/tasks"),
    (A, "/staff/tasks/part"),
    (A, "/staff/tasks.csv"),
    (A, "/staff/account"),
    (A, "/staff/live-address?topic=inbox"),
    (A, "/staff/unreached"),
    (A, "/staff/unreached?show=settled"),
    (A, "/staff/unreached/part"),
    (A, "/staff/unreached.csv"),
    (A, "/staff/messages"),
    (A, "/staff/messages/day_before"),
    (A, "/staff/messages/day_before/email/es"),
    (D, "/staff/import"),
    (D, "/staff/drivers/{driver}"),
    (M, "/staff/people"),
]
CHANGES = [
    (A, "/staff/conversations/{chatty}/say"),
    (A, "/staff/conversations/{chatty}/take-over"),
    (A, "/staff/conversations/{chatty}/assign"),
    (A, "/staff/cases/{case}/assign"),
    (A, "/staff/cases/{case}/close"),
    (A, "/staff/tasks/nothing/resolve"),
    (A, "/staff/account/password"),
    (A, "/staff/unreached/nothing/resend"),
    (A, "/staff/unreached/nothing/settle"),
    (A, "/staff/unreached/nothing/reopen"),
    (M, "/staff/messages/day_before/sms/en/preview"),
    (M, "/staff/messages/day_before/sms/en/save"),
    (M, "/staff/messages/day_before/sms/en/restore"),
    (M, "/staff/messages/day_before/sms/en/send"),
    (M, "/staff/messages/day_before/rules"),
    (M, "/staff/messages/day_before/rules/restore"),
    (D, "/staff/import"),
    (D, "/staff/import/apply"),
    (D, "/staff/routes/{route}/reorder"),
    (D, "/staff/routes/{route}/reassign"),
    (D, "/staff/routes/{route}/stops"),
    (D, "/staff/routes/{route}/link/send"),
    (D, "/staff/deliveries/{not_loaded}/reschedule"),
    (D, "/staff/deliveries/{not_loaded}/reschedule/undo"),
    (D, "/staff/deliveries/{not_loaded}/cancel"),
    (D, "/staff/deliveries/{not_loaded}/contacts"),
    (D, "/staff/deliveries/{not_loaded}/instructions"),
    (D, "/staff/deliveries/{not_loaded}/link/resend"),
    (D, "/staff/drivers/{driver}/tokens"),
    (D, "/staff/drivers/{driver}/tokens/x/revoke"),
    (M, "/staff/people"),
    (M, "/staff/people/{me}/role"),
    (M, "/staff/people/{me}/disable"),
    (M, "/staff/people/{me}/enable"),
    (M, "/staff/keys"),
    (M, "/staff/keys/x/revoke"),
]
OPEN_TO_ALL = {"staff.login", "staff.log_in", "staff.login_code", "staff.check_code", "staff.static"}


@pytest.fixture
def day(services: Services) -> StaffDay:
    with services.database.writing() as session:
        built = build_day(session, now=services.clock.now(), ids=new_id)
    return built


def addresses(services: Services, day: StaffDay, me: str = "") -> dict[str, str]:
    from tracking.routes import Route

    with services.database.reading() as session:
        driver = session.get_one(Route, day.route).driver_id
    return {"driver": driver, "me": me, **{name: str(getattr(day, name)) for name in day.__slots__}}


@pytest.mark.parametrize("role", list(Role))
def test_each_page_opens_for_its_role_and_those_above(
    client: FlaskClient, services: Services, day: StaffDay, role: Role
) -> None:
    staff = StaffBrowser(client, services, role)
    places = addresses(services, day)

    found = {path: staff.get(path.format(**places)).status_code for _, path in PAGES}

    assert found == {path: 200 if role.may_act_as(needed) else 403 for needed, path in PAGES}


@pytest.mark.parametrize("role", list(Role))
def test_each_change_is_refused_below_its_role(
    client: FlaskClient, services: Services, day: StaffDay, role: Role
) -> None:
    staff = StaffBrowser(client, services, role)
    places = addresses(services, day, staff.account.id)

    for needed, path in CHANGES:
        if role.may_act_as(needed):
            continue
        assert staff.post(path.format(**places)).status_code == 403, path


def test_a_stranger_is_sent_to_the_login_and_learns_nothing(
    client: FlaskClient, services: Services, day: StaffDay
) -> None:
    places = addresses(services, day)
    for _, path in PAGES:
        answer = client.get(path.format(**places))
        assert answer.status_code == 303, path
        assert answer.headers["Location"].startswith("/staff/login"), path


def test_every_staff_view_says_who_may_use_it(app: Flask) -> None:
    views = {name: view for name, view in app.view_functions.items() if name.startswith("staff.")}

    unguarded = {name for name, view in views.items() if not hasattr(view, "needed_role")}

    assert unguarded <= OPEN_TO_ALL
