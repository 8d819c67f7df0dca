"""A staff member at a browser without JavaScript, for the tests of staff pages."""

import re
from html import unescape

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal import accounts
from portal.accounts import Role, StaffAccount
from portal.services import Services
from portal.staff.shell import SEEN
from tracking.ids import new_id

PASSWORD = "correct horse battery staple"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class StaffBrowser:
    """Logged in by a session on record; fetches a page for its token before it posts."""

    def __init__(
        self, client: FlaskClient, services: Services, role: Role = Role.ADMIN, name: str = "Mara Lind"
    ) -> None:
        self.client, self.services = client, services
        self.account = add_account(services, role, name)
        self.come_in()

    def come_in(self) -> None:
        """Start a session as if the password had been typed."""
        elapsed_s = self.services.clock.elapsed()
        with self.services.database.writing() as session:
            account = accounts.the_account(session, self.account.id)
            secret = accounts.open_session(session, account, elapsed_s)
        with self.client.session_transaction() as cookie:
            cookie.clear()
            cookie["_user_id"] = secret
            cookie[SEEN] = elapsed_s

    def get(self, path: str, **headers: str) -> TestResponse:
        """Fetch a page."""
        return self.client.get(path, headers=headers)

    def post(self, path: str, fields: dict[str, str] | None = None, **options: object) -> TestResponse:
        """Post a form with the token of a page."""
        told = {**(fields or {}), "csrf_token": self.token()}
        return self.client.post(path, data={**told, **options.pop("files", {})}, **options)  # type: ignore[call-overload, no-any-return, dict-item]

    def token(self) -> str:
        """Return the token of a page."""
        found = _TOKEN.search(self.client.get("/staff/account").text)
        return found[1] if found else ""

    def say_yes(self, page: TestResponse) -> TestResponse:
        """Press the button of a page that asks first: post all its hidden fields."""
        fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
        return self.post(page.request.path, {name: unescape(value) for name, value in fields})


def add_account(services: Services, role: Role, name: str) -> StaffAccount:
    """Add an account whose password nobody types: hashing one properly takes a quarter of a second."""
    with services.database.writing() as session:
        account = StaffAccount(
            id=new_id(),
            email=f"{name.split()[0].lower()}.{role}@example.net",
            name=name,
            role=role,
            password_hash="",
            session_epoch=1,
            created_at=services.clock.now(),
            disabled_at=None,
        )
        session.add(account)
    return account
