"""Recorded runs: the line format that `portal replay` reads, and what a completed route teaches."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tracking.errors import TrackingError
from tracking.fixes import Fix
from tracking.geo import LatLon
from tracking.itinerary import PlannedStop

# Runs tell seconds from their start; this is the instant we count them from.
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class BadRunFile(TrackingError):
    """A run file has a line that is no run; ``line`` counts from 1."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path.name}, line {line}: {reason}")
        self.line = line


@dataclass(frozen=True, slots=True)
class TrueVisit:
    """When a stop was really reached and left; None where it was not, or nobody wrote it down."""

    arrived_at: datetime | None
    departed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Run:
    """One vehicle's run: the stops as planned, the fixes in order of receipt, and the truth for taps and learning."""

    run_id: str
    vehicle: str | None
    stops: tuple[PlannedStop, ...]
    fixes: tuple[Fix, ...]
    truth: tuple[TrueVisit, ...]

    @property
    def depot(self) -> LatLon:
        """Return where it starts: the first fix, or the first stop where there is none."""
        return self.fixes[0].place if self.fixes else self.stops[0].place


def seconds_of(at: datetime) -> float:
    """Return seconds from the run's start."""
    return (at - EPOCH).total_seconds()


def instant_of(seconds: float) -> datetime:
    """Return the instant that a run's second stands for."""
    return EPOCH + timedelta(seconds=seconds)


def read_runs(path: Path) -> Iterator[Run]:
    """Yield the runs of a file, one a line. Raises ``BadRunFile`` at the first line that is no run."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield read_run(json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise BadRunFile(path, number, f"not a run ({error})") from error


def read_run(row: dict[str, Any]) -> Run:
    """Return one run; raises ``KeyError``, ``ValueError`` or ``TypeError`` for what is none."""
    stops = tuple(
        PlannedStop(stop_id=str(number), lat=float(stop["lat"]), lon=float(stop["lon"]))
        for number, stop in enumerate(row["stops"])
    )
    truth = tuple(TrueVisit(_instant(stop, "arrive_s"), _instant(stop, "depart_s")) for stop in row["stops"])
    return Run(str(row["run_id"]), row.get("vehicle"), stops, tuple(_fixes(row)), truth)


def _instant(stop: dict[str, Any], key: str) -> datetime | None:
    seconds = stop.get(key)
    return instant_of(float(seconds)) if seconds is not None else None


def _fixes(row: dict[str, Any]) -> Iterator[Fix]:
    if "points" in row:
        for at_s, lat, lon in row["points"]:
            at = instant_of(at_s)
            yield Fix(float(lat), float(lon), at, at)
        return
    for received_s, at_s, lat, lon, accuracy_m in row["points_recv_t_lat_lon_acc"]:
        yield Fix(float(lat), float(lon), instant_of(at_s), instant_of(received_s), accuracy_m)
