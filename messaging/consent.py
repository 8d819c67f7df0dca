"""Consent: an append-only ledger of who may be written to, by address hash, so that it survives erasure."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from messaging.kinds import Channel
from tracking.actors import Actor
from tracking.storage import Base, words


class ConsentAction(StrEnum):
    """What the person, or staff for them, said."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"


class ConsentEvent(Base):
    """One word about consent. Never updated. ``contact_hash`` is an HMAC of the address (messaging.md 4.3)."""

    __tablename__ = "consent_events"
    __table_args__ = (Index("ix_consent_events_contact_hash", "contact_hash", "channel", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    contact_hash: Mapped[str] = mapped_column(String(64))
    channel: Mapped[Channel] = mapped_column(words(Channel, "consent_channel"))
    action: Mapped[ConsentAction] = mapped_column(words(ConsentAction, "consent_action"))
    scope: Mapped[str] = mapped_column(String(32), default="all")
    source: Mapped[str] = mapped_column(String(32))  # sms_word, sms_phrase, provider, email_one_click, page, staff
    wording: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]
    evidence: Mapped[str] = mapped_column(String(120), default="")
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str] = mapped_column(String(64))


def contact_hash(address: str, pepper: str) -> str:
    """Return the HMAC-SHA-256 of an address (E.164 or lower-case email) under ``pepper``, hexadecimal."""
    return hmac.new(pepper.encode(), address.strip().lower().encode(), hashlib.sha256).hexdigest()


def has_opted_out(session: Session, contact: str, channel: Channel) -> bool:
    """True when the newest word of this contact (a ``contact_hash``) about this channel was an opt-out."""
    statement = select(ConsentEvent.action).where(ConsentEvent.contact_hash == contact, ConsentEvent.channel == channel)
    newest: Any = session.scalar(statement.order_by(ConsentEvent.id.desc()).limit(1))
    return newest is ConsentAction.OPT_OUT


def pepper_of(secret_keys: Sequence[str]) -> str:
    """Return the pepper of the ledger: made from the oldest key, so that a rotation at the other end changes nothing.

    An operator who drops the oldest key loses the opt-outs; ``portal check`` and the docs say so.
    """
    return hmac.new(secret_keys[0].encode(), b"consent-ledger.v1", hashlib.sha256).hexdigest()


def opted_out(session: Session, contacts: Sequence[str], channel: Channel) -> set[str]:
    """Return those of ``contacts`` (each a ``contact_hash``) whose newest word about this channel was an opt-out."""
    newest = (
        select(func.max(ConsentEvent.id))
        .where(ConsentEvent.contact_hash.in_(contacts), ConsentEvent.channel == channel)
        .group_by(ConsentEvent.contact_hash)
    )
    statement = select(ConsentEvent.contact_hash).where(
        ConsentEvent.id.in_(newest), ConsentEvent.action == ConsentAction.OPT_OUT
    )
    return set(session.scalars(statement))


def note_consent(
    session: Session,
    *,
    contact: str,
    channel: Channel,
    action: ConsentAction,
    source: str,
    actor: Actor,
    now: datetime,
    wording: str = "",
    evidence: str = "",
    scope: str = "all",
) -> None:
    """Add a word to the ledger. ``contact`` is a ``contact_hash``; ``evidence`` an id, never an address."""
    session.add(
        ConsentEvent(
            contact_hash=contact,
            channel=channel,
            action=action,
            scope=scope,
            source=source,
            wording=wording,
            at=now,
            evidence=evidence,
            actor_kind=actor.kind,
            actor_id=actor.id,
        )
    )
    session.flush()
