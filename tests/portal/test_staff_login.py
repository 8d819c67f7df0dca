"""Login, logout, and when a session ends."""

import re
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal import accounts
from portal.accounts import Role
from portal.app import create_app
from portal.attempts import ACCOUNT_AT_ADDRESS, WINDOW_S
from portal.services import Services
from portal.staff.login import TOO_OFTEN, WRONG
from tests.portal.staff_browser import PASSWORD, StaffBrowser, add_account
from tracking.clocks import SetClock

WEAK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # quick to check; made again at the first login


@pytest.fixture
def mara(services: Services) -> str:
    """The address of an account whose password is known."""
    account = add_account(services, Role.AGENT, "Mara Lind")
    with services.database.writing() as session:
        accounts.the_account(session, account.id).password_hash = WEAK.hash(PASSWORD)
    return account.email


def log_in(client: FlaskClient, email: str, password: str = PASSWORD, wanted: str = "") -> TestResponse:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/staff/login").text)
    token = found[1] if found else ""
    fields = {"email": email, "password": password, "csrf_token": token, "next": wanted}
    return client.post("/staff/login", data=fields)


def test_the_right_password_opens_the_first_page(client: FlaskClient, mara: str) -> None:
    answer = log_in(client, mara.upper())

    assert (answer.status_code, answer.headers["Location"]) == (303, "/staff/")
    assert client.get("/staff/").status_code == 200


def test_a_hash_made_with_weaker_parameters_is_made_again_at_login(
    client: FlaskClient, services: Services, mara: str
) -> None:
    log_in(client, mara)

    with services.database.reading() as session:
        account = accounts.by_email(session, mara)
    assert account is not None
    assert "m=65536" in account.password_hash


@pytest.mark.parametrize(("email", "password"), [("nobody@example.net", PASSWORD), (None, "wrong"), (None, "x" * 5000)])
def test_every_refusal_says_the_same(client: FlaskClient, mara: str, email: str | None, password: str) -> None:
    answer = log_in(client, email or mara, password)

    assert answer.status_code == 422
    assert WRONG in answer.text


def test_a_post_without_the_token_is_refused(client: FlaskClient, mara: str) -> None:
    assert client.post("/staff/login", data={"email": mara, "password": PASSWORD}).status_code == 400


def test_after_five_failures_the_right_password_is_refused_too_for_a_quarter_of_an_hour(
    client: FlaskClient, services: Services, clock: SetClock, mara: str
) -> None:
    for _ in range(ACCOUNT_AT_ADDRESS):
        log_in(client, mara, "wrong")

    refused = log_in(client, mara)
    clock.advance(seconds=WINDOW_S)

    assert refused.status_code == 429
    assert TOO_OFTEN in refused.text
    assert log_in(client, mara).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/staff/",
        "//evil.example/staff/",
        "/staff//evil",
        "/staff/\\evil",
        "/staff/\r\nX: y",
        "/staff/é",
        "/t/x",
        "",
    ],
)
def test_the_login_leads_nowhere_but_to_staff_pages(client: FlaskClient, mara: str, wanted: str) -> None:
    assert log_in(client, mara, wanted=wanted).headers["Location"] == "/staff/"


def test_the_login_leads_back_to_the_page_that_was_asked_for(client: FlaskClient, mara: str) -> None:
    asked = client.get("/staff/inbox?queue=all").headers["Location"]

    assert "next=/staff/inbox?queue%3Dall" in asked or "next=%2Fstaff%2Finbox" in asked
    assert log_in(client, mara, wanted="/staff/inbox?queue=all").headers["Location"] == "/staff/inbox?queue=all"


def test_a_cookie_from_before_the_login_is_worth_nothing_after_it(client: FlaskClient, mara: str) -> None:
    client.get("/staff/login")
    before = client.get_cookie("portal")
    log_in(client, mara)
    after = client.get_cookie("portal")

    assert before is not None
    assert after is not None
    assert before.value != after.value
    client.set_cookie("portal", before.value)
    assert client.get("/staff/").status_code == 303


