"""Day time can be steered; machine time cannot."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tracking.clocks import SteeredClock


def steer(path: Path, *, day: datetime, rate: float) -> None:
    fresh = path.with_suffix(".new")
    anchor = {"machine_s": time.monotonic(), "day_s": day.timestamp(), "rate": rate}  # noqa: TID251
    fresh.write_text(json.dumps(anchor))
    os.replace(fresh, path)


def test_paused_day_stands_still(tmp_path: Path) -> None:
    day = datetime(2026, 3, 4, 17, 30, tzinfo=UTC)
    steer(tmp_path / "clock", day=day, rate=0)
    clock = SteeredClock(tmp_path / "clock")
    assert clock.now() == day
    assert clock.now() == day


def test_jump_is_seen_at_once(tmp_path: Path) -> None:
    clock = SteeredClock(tmp_path / "clock")
    steer(tmp_path / "clock", day=datetime(2026, 3, 4, 17, 30, tzinfo=UTC), rate=0)
    clock.now()
    later = datetime(2026, 3, 5, 8, 0, tzinfo=UTC)
    steer(tmp_path / "clock", day=later, rate=0)
    assert clock.now() == later


def test_clock_nobody_steers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        SteeredClock(tmp_path / "nobody").now()
