"""Ratings: one per delivery, the latest word within 24 hours counts, every word is kept."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from messaging.kinds import Channel
from tracking.storage import Base


class Rating(Base):
    """The rating that counts for a delivery: 1 to 5 and a comment."""

    __tablename__ = "ratings"
    __table_args__ = (CheckConstraint("score BETWEEN 1 AND 5", name="score"),)

    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"), primary_key=True)
    score: Mapped[int]
    comment: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(String(16))  # sms, page
    first_at: Mapped[datetime]
    at: Mapped[datetime]


class RatingWord(Base):
    """Every rating somebody gave, also those a later one replaced."""

    __tablename__ = "rating_words"
    __table_args__ = (Index("ix_rating_words_delivery_id", "delivery_id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"))
    score: Mapped[int]
    comment: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]


SOURCES = (Channel.SMS.value, "page")