def test_the_cookie_of_a_login_is_bound_to_its_host_and_to_tls(services: Services, mara: str) -> None:
    secure = replace(services, settings=replace(services.settings, public_url="https://track.example.com"))
    app = create_app(secure)
    app.testing = True
    client = app.test_client()

    answer = client.get("/staff/login", base_url="https://track.example.com")

    parts = answer.headers["Set-Cookie"].split("; ")
    assert parts[0].startswith("__Host-portal=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(parts)
    assert not any(part.startswith("Domain") for part in parts)


def test_a_new_password_ends_every_login_of_the_account_and_no_other(app: Flask, services: Services) -> None:
    here, there = (app.test_client() for _ in range(2))
    first = StaffBrowser(here, services, Role.AGENT, "Mara Lind")
    second, other = object.__new__(StaffBrowser), StaffBrowser(app.test_client(), services, Role.AGENT, "Joe Ade")
    second.client, second.services, second.account = there, services, first.account
    second.come_in()
    with services.database.writing() as session:
        accounts.the_account(session, first.account.id).password_hash = WEAK.hash(PASSWORD)

    fresh = {"current": PASSWORD, "fresh": "another long battery staple", "again": "another long battery staple"}
    assert first.post("/staff/account/password", fresh).status_code == 303

    assert [who.get("/staff/").status_code for who in (first, second, other)] == [303, 303, 200]


def test_guesses_at_the_own_password_of_an_open_screen_count_as_at_the_login(
    client: FlaskClient, services: Services, clock: SetClock
) -> None:
    staff = StaffBrowser(client, services, Role.AGENT)
    with services.database.writing() as session:
        accounts.the_account(session, staff.account.id).password_hash = WEAK.hash(PASSWORD)
    for _ in range(ACCOUNT_AT_ADDRESS):
        assert "is wrong" in staff.post("/staff/account/password", {"current": "wrong"}).text

    fresh = {"current": PASSWORD, "fresh": "another long battery staple", "again": "another long battery staple"}
    assert TOO_OFTEN in staff.post("/staff/account/password", fresh).text
    assert staff.get("/staff/").status_code == 200


def test_a_copied_cookie_dies_with_the_logout(client: FlaskClient, services: Services) -> None:
    staff = StaffBrowser(client, services)
    staff.get("/staff/")
    copied = client.get_cookie("portal")
    assert copied is not None

    staff.post("/staff/logout")
    client.set_cookie("portal", copied.value)

    assert client.get("/staff/").status_code == 303


def test_thirty_minutes_without_a_page_end_the_session(
    client: FlaskClient, services: Services, clock: SetClock
) -> None:
    staff = StaffBrowser(client, services)
    clock.advance(seconds=accounts.IDLE_S)
    assert staff.get("/staff/").status_code == 200

    clock.advance(seconds=accounts.IDLE_S + 1)

    assert staff.get("/staff/").status_code == 303


def test_what_a_page_fetches_by_itself_does_not_keep_a_session_alive(
    client: FlaskClient, services: Services, clock: SetClock
) -> None:
    staff = StaffBrowser(client, services)
    for _ in range(4):
        clock.advance(seconds=accounts.IDLE_S / 4)
        assert staff.get("/staff/inbox/part").status_code == 200
    clock.advance(seconds=1)

    answer = staff.get("/staff/inbox/part", **{"X-Live": "1"})

    assert answer.status_code == 401


def test_twelve_hours_end_a_busy_session(client: FlaskClient, services: Services, clock: SetClock) -> None:
    staff = StaffBrowser(client, services)
    for _ in range(25):
        assert staff.get("/staff/").status_code == 200
        clock.advance(seconds=accounts.ABSOLUTE_S / 25)
    clock.advance(seconds=1)

    assert staff.get("/staff/").status_code == 303


def test_a_day_that_jumps_ends_no_session(client: FlaskClient, services: Services, clock: SetClock) -> None:
    staff = StaffBrowser(client, services)
    machine_s = clock.machine_s
    clock.advance(hours=20)
    clock.machine_s = machine_s

    assert staff.get("/staff/").status_code == 200


def test_shutting_an_account_out_ends_its_sessions(client: FlaskClient, services: Services) -> None:
    add_account(services, Role.ADMIN, "Other Admin")
    staff = StaffBrowser(client, services)
    with services.database.writing() as session:
        accounts.disable(session, accounts.the_account(session, staff.account.id), services.clock.now())

    assert staff.get("/staff/").status_code == 303
