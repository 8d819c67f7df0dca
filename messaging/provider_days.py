"""Provider days: one day's messages as the provider lists them, set against the outbox (reference/messaging.md 1.3)."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from tracking.storage import Base


class ProviderDay(Base):
    """What one comparison found, the newest for each day (UTC, as the provider counts days).

    ``listed`` texts were at the provider; ``adopted`` brought a state we had missed; ``strangers`` belong to no row of
    ours; ``missing`` rows we think sent are not there. ``ids`` holds those ids, never more than some hundred of each.
    """

    __tablename__ = "provider_days"

    provider: Mapped[str] = mapped_column(String(16), primary_key=True)
    listed_on: Mapped[date] = mapped_column(primary_key=True)
    ran_at: Mapped[datetime]
    listed: Mapped[int]
    adopted: Mapped[int]
    strangers: Mapped[int]
    missing: Mapped[int]
    ids: Mapped[dict[str, Any]]
