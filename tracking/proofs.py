"""Proof of delivery: photos, signatures and names, stored by content hash."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tracking.storage import Base, words


class ProofKind(StrEnum):
    """What proves the delivery."""

    PHOTO = "photo"
    SIGNATURE = "signature"
    NAME = "name"


class Proof(Base):
    """One piece of proof. ``sha256`` names the file as taken, ``public_sha256`` the copy without EXIF that people see.

    ``withdrawn_at`` is set when the driver undid the delivery it proved; custody keeps both.
    """

    __tablename__ = "proofs"
    __table_args__ = (Index("ix_proofs_delivery_id", "delivery_id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"))
    kind: Mapped[ProofKind] = mapped_column(words(ProofKind, "proof_kind"))
    text: Mapped[str] = mapped_column(String(200), default="")
    sha256: Mapped[str | None] = mapped_column(String(64))
    public_sha256: Mapped[str | None] = mapped_column(String(64))
    content_type: Mapped[str | None] = mapped_column(String(40))
    width: Mapped[int | None]
    height: Mapped[int | None]
    taken_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
