"""Settings: read once from ``PORTAL_*``, secrets also from the file that ``PORTAL_*_FILE`` names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import phonenumbers
from babel.core import Locale, UnknownLocaleError

from tracking.visibility import VisibilityRules

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_DOMAIN = re.compile(r"(?=.{1,200}$)[a-z0-9-]+(?:\.[a-z0-9-]+)+")
SHORTEST_KEY = 16  # characters; `portal check` asks for 32


class BadSettings(Exception):
    """One or more settings are missing or wrong. ``problems`` has one sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the two entry points are told from outside. The names are fixed (DESIGN 10)."""

    database_url: str
    redis_url: str
    secret_keys: tuple[str, ...]
    public_url: str
    data_dir: Path
    twilio_account_sid: str
    twilio_auth_tokens: tuple[str, ...]
    twilio_api_url: str | None
    sms_from: str
    twilio_messaging_service_sid: str | None
    smtp_url: str
    mail_from: str
    bounce_domain: str
    tile_url: str | None
    tile_attribution: str
    company_name: str
    support_phone: str
    support_email: str
    default_region: str
    default_zone: str
    default_locale: str
    send_timeout_s: float
    lease_s: float
    settle_s: float
    sweep_s: float
    positions_days: float
    map_stops: float
    map_minutes: float
    opt_out_replies: str
    price_per_segment: Decimal
    segments_per_second: float
    trusted_proxies: tuple[str, ...]
    staff_second_step: str
    demo_clock: Path | None

    @property
    def needs_second_step(self) -> bool:
        """True when every person of staff must set up the second step before anything else."""
        return self.staff_second_step == "required"

    @property
    def visibility(self) -> VisibilityRules:
        """Return who may see the truck: from so few stops before, or so few minutes, on."""
        return VisibilityRules(max_stops_before=int(self.map_stops), max_eta_s=60.0 * self.map_minutes)

    @property
    def is_https(self) -> bool:
        """True when people reach us over TLS: cookies are then Secure."""
        return self.public_url.startswith("https://")


DEFAULTS: dict[str, str] = {
    "PORTAL_DATABASE_URL": "sqlite:///var/portal.db",
    "PORTAL_DATA_DIR": "var/data",
    "PORTAL_TWILIO_API_URL": "",
    "PORTAL_TWILIO_MESSAGING_SERVICE_SID": "",
    "PORTAL_BOUNCE_DOMAIN": "",
    "PORTAL_TILE_URL": "",
    "PORTAL_TILE_ATTRIBUTION": "",
    "PORTAL_SUPPORT_PHONE": "",
    "PORTAL_SUPPORT_EMAIL": "",
    "PORTAL_DEFAULT_REGION": "US",
    "PORTAL_DEFAULT_ZONE": "America/New_York",
    "PORTAL_DEFAULT_LOCALE": "en",
    "PORTAL_SEND_TIMEOUT_S": "10",
    "PORTAL_LEASE_S": "30",
    "PORTAL_SETTLE_S": "600",
    "PORTAL_SWEEP_S": "5",
    "PORTAL_POSITIONS_DAYS": "30",
    "PORTAL_MAP_STOPS": "10",
    "PORTAL_MAP_MINUTES": "60",
    "PORTAL_OPT_OUT_REPLIES": "twilio",
    "PORTAL_PRICE_PER_SEGMENT": "0.0083",
    "PORTAL_SEGMENTS_PER_SECOND": "10",
    "PORTAL_TRUSTED_PROXIES": "",
    "PORTAL_STAFF_SECOND_STEP": "optional",
    "PORTAL_DEMO_CLOCK": "",
}
SECRETS = frozenset(
    {"PORTAL_SECRET_KEYS", "PORTAL_TWILIO_AUTH_TOKENS", "PORTAL_DATABASE_URL", "PORTAL_REDIS_URL", "PORTAL_SMTP_URL"}
)


class _Reader:
    """Reads one environment and gathers what is wrong with it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str) -> str:
        value = self._environ.get(name)
        path = self._environ.get(f"{name}_FILE")
        if value is None and path and name in SECRETS:
            try:
                value = Path(path).read_text().strip()
            except OSError as error:
                self.problems.append(f"{name}_FILE cannot be read: {error.strerror}.")
                return ""
        if value is None:
            value = DEFAULTS.get(name)
        if value is None:
            self.problems.append(f"{name} is not set.")
            return ""
        return value.strip()

    def many(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.text(name).split(",") if part.strip())

    def number(self, name: str) -> float:
        text = self.text(name)
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 < value < 1e7:
            self.problems.append(f"{name} must be a number above 0, not {text!r}.")
        return value

    def url(self, name: str, schemes: frozenset[str]) -> str:
        text = self.text(name)
        if text and (urlsplit(text).scheme not in schemes or not urlsplit(text).netloc):
            self.problems.append(f"{name} must be a URL that starts with {' or '.join(sorted(schemes))}://.")
        return text

    def price(self, name: str) -> Decimal:
        text = self.text(name)
        try:
            return Decimal(text)
        except InvalidOperation:
            self.problems.append(f"{name} must be a price such as 0.0083, not {text!r}.")
            return Decimal(0)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings of an environment; raises ``BadSettings`` with every problem at once."""
    reader = _Reader(environ)
    settings = Settings(
        database_url=reader.text("PORTAL_DATABASE_URL"),
        redis_url=reader.url("PORTAL_REDIS_URL", frozenset({"redis", "rediss"})),
        secret_keys=reader.many("PORTAL_SECRET_KEYS"),
        public_url=reader.url("PORTAL_PUBLIC_URL", frozenset({"http", "https"})).rstrip("/"),
        data_dir=Path(reader.text("PORTAL_DATA_DIR")),
        twilio_account_sid=reader.text("PORTAL_TWILIO_ACCOUNT_SID"),
        twilio_auth_tokens=reader.many("PORTAL_TWILIO_AUTH_TOKENS"),
        twilio_api_url=reader.url("PORTAL_TWILIO_API_URL", frozenset({"http", "https"})).rstrip("/") or None,
        sms_from=reader.text("PORTAL_SMS_FROM"),
        twilio_messaging_service_sid=reader.text("PORTAL_TWILIO_MESSAGING_SERVICE_SID") or None,
        smtp_url=reader.url("PORTAL_SMTP_URL", frozenset({"smtp", "smtps", "smtp+starttls"})),
        mail_from=reader.text("PORTAL_MAIL_FROM"),
        bounce_domain=reader.text("PORTAL_BOUNCE_DOMAIN").lower(),
        tile_url=reader.url("PORTAL_TILE_URL", frozenset({"http", "https"})) or None,
        tile_attribution=reader.text("PORTAL_TILE_ATTRIBUTION"),
        company_name=reader.text("PORTAL_COMPANY_NAME"),
        support_phone=reader.text("PORTAL_SUPPORT_PHONE"),
        support_email=reader.text("PORTAL_SUPPORT_EMAIL"),
        default_region=reader.text("PORTAL_DEFAULT_REGION"),
        default_zone=reader.text("PORTAL_DEFAULT_ZONE"),
        default_locale=reader.text("PORTAL_DEFAULT_LOCALE"),
        send_timeout_s=reader.number("PORTAL_SEND_TIMEOUT_S"),
        lease_s=reader.number("PORTAL_LEASE_S"),
        settle_s=reader.number("PORTAL_SETTLE_S"),
        sweep_s=reader.number("PORTAL_SWEEP_S"),
        positions_days=reader.number("PORTAL_POSITIONS_DAYS"),
        map_stops=reader.number("PORTAL_MAP_STOPS"),
        map_minutes=reader.number("PORTAL_MAP_MINUTES"),
        opt_out_replies=reader.text("PORTAL_OPT_OUT_REPLIES"),
        price_per_segment=reader.price("PORTAL_PRICE_PER_SEGMENT"),
        segments_per_second=reader.number("PORTAL_SEGMENTS_PER_SECOND"),
        trusted_proxies=reader.many("PORTAL_TRUSTED_PROXIES"),
        staff_second_step=reader.text("PORTAL_STAFF_SECOND_STEP"),
        demo_clock=Path(reader.text("PORTAL_DEMO_CLOCK")) if reader.text("PORTAL_DEMO_CLOCK") else None,
    )
    problems = reader.problems + list(_problems(settings))
    if problems:
        raise BadSettings(problems)
    return settings


def _problems(settings: Settings) -> list[str]:
    """Return what is wrong with values that could be read."""
    found: list[str] = []
    if not settings.secret_keys:
        found.append("PORTAL_SECRET_KEYS holds no key: give one or more, oldest first, with commas between.")
    if any(len(key) < SHORTEST_KEY for key in settings.secret_keys):
        found.append(f"A key in PORTAL_SECRET_KEYS is shorter than {SHORTEST_KEY} characters.")
    if settings.default_zone not in available_timezones():
        found.append(f"PORTAL_DEFAULT_ZONE is no time zone: {settings.default_zone!r}.")
    if settings.default_region not in phonenumbers.SUPPORTED_REGIONS:
        found.append(f"PORTAL_DEFAULT_REGION is no region: {settings.default_region!r} (two letters, such as US).")
    try:
        Locale.parse(settings.default_locale)
    except (UnknownLocaleError, ValueError):
        found.append(f"PORTAL_DEFAULT_LOCALE is no language: {settings.default_locale!r}.")
    if settings.bounce_domain and not _DOMAIN.fullmatch(settings.bounce_domain):
        found.append(f"PORTAL_BOUNCE_DOMAIN is no domain: {settings.bounce_domain!r} (such as bounce.example.com).")
    if settings.opt_out_replies not in {"twilio", "ours"}:
        found.append("PORTAL_OPT_OUT_REPLIES must be twilio or ours.")
    if settings.staff_second_step not in {"optional", "required"}:
        found.append("PORTAL_STAFF_SECOND_STEP must be optional or required.")
    if settings.send_timeout_s >= settings.lease_s:
        found.append("PORTAL_SEND_TIMEOUT_S must be shorter than PORTAL_LEASE_S: a send may not outlive its lease.")
    found.extend(_demo_problems(settings))
    return found


def _demo_problems(settings: Settings) -> list[str]:
    """A steered clock with real providers would text real people at the wrong hour: refuse it."""
    if settings.demo_clock is None:
        return []
    hosts = {
        "PORTAL_TWILIO_API_URL": urlsplit(settings.twilio_api_url or "").hostname,
        "PORTAL_SMTP_URL": urlsplit(settings.smtp_url).hostname,
    }
    return [
        f"PORTAL_DEMO_CLOCK is refused: the host of {name} is not on this machine (127.0.0.1, localhost or ::1)."
        for name, host in hosts.items()
        if host not in LOOPBACK
    ]


def names() -> list[str]:
    """Return the environment name of every setting, for README's table and its test."""
    return [f"PORTAL_{field.name.upper()}" for field in fields(Settings)]
