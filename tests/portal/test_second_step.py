"""The second step of staff's login: set up, asked, replayed, lost, reset, required."""

import re
from dataclasses import replace

import pyotp
import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal import accounts, second_step
from portal.accounts import AuditEntry, RecoveryCode, Role, StaffAccount
from portal.app import create_app
from portal.second_step import LATE_STEPS, STEP_S, WINDOW_S, WRONG_CODES
from portal.services import Services
from portal.staff.login import HALF_S, TOO_MANY_CODES, WRONG_CODE
from tests.portal.staff_browser import PASSWORD, StaffBrowser, add_account
from tests.portal.test_staff_login import log_in
from tracking.clocks import SetClock

WEAK = PasswordHasher(time_cost=1, memory_cost=65536, parallelism=4)


@pytest.fixture(autouse=True)
def _quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass instead of three, so that a dozen logins take a second."""
    monkeypatch.setattr("portal.passwords._HASHER", WEAK)


@pytest.fixture
def mara(services: Services) -> StaffAccount:
    """An account with a known password and a second step."""
    account = add_account(services, Role.AGENT, "Mara Lind")
    with services.database.writing() as session:
        row = accounts.the_account(session, account.id)
        row.password_hash = WEAK.hash(PASSWORD)
        second_step.begin(row)
        row.totp_since = services.clock.now()
    return row


def code_of(services: Services, account: StaffAccount, steps: int = 0) -> str:
    """Return the code a phone shows, some steps from now."""
    with services.database.reading() as session:
        key = second_step.key_of(accounts.the_account(session, account.id), services.settings.secret_keys[0])
    return pyotp.TOTP(key).at(services.clock.elapsed() + steps * STEP_S)


def give(client: FlaskClient, code: str):  # type: ignore[no-untyped-def]
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/staff/login/code").text)
    return client.post("/staff/login/code", data={"code": code, "csrf_token": token[1] if token else ""})


def test_the_password_alone_opens_nothing_and_the_code_lets_in(
    client: FlaskClient, services: Services, mara: StaffAccount
) -> None:
    asked = log_in(client, mara.email, wanted="/staff/inbox")
    assert asked.headers["Location"] == "/staff/login/code"
    assert client.get("/staff/").status_code == 303

    let_in = give(client, code_of(services, mara))

    assert (let_in.status_code, let_in.headers["Location"]) == (303, "/staff/inbox")
    assert client.get("/staff/").status_code == 200


def test_a_code_counts_once_and_none_before_it_counts_after_it(
    app: Flask, services: Services, clock: SetClock, mara: StaffAccount
) -> None:
    seen = code_of(services, mara)
    first, second = app.test_client(), app.test_client()
    log_in(first, mara.email)
    assert give(first, seen).status_code == 303

    log_in(second, mara.email)
    again, older = give(second, seen), give(second, code_of(services, mara, -1))
    clock.advance(seconds=STEP_S)

    assert (again.status_code, older.status_code) == (422, 422)
    assert WRONG_CODE in again.text
    assert give(second, code_of(services, mara)).status_code == 303


@pytest.mark.parametrize(("steps", "status"), [(-2, 422), (-LATE_STEPS, 303), (LATE_STEPS, 303), (2, 422)])
def test_phones_whose_clock_is_half_a_minute_off_get_in(
    client: FlaskClient, services: Services, mara: StaffAccount, steps: int, status: int
) -> None:
    log_in(client, mara.email)

    assert give(client, code_of(services, mara, steps)).status_code == status


@pytest.mark.parametrize("code", ["", "000000", "12345", "٠١٢٣٤٥", "abcdef", "x" * 5000, "----", "abcd-efgh-jkmn-pqrs"])
def test_what_is_no_code_is_refused(client: FlaskClient, services: Services, mara: StaffAccount, code: str) -> None:
    log_in(client, mara.email)

    assert give(client, code).status_code == 422
    assert client.get("/staff/").status_code == 303


def test_ten_wrong_codes_an_hour_shut_the_right_one_out_too_wherever_they_come_from(
    app: Flask, services: Services, clock: SetClock, mara: StaffAccount
) -> None:
    client = app.test_client()
    log_in(client, mara.email)
    for _ in range(WRONG_CODES):
        assert give(client, "000000").status_code == 422

    other = app.test_client()
    log_in(other, mara.email)
    refused = give(other, code_of(services, mara))
    clock.advance(seconds=WINDOW_S)
    log_in(other, mara.email)

    assert refused.status_code == 429
    assert TOO_MANY_CODES in refused.text
    assert give(other, code_of(services, mara)).status_code == 303


def test_half_a_login_lasts_five_minutes_and_ends_with_a_new_password(
    client: FlaskClient, services: Services, clock: SetClock, mara: StaffAccount
) -> None:
    log_in(client, mara.email)
    clock.advance(seconds=HALF_S + 1)
    assert client.get("/staff/login/code").headers["Location"] == "/staff/login"
    assert give(client, code_of(services, mara)).status_code == 400

    log_in(client, mara.email)
    with services.database.writing() as session:
        accounts.the_account(session, mara.id).session_epoch += 1
    assert give(client, code_of(services, mara)).status_code == 422


def test_it_is_set_up_with_the_password_and_a_code_and_shows_recovery_codes_once(
    client: FlaskClient, services: Services
) -> None:
    staff = StaffBrowser(client, services, Role.AGENT)
    with services.database.writing() as session:
        accounts.the_account(session, staff.account.id).password_hash = WEAK.hash(PASSWORD)
    path = "/staff/account/second-step"

    assert staff.post(f"{path}/begin", {"password": "wrong"}).status_code == 422
    page = staff.post(f"{path}/begin", {"password": PASSWORD}).text
    assert "<svg" in page
    wrong = staff.post(f"{path}/confirm", {"code": "000000"})
    assert wrong.status_code == 422
    shown = staff.post(f"{path}/confirm", {"code": code_of(services, staff.account)}).text

    codes = re.findall(r"<li>([a-z2-9]{4}(?:-[a-z2-9]{4}){3})</li>", shown)
    assert len(set(codes)) == second_step.RECOVERY_CODES
    assert not re.search(codes[0], staff.get(path).text)
    with services.database.reading() as session:
        kept = " ".join(row.id for row in session.scalars(select(RecoveryCode)))
        assert accounts.the_account(session, staff.account.id).totp_since is not None
        noted = session.scalars(select(AuditEntry.action).where(AuditEntry.subject_id == staff.account.id)).all()
    assert all(code not in kept for code in codes)
    assert "second_step_on" in noted

    stranger = services.database
    with stranger.writing() as session:
        row = accounts.the_account(session, staff.account.id)
        take = {"pepper": services.settings.secret_keys[0], "elapsed_s": services.clock.elapsed()}
        assert second_step.check(session, row, codes[0].upper().replace("-", " "), **take)
        assert not second_step.check(session, row, codes[0], **take)
        assert second_step.recovery_codes_left(session, row.id) == second_step.RECOVERY_CODES - 1


def test_new_recovery_codes_end_those_before_and_turning_off_ends_all(
    client: FlaskClient, services: Services, mara: StaffAccount
) -> None:
    with services.database.writing() as session:
        old = second_step.new_recovery_codes(session, accounts.the_account(session, mara.id))
    log_in(client, mara.email)
    give(client, code_of(services, mara))
    staff = object.__new__(StaffBrowser)
    staff.client, staff.services = client, services
    path = "/staff/account/second-step"

    assert staff.post(f"{path}/codes", {"password": "wrong"}).status_code == 422
    staff.post(f"{path}/codes", {"password": PASSWORD})
    with services.database.writing() as session:
        row = accounts.the_account(session, mara.id)
        take = {"pepper": services.settings.secret_keys[0], "elapsed_s": services.clock.elapsed()}
        assert not second_step.check(session, row, old[0], **take)
    assert staff.post(f"{path}/off", {"password": "wrong"}).status_code == 422
    assert staff.post(f"{path}/off", {"password": PASSWORD}).status_code == 303

    fresh = services.database
    with fresh.reading() as session:
        assert accounts.the_account(session, mara.id).totp_nonce is None
        assert second_step.recovery_codes_left(session, mara.id) == 0


def test_an_admin_resets_a_lost_one_after_being_asked_and_the_sessions_end(
    app: Flask, services: Services, mara: StaffAccount
) -> None:
    theirs, admin = app.test_client(), StaffBrowser(app.test_client(), services, Role.ADMIN, "Ada Admin")
    log_in(theirs, mara.email)
    give(theirs, code_of(services, mara))
    path = f"/staff/people/{mara.id}/second-step/reset"

    asked = admin.post(path)
    assert theirs.get("/staff/").status_code == 200
    admin.say_yes(asked)

    assert theirs.get("/staff/").status_code == 303
    assert log_in(theirs, mara.email).headers["Location"] == "/staff/"


def test_where_it_is_required_nothing_opens_before_it_is_set_up(services: Services) -> None:
    strict = replace(services, settings=replace(services.settings, staff_second_step="required"))
    app = create_app(strict)
    app.testing = True
    staff = StaffBrowser(app.test_client(), strict, Role.ADMIN)
    set_up = {"/staff/account/second-step", "/staff/account"}

    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("staff.") or "GET" not in (rule.methods or set()) or rule.arguments:
            continue
        if rule.rule in set_up | {"/staff/login", "/staff/login/code"} or "<" in rule.rule:
            continue
        answer = staff.get(rule.rule)
        assert (answer.status_code, answer.headers.get("Location")) == (303, "/staff/account/second-step"), rule.rule
    assert staff.post("/staff/people", {"name": "Eve", "email": "eve@example.net"}).status_code == 403
    assert staff.get("/staff/inbox/part", **{"X-Live": "1"}).status_code == 403
    for path in set_up:
        assert staff.get(path).status_code == 200


def test_who_reads_the_database_alone_can_make_no_code(services: Services, mara: StaffAccount) -> None:
    with services.database.reading() as session:
        row = accounts.the_account(session, mara.id)
        ours = second_step.key_of(row, services.settings.secret_keys[0])
        theirs = second_step.key_of(row, "another-key-0123456789abcdef0123456789")
        row_text = " ".join(str(value) for value in vars(row).values())
    assert ours != theirs
    assert ours not in row_text
