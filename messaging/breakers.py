"""Breakers: a provider that fails again and again is rested, and what a person should hear of it (DESIGN 6).

The state is a row, so that every process sees the same and a flushed Redis changes nothing. Closed: all goes out. Open:
nothing does until ``rested_until``. Then half-open: one message may try; it closes the breaker, or opens it for longer.
Rests are machine time; what staff read is day time.
"""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tracking.storage import Base


class ProviderState(Base):
    """How one provider fares. ``failures`` counts those in a row, ``rests`` the rests in a row.

    ``rested_until``, ``probe_until`` are machine time in Unix seconds; ``opened_at``, ``slow_since_at`` day time.
    ``opened_times`` counts for ever. ``slow_share`` is the share of lately sent texts that were slow to arrive, 0 to 1.
    """

    __tablename__ = "provider_states"

    provider: Mapped[str] = mapped_column(String(16), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    rests: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime | None]
    opened_times: Mapped[int] = mapped_column(default=0)
    rested_until: Mapped[float | None]
    probe_until: Mapped[float | None]
    probe_owner: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(200), default="")
    slow_since_at: Mapped[datetime | None]
    slow_share: Mapped[float | None]
