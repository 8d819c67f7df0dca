"""Staff accounts, their roles and their sessions; API keys for integrators."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from portal import passwords
from tracking.errors import NotFound, TrackingError
from tracking.recipients import normal_email
from tracking.storage import Base, words

IDLE_S = 30 * 60.0  # reference/messaging.md 5.6
ABSOLUTE_S = 12 * 3600.0


class Role(StrEnum):
    """What a staff account may do; each role may do all that those before it may."""

    AGENT = "agent"
    DISPATCHER = "dispatcher"
    ADMIN = "admin"

    def may_act_as(self, needed: "Role") -> bool:
        """True when this role may do what ``needed`` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class AccountRefused(TrackingError):
    """An account or password could not be made or changed. ``str(error)`` is a sentence for people."""


class StaffAccount(Base):
    """One person of the company. ``session_epoch`` is counted up to end every session at once.

    ``totp_*`` belong to the second step of the login (``portal.second_step``): set up since, what its key is derived
    from, and the last time step whose code was taken.
    """

    __tablename__ = "staff_accounts"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    role: Mapped[Role] = mapped_column(words(Role, "staff_role"))
    password_hash: Mapped[str] = mapped_column(Text)
    session_epoch: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    totp_nonce: Mapped[str | None] = mapped_column(String(32))
    totp_since: Mapped[datetime | None]
    totp_step: Mapped[int | None]


class RecoveryCode(Base):
    """A code that stands in once for a lost phone. Only the SHA-256 of it is kept; using it deletes the row."""

    __tablename__ = "recovery_codes"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff_accounts.id"), index=True)


class StaffSession(Base):
    """One login. ``id`` is the SHA-256 of what the cookie carries; deleting the row ends it everywhere.

    Times are machine time in Unix seconds; ``epoch`` is the account's ``session_epoch`` at login.
    """

    __tablename__ = "staff_sessions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff_accounts.id"), index=True)
    epoch: Mapped[int]
    started_s: Mapped[float]


