"""Drivers, and the tokens their devices send positions with."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, String, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from tracking.storage import Base

HEARD_EVERY = timedelta(minutes=1)  # so often at most it is written that a device is heard of (our choice)


class Driver(Base):
    """A person who drives routes; known by phone (E.164)."""

    __tablename__ = "drivers"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    phone: Mapped[str] = mapped_column(String(20), unique=True)
    locale: Mapped[str] = mapped_column(String(16))


class DeviceToken(Base):
    """The right of one device to send one driver's positions. Only the hash of the token is kept."""

    __tablename__ = "device_tokens"
    __table_args__ = (Index("ix_device_tokens_driver_id", "driver_id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    driver_id: Mapped[str] = mapped_column(ForeignKey("drivers.id"))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    label: Mapped[str] = mapped_column(String(60))
    speed_unit: Mapped[str] = mapped_column(String(8), default="knots")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_heard_at: Mapped[datetime | None]


def token_hash(token: str) -> str:
    """Return what is stored of a device token: its SHA-256, hexadecimal. The token itself is 128 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue_device_token(
    session: Session,
    *,
    token_id: str,
    driver_id: str,
    label: str,
    now: datetime,
    expires_at: datetime | None,
    speed_unit: str = "knots",
) -> str:
    """Add a device token for the driver and return it; this is the only time it can be seen."""
    token = secrets.token_urlsafe(16)
    session.add(
        DeviceToken(
            id=token_id,
            driver_id=driver_id,
            token_hash=token_hash(token),
            label=label,
            speed_unit=speed_unit,
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
            last_heard_at=None,
        )
    )
    return token


def live_device_token(session: Session, token: str, now: datetime) -> DeviceToken | None:
    """Return the row of ``token`` when it may be used at ``now``; None for unknown, expired or revoked."""
    row = session.scalar(select(DeviceToken).where(DeviceToken.token_hash == token_hash(token)))
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= now):
        return None
    return row


def note_heard(session: Session, heard_at: Mapping[str, datetime]) -> None:
    """Note when each device token, by id, was last heard of; once a minute is enough, and never backwards."""
    for token_id in sorted(heard_at):
        at = heard_at[token_id]
        is_due = or_(DeviceToken.last_heard_at.is_(None), DeviceToken.last_heard_at <= at - HEARD_EVERY)
        session.execute(
            update(DeviceToken).where(DeviceToken.id == token_id, is_due).values(last_heard_at=at),
            execution_options={"synchronize_session": False},
        )
