"""Inbound texts and the questions they may answer: the two tables."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from messaging.kinds import Channel
from tracking.storage import Base, words


class ReadAs(StrEnum):
    """What an inbound message turned out to be."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"
    RATING = "rating"
    ANSWER = "answer"
    COMMAND = "command"
    CHAT = "chat"
    UNMATCHED = "unmatched"


class QuestionKind(StrEnum):
    """What we asked a number."""

    RATING = "rating"
    WHICH_DELIVERY = "which_delivery"
    DID_YOU_MEAN_RATING = "did_you_mean_rating"
    CASE_FOLLOW_UP = "case_follow_up"


class InboundMessage(Base):
    """A text or mail that came in. ``provider_ref`` is unique, so a repeated webhook is a no-op.

    ``assumed`` says why this delivery was chosen when more than one was possible; staff see it and can move the line.
    """

    __tablename__ = "inbound_messages"
    __table_args__ = (
        Index("ix_inbound_messages_from_address", "from_address", "received_at"),
        Index("ix_inbound_messages_read_at", "read_at", "received_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    channel: Mapped[Channel] = mapped_column(words(Channel, "inbound_channel"))
    provider_ref: Mapped[str] = mapped_column(String(120), unique=True)
    from_address: Mapped[str] = mapped_column(String(254))
    to_address: Mapped[str] = mapped_column(String(254))
    body: Mapped[str] = mapped_column(Text)
    opt_out_type: Mapped[str] = mapped_column(String(16), default="")
    received_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    read_as: Mapped[ReadAs | None] = mapped_column(words(ReadAs, "inbound_read_as"))
    delivery_id: Mapped[str | None] = mapped_column(ForeignKey("deliveries.id"))
    assumed: Mapped[str] = mapped_column(Text, default="")


class Question(Base):
    """A question we asked one address, and what an answer to it would be about."""

    __tablename__ = "questions"
    __table_args__ = (Index("ix_questions_address", "address", "asked_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    address: Mapped[str] = mapped_column(String(254))
    kind: Mapped[QuestionKind] = mapped_column(words(QuestionKind, "question_kind"))
    delivery_id: Mapped[str | None] = mapped_column(ForeignKey("deliveries.id"))
    inbound_id: Mapped[str | None] = mapped_column(String(32))
    choices: Mapped[str] = mapped_column(Text, default="")  # delivery ids, comma-separated, in the order offered
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
