"""Fairness: whose a low score is. A driver does not answer for a truck that the depot let out late."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

GOOD_SCORE = 4  # from here on satisfied, the usual CSAT; a good score stays with the driver whatever happened
LATE_START_FROM = timedelta(minutes=10)  # a start later than this is the depot's (our choice)


class ScoreCause(StrEnum):
    """Whose a score is. ``open``: nothing on record speaks against counting it for driver and depot alike."""

    OPEN = "open"
    LATE_START = "late_start"


@dataclass(frozen=True, slots=True)
class Lateness:
    """What is known of one delivery's times; None where nobody knows."""

    window_end_at: datetime
    arrived_at: datetime | None
    planned_start_at: datetime | None
    started_at: datetime | None


def cause_of(score: int, times: Lateness) -> tuple[ScoreCause, int | None]:
    """Return whose a score is, and the minutes the truck left late when it is the depot's.

    It is the depot's when the score is low, the truck left ten minutes late or more, the recipient was reached after
    the window, and would not have been without the late start. What the driver lost on top stays the driver's.
    """
    if score >= GOOD_SCORE or times.arrived_at is None or times.planned_start_at is None or times.started_at is None:
        return ScoreCause.OPEN, None
    late_start = times.started_at - times.planned_start_at
    late = times.arrived_at - times.window_end_at
    if late_start < LATE_START_FROM or not timedelta(0) < late <= late_start:
        return ScoreCause.OPEN, None
    return ScoreCause.LATE_START, round(late_start.total_seconds() / 60)