class ApiKey(Base):
    """The right of a machine to use the HTTP API. Only the SHA-256 of the key is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str | None] = mapped_column(String(32))
    revoked_at: Mapped[datetime | None]


class IdempotentAnswer(Base):
    """The answer an API call got, given again when the same ``Idempotency-Key`` comes again."""

    __tablename__ = "idempotent_answers"

    id: Mapped[str] = mapped_column(String(160), primary_key=True)  # api key id / the caller's key
    request_hash: Mapped[str] = mapped_column(String(64))
    status_code: Mapped[int]
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class AuditEntry(Base):
    """Who looked at, or changed, what. Ids only."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_subject", "subject_kind", "subject_id", "at"),
        Index("ix_audit_entries_actor", "actor_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    subject_kind: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text, default="")


def add_staff(
    session: Session, *, account_id: str, email: str, name: str, role: Role, password: str, now: datetime
) -> StaffAccount:
    """Add an account; raises ``AccountRefused`` for a weak password, a bad address or one that is taken.

    Without a name the account is called what stands before the @ of its address.
    """
    try:
        address = normal_email(email)
    except ValueError as error:
        raise AccountRefused(str(error)) from None
    name = name.strip()[:120] or address.partition("@")[0]
    problem = passwords.problem_with(password, email=address, name=name)
    if problem:
        raise AccountRefused(problem)
    if by_email(session, address) is not None:
        raise AccountRefused("There is an account with this email address already.")
    account = StaffAccount(
        id=account_id,
        email=address,
        name=name,
        role=role,
        password_hash=passwords.hash_password(password),
        session_epoch=1,
        created_at=now,
        disabled_at=None,
    )
    session.add(account)
    return account


def by_email(session: Session, email: str) -> StaffAccount | None:
    """Return the account with this address, in any case, or None."""
    return session.scalar(select(StaffAccount).where(func.lower(StaffAccount.email) == email.strip().lower()))


def everybody(session: Session) -> list[StaffAccount]:
    """Return all accounts, those in use first, by name."""
    statement = select(StaffAccount).order_by(StaffAccount.disabled_at.is_not(None), StaffAccount.name)
    return list(session.scalars(statement))


def names_of(session: Session) -> dict[str, str]:
    """Return every account's name by its id."""
    return {row.id: row.name for row in session.execute(select(StaffAccount.id, StaffAccount.name))}


def the_account(session: Session, staff_id: str) -> StaffAccount:
    """Return the account; raises ``NotFound``."""
    account = session.get(StaffAccount, staff_id)
    if account is None:
        raise NotFound("account", staff_id)
    return account


def open_session(session: Session, account: StaffAccount, elapsed_s: float) -> str:
    """Record a login and return the secret its cookie carries. Logins past their end are swept out."""
    session.execute(delete(StaffSession).where(StaffSession.started_s < elapsed_s - ABSOLUTE_S))
    secret = secrets.token_urlsafe(24)
    session.add(StaffSession(id=_digest(secret), staff_id=account.id, epoch=account.session_epoch, started_s=elapsed_s))
    return secret


def account_of_session(session: Session, secret: str, elapsed_s: float) -> StaffAccount | None:
    """Return who is logged in by this secret; None when the login has ended, for whatever reason."""
    login = session.get(StaffSession, _digest(secret))
    if login is None or elapsed_s - login.started_s > ABSOLUTE_S:
        return None
    account = session.get(StaffAccount, login.staff_id)
    if account is None or account.disabled_at is not None or account.session_epoch != login.epoch:
        return None
    return account


def login_id(secret: str) -> str:
    """Return the id of a login's row: what may be told of it where the secret may not."""
    return _digest(secret)


def open_logins(session: Session, login_ids: Iterable[str], elapsed_s: float) -> set[str]:
    """Return those of these logins that have not ended, for whatever reason."""
    statement = (
        select(StaffSession.id)
        .join(StaffAccount, StaffAccount.id == StaffSession.staff_id)
        .where(
            StaffSession.id.in_(list(login_ids)),
            StaffSession.started_s >= elapsed_s - ABSOLUTE_S,
            StaffSession.epoch == StaffAccount.session_epoch,
            StaffAccount.disabled_at.is_(None),
        )
    )
    return set(session.scalars(statement))


def close_session(session: Session, secret: str) -> None:
    """End one login."""
    session.execute(delete(StaffSession).where(StaffSession.id == _digest(secret)))


def change_password(session: Session, account: StaffAccount, password: str) -> None:
    """Set a new password and end every session of the account; raises ``AccountRefused`` for a weak one."""
    problem = passwords.problem_with(password, email=account.email, name=account.name)
    if problem:
        raise AccountRefused(problem)
    account.password_hash = passwords.hash_password(password)
    account.session_epoch += 1


def change_role(session: Session, account: StaffAccount, role: Role) -> None:
    """Give an account another role; raises ``AccountRefused`` for the last admin."""
    if role is not Role.ADMIN:
        _keep_an_admin(session, account)
    account.role = role


def disable(session: Session, account: StaffAccount, now: datetime) -> None:
    """Shut an account out and end its sessions; raises ``AccountRefused`` for the last admin."""
    _keep_an_admin(session, account)
    account.disabled_at = now
    account.session_epoch += 1


def enable(account: StaffAccount) -> None:
    """Let an account in again."""
    account.disabled_at = None


def issue_api_key(session: Session, *, key_id: str, name: str, now: datetime, created_by: str | None) -> str:
    """Add an API key and return it; this is the only time it can be seen."""
    key = f"pk_{secrets.token_urlsafe(24)}"
    session.add(
        ApiKey(id=key_id, name=name, key_hash=_digest(key), created_at=now, created_by=created_by, revoked_at=None)
    )
    return key


def live_api_key(session: Session, key: str) -> ApiKey | None:
    """Return the row of an API key that may be used, or None."""
    row = session.scalar(select(ApiKey).where(ApiKey.key_hash == _digest(key)))
    return None if row is None or row.revoked_at is not None else row


def api_keys(session: Session) -> list[ApiKey]:
    """Return all API keys, those in use first, newest first."""
    return list(session.scalars(select(ApiKey).order_by(ApiKey.revoked_at.is_not(None), ApiKey.created_at.desc())))


def revoke_api_key(session: Session, key_id: str, now: datetime) -> bool:
    """End an API key; False when it is unknown or has ended already."""
    statement = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).values(revoked_at=now)
    return bool(session.execute(statement.returning(ApiKey.id)).scalar())


def _keep_an_admin(session: Session, account: StaffAccount) -> None:
    others = select(func.count()).where(
        StaffAccount.role == Role.ADMIN, StaffAccount.disabled_at.is_(None), StaffAccount.id != account.id
    )
    if account.role is Role.ADMIN and not session.scalar(others):
        raise AccountRefused("This is the last admin. Make somebody else an admin first.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
