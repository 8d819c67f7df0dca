"""Which stop of a route each row of a file belongs to, and in which order the stops come."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tracking.deliveries import Delivery, EstimateMade
from tracking.import_plan import Record
from tracking.import_rows import Row
from tracking.route_changes import resequence
from tracking.stops import Stop, stops_of

Key = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Placement:
    """The rows of one route. ``acting`` are the keys of rows that are new or change their stop.

    ``takes_order``: the file changed a sequence, so its order holds even where staff had another.
    """

    route_id: str
    rows: Sequence[Row]
    acting: frozenset[Key]
    takes_order: bool


def place_rows(session: Session, placement: Placement, record: Record, ids: Callable[[], str]) -> Mapping[Key, str]:
    """Return the stop id of each acting row, after adding, changing, ordering and clearing away stops."""
    stops = {stop.id: stop for stop in stops_of(session, placement.route_id)}
    before = {stop.id: stop.sequence for stop in stops.values()}
    held = _held(session, placement.route_id)
    finder = _Finder(session, placement.route_id, stops, held, ids)
    groups: dict[int, list[Row]] = {}
    for row in placement.rows:
        groups.setdefault(row.sequence, []).append(row)
    found: dict[Key, str] = {}
    wanted: dict[str, int] = {}
    for sequence, group in groups.items():
        members = [record.deliveries[row.key] for row in group if row.key in record.deliveries]
        members = [delivery for delivery in members if delivery.stop_id in stops]
        if any(row.key in placement.acting for row in group):
            stop = finder.stop_for(sequence, group, members)
            if placement.takes_order or stop.id not in before:
                wanted[stop.id] = sequence
            found |= {row.key: stop.id for row in group if row.key in placement.acting}
        elif placement.takes_order:
            wanted |= {delivery.stop_id: sequence for delivery in members}
    if before and wanted:
        _order(session, {**before, **wanted}, first=set(wanted))
    _clear_away(session, finder.stops, held, found, record)
    return found


def _held(session: Session, route_id: str) -> dict[str, list[str]]:
    statement = select(Delivery.stop_id, Delivery.id).join(Stop, Delivery.stop_id == Stop.id)
    held: dict[str, list[str]] = {}
    for stop_id, delivery_id in session.execute(statement.where(Stop.route_id == route_id)):
        held.setdefault(stop_id, []).append(delivery_id)
    return held


class _Finder:
    """Finds a stop on record for the rows of one sequence, or makes one."""

    def __init__(
        self,
        session: Session,
        route_id: str,
        stops: dict[str, Stop],
        held: Mapping[str, list[str]],
        ids: Callable[[], str],
    ) -> None:
        self.stops = stops
        self._session = session
        self._route_id = route_id
        self._held = held
        self._ids = ids
        self._claimed: set[str] = set()
        self._is_new_route = not stops

    def stop_for(self, sequence: int, group: Sequence[Row], members: Sequence[Delivery]) -> Stop:
        """Return the stop for ``group``: the one most of it is at already, unless others live there, else a new one."""
        row = group[0]
        minutes = [each.service_minutes for each in group if each.service_minutes is not None]
        service_s = max(minutes) * 60.0 if minutes else None
        stop = self._usual(members) or self._same_place(sequence, row, members)
        own = {delivery.id for delivery in members}
        if stop is not None and not _is_at(stop, row) and not set(self._held.get(stop.id, [])) <= own:
            stop = None
        if stop is None:
            number = sequence if self._is_new_route else -100_000 - len(self.stops)
            stop = Stop(id=self._ids(), route_id=self._route_id, sequence=number)
            self._session.add(stop)
            self.stops[stop.id] = stop
        stop.address, stop.lat, stop.lon, stop.service_s = row.address, row.lat, row.lon, service_s
        self._claimed.add(stop.id)
        return stop

    def _usual(self, members: Sequence[Delivery]) -> Stop | None:
        counted = Counter(delivery.stop_id for delivery in members if delivery.stop_id not in self._claimed)
        return self.stops[counted.most_common(1)[0][0]] if counted else None

    def _same_place(self, sequence: int, row: Row, members: Sequence[Delivery]) -> Stop | None:
        for stop in self.stops.values():
            if stop.sequence == sequence and stop.id not in self._claimed and _is_at(stop, row) and not members:
                return stop
        return None


def _is_at(stop: Stop, row: Row) -> bool:
    return (stop.address, stop.lat, stop.lon) == (row.address, row.lat, row.lon)


def _order(session: Session, sequences: Mapping[str, int], *, first: set[str]) -> None:
    """Number the stops by ``sequences``; where two want the same number the file's comes first, the rest move on."""
    session.flush()
    order = sorted(sequences, key=lambda stop_id: (sequences[stop_id], stop_id not in first))
    numbered: list[tuple[str, int]] = []
    last = 0
    for stop_id in order:
        last = max(last + 1, sequences[stop_id])
        numbered.append((stop_id, last))
    resequence(session, numbered)


def _clear_away(
    session: Session,
    stops: Mapping[str, Stop],
    held: Mapping[str, list[str]],
    found: Mapping[Key, str],
    record: Record,
) -> None:
    """Delete stops that the file emptied: every delivery they had is at another stop now."""
    moved = {record.deliveries[key].id: stop_id for key, stop_id in found.items() if key in record.deliveries}
    for stop_id, delivery_ids in held.items():
        stop = stops[stop_id]
        is_left = all(moved.get(delivery_id, stop_id) != stop_id for delivery_id in delivery_ids)
        if is_left and stop_id not in found.values() and stop.arrived_at is None:
            for key, target in found.items():
                if key in record.deliveries and record.deliveries[key].stop_id == stop_id:
                    record.deliveries[key].stop_id = target
            session.flush()
            session.execute(delete(EstimateMade).where(EstimateMade.stop_id == stop_id))
            session.delete(stop)
    session.flush()
