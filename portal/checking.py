"""``portal check``: what is missing for production, in plain words."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal.accounts import StaffAccount
from portal.revision import is_current
from portal.settings import LOOPBACK, BadSettings, Settings, read_settings
from tracking.storage import Database

GOOD_KEY_LENGTH = 32
FEWEST_SECONDS_BETWEEN_TIMEOUT_AND_LEASE = 10


def has_staff(session: Session) -> bool:
    """True when at least one staff account exists."""
    return bool(session.scalar(select(func.count()).select_from(StaffAccount)))


def report(environ: Mapping[str, str]) -> int:
    """Print what is missing, one line each, and return 0 when nothing is, else 1."""
    try:
        settings = read_settings(environ)
    except BadSettings as error:
        findings = error.problems
    else:
        findings = [*_addresses(settings), *_secrets(settings), *_people(settings), *_servers(settings)]
    if not findings:
        print("Ready for production: every check passed.")
        return 0
    print("Not ready for production yet:")
    for finding in findings:
        print(f"  - {finding}")
    return 1


def _addresses(settings: Settings) -> list[str]:
    found = []
    if not settings.is_https:
        found.append("PORTAL_PUBLIC_URL is not https: links and cookies would travel in the open.")
    if urlsplit(settings.public_url).hostname in LOOPBACK:
        found.append("PORTAL_PUBLIC_URL is on this machine: recipients could not open their links.")
    if settings.twilio_api_url:
        found.append("PORTAL_TWILIO_API_URL is set: texts go to a stand-in, not to Twilio.")
    if urlsplit(settings.smtp_url).hostname in LOOPBACK:
        found.append("PORTAL_SMTP_URL is on this machine: right only if a mail server runs here.")
    if settings.demo_clock:
        found.append("PORTAL_DEMO_CLOCK is set: day time is steered by hand.")
    if settings.tile_url and not settings.tile_attribution:
        found.append("PORTAL_TILE_URL is set without PORTAL_TILE_ATTRIBUTION: map makers ask to be named.")
    return found


def _secrets(settings: Settings) -> list[str]:
    found = []
    if any(len(key) < GOOD_KEY_LENGTH for key in settings.secret_keys):
        found.append(f"A key in PORTAL_SECRET_KEYS is shorter than {GOOD_KEY_LENGTH} characters.")
    if settings.lease_s - settings.send_timeout_s < FEWEST_SECONDS_BETWEEN_TIMEOUT_AND_LEASE:
        found.append("PORTAL_LEASE_S is less than 10 s above PORTAL_SEND_TIMEOUT_S: slow answers become look-ups.")
    return found


def _people(settings: Settings) -> list[str]:
    if settings.support_phone or settings.support_email:
        return []
    return ["Neither PORTAL_SUPPORT_PHONE nor PORTAL_SUPPORT_EMAIL is set: ended links name no contact."]


def _servers(settings: Settings) -> list[str]:
    found = []
    database = Database(settings.database_url)
    if database.is_sqlite:
        found.append("PORTAL_DATABASE_URL is SQLite: fine for one machine; PostgreSQL when there is more than one.")
    try:
        if not is_current(database):
            found.append("The database is of another revision: run `portal init`.")
        else:
            with database.reading() as session:
                if not has_staff(session):
                    found.append("There is no staff account: run `portal staff add EMAIL --role admin`.")
    except SQLAlchemyError as error:
        found.append(f"The database does not answer: {type(error).__name__}.")
    try:
        Redis.from_url(settings.redis_url, socket_timeout=2).ping()
    except RedisError as error:
        found.append(f"Redis does not answer: {type(error).__name__}.")
    return found
