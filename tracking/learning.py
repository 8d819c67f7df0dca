"""What completed routes teach: the usual pace, the usual service times, and how wrong the estimates were.

The nightly job calls this with the company's own routes, `portal replay --dev` with a file of runs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from tracking.eta import DEFAULT_RATIOS, EtaHistory
from tracking.geo import LatLon
from tracking.intervals import LEVELS, RatioQuantiles, horizon_bin, quantile, weighted_quantile
from tracking.pace import ServicePace
from tracking.play import play
from tracking.runs import Run
from tracking.slow_places import DrivenLeg, SlowPlaces
from tracking.travel import STRAIGHT_PACE_S_PER_KM, StraightLine

# What a default is worth against what was observed (our choice): runs for a pace, services for a service time, and for
# a row of ratios the weight of runs, each weighing 1 / (its driver's runs + VEHICLE_RUNS).
PACE_RUNS = 2.0
SERVICES = 8.0
RATIO_RUNS = 0.5
# What everybody's pace and service times are worth against a driver's own: runs, services (our choice).
DRIVER_RUNS = 6.0
DRIVER_SERVICES = 30.0
VEHICLE_RUNS = 2.0
# A service longer than so many medians says little of the next one: it counts as that long (our choice).
LONGEST_SERVICE = 3.0
ROW_EVERY_S = 60.0
# Seconds of driving that the usual pace may weigh. The first holds unless another is better by the margin: a few runs
# tell them apart badly. They are tried on at most so many runs, and only from so many on (our choice).
TRUSTS_S = (600.0, 1200.0, 2400.0)
TRUST_MARGIN = 0.03
TRUST_RUNS = 40
LEAST_TRUST_RUNS = 10
# Drivers are split into so many parts, and at most about so many runs measure the errors, so that a night is enough.
FOLDS = 20
RATIO_SAMPLE = 300
# Ratios of nearly nothing to nearly nothing say nothing.
LEAST_PREDICTED_S = 20.0


def learn(runs: Iterable[Run], *, taps: bool = True) -> EtaHistory:
    """Return what ``runs`` teach; the default where they are silent.

    ``taps`` says whether estimates will follow the driver's taps or detected arrivals, for their errors differ.
    Errors are measured on each vehicle with what the other vehicles teach, or they would look too small.
    """
    known = [run for run in runs if run.fixes]
    lessons = [_lesson(run) for run in known]
    counts = Counter(lesson.driver for lesson in lessons)
    fold_of = {driver: number % FOLDS for number, driver in enumerate(counts)}
    usuals = [_usual([other for other in lessons if fold_of[other.driver] != fold]) for fold in range(FOLDS)]
    held_out = [
        _HeldOut(1.0 / (counts[lesson.driver] + VEHICLE_RUNS), run, usuals[fold_of[lesson.driver]])
        for run, lesson in zip(known, lessons, strict=True)
    ]
    held_out = held_out[:: max(1, len(held_out) // RATIO_SAMPLE)]
    trust_s = _best_trust_s(held_out, taps=taps)
    ratios = [(part.weight, run_ratios(part.run, replace(part.usual, trust_s=trust_s), taps=taps)) for part in held_out]
    return replace(_usual(lessons), trust_s=trust_s, quantiles=_quantiles(ratios))


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What one run teaches: its driver's pace, the seconds of each service with the stop's type, and its legs."""

    driver: str
    pace: float | None
    services: tuple[tuple[str | None, float], ...]
    legs: tuple[DrivenLeg, ...]


def _lesson(run: Run) -> _Lesson:
    services = []
    for stop, visit in zip(run.stops, run.truth, strict=True):
        if visit.arrived_at is not None and visit.departed_at is not None:
            services.append((stop.stop_type, (visit.departed_at - visit.arrived_at).total_seconds()))
    return _Lesson(run.vehicle or run.run_id, run_pace(run), tuple(services), tuple(driven_legs(run)))


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """One run, what it weighs, and what the other vehicles' runs teach."""

    weight: float
    run: Run
    usual: EtaHistory


def _best_trust_s(held_out: Sequence[_HeldOut], *, taps: bool) -> float:
    """Return how much the usual pace should weigh: what was nearest to the truth; the default for a few runs."""
    every = max(1, len(held_out) // TRUST_RUNS)
    tried = held_out[::every]
    if len(tried) < LEAST_TRUST_RUNS:
        return EtaHistory.default().trust_s
    errors = {
        trust_s: sum(_error(part, trust_s, taps=taps) for part in tried) * (1.0 if number == 0 else 1.0 + TRUST_MARGIN)
        for number, trust_s in enumerate(TRUSTS_S)
    }
    return min(TRUSTS_S, key=lambda trust_s: errors[trust_s])


def _error(part: _HeldOut, trust_s: float, *, taps: bool) -> float:
    bins = run_ratios(part.run, replace(part.usual, trust_s=trust_s), taps=taps, absolute=True)
    errors = [error for row in bins for error in row]
    return part.weight * sum(errors) / max(1, len(errors))


def _usual(lessons: Sequence[_Lesson]) -> EtaHistory:
    """Return the paces and service times of ``lessons``, each shrunk to its default."""
    default = EtaHistory.default()
    paces = [(lesson.driver, lesson.pace) for lesson in lessons if lesson.pace is not None]
    pace = default.pace
    if paces:
        weight = len(paces) / (len(paces) + PACE_RUNS)
        pace = weight * _fair_median(paces) + (1 - weight) * default.pace
    service_s = _shrunk([seconds for lesson in lessons for _, seconds in lesson.services], default.service_s)
    by_type: dict[str, list[float]] = defaultdict(list)
    for lesson in lessons:
        for stop_type, seconds in lesson.services:
            if stop_type is not None:
                by_type[stop_type].append(seconds)
    engine_s_per_m = STRAIGHT_PACE_S_PER_KM / 1000.0
    places = SlowPlaces.of_runs((lesson.legs for lesson in lessons), usual_s_per_m=pace * engine_s_per_m)
    history = replace(
        default,
        pace=pace,
        service_s=service_s,
        service_by_type={word: _shrunk(seconds, service_s) for word, seconds in by_type.items()},
        pace_by_driver=_by_driver(_paces_there(lessons, places), pace),
        slow_places=places,
    )
    return replace(history, service_by_driver=_service_by_driver(lessons, history))


def _service_by_driver(lessons: Sequence[_Lesson], history: EtaHistory) -> Mapping[str, float]:
    """Return each driver's service times over the usual ones of the same stops, shrunk to 1."""
    took: dict[str, ServicePace] = defaultdict(ServicePace)
    for lesson in lessons:
        for stop_type, seconds in lesson.services:
            usual_s = history.service_of(planned_s=None, stop_type=stop_type, driver=None)
            took[lesson.driver].add(observed_s=min(seconds, LONGEST_SERVICE * usual_s), expected_s=usual_s)
    weight_s = DRIVER_SERVICES * history.service_s
    return {
        driver: (weight_s + own.observed_s) / (weight_s + own.expected_s)
        for driver, own in took.items()
        if weight_s + own.expected_s > 0
    }


def _paces_there(lessons: Iterable[_Lesson], places: SlowPlaces) -> Iterator[tuple[str, float]]:
    """Yield each run's driver and pace, less what the streets explain: who always drives in town is not slow."""
    for lesson in lessons:
        engine_s = sum(leg.meters * places.factor(leg.start, leg.end) for leg in lesson.legs)
        engine_s *= STRAIGHT_PACE_S_PER_KM / 1000.0
        if engine_s > 0:
            yield lesson.driver, sum(leg.seconds for leg in lesson.legs) / engine_s


def _fair_median(paces: Sequence[tuple[str, float]]) -> float:
    """Return the median pace, a driver with n runs weighing n / (n + 2): the next run may well be another driver's."""
    runs = Counter(driver for driver, _ in paces)
    return weighted_quantile(sorted((pace, 1.0 / (runs[driver] + VEHICLE_RUNS)) for driver, pace in paces), 0.5)


def _shrunk(seconds: Sequence[float], prior_s: float) -> float:
    longest_s = LONGEST_SERVICE * median(seconds) if seconds else prior_s
    return (SERVICES * prior_s + sum(min(value, longest_s) for value in seconds)) / (SERVICES + len(seconds))


def _by_driver(paces: Iterable[tuple[str, float]], usual: float) -> Mapping[str, float]:
    own: dict[str, list[float]] = defaultdict(list)
    for driver, pace in paces:
        own[driver].append(pace)
    return {driver: (DRIVER_RUNS * usual + sum(values)) / (DRIVER_RUNS + len(values)) for driver, values in own.items()}


def driven_legs(run: Run) -> Iterator[DrivenLeg]:
    """Yield the legs between the run's visited stops, from where it began; standing at a stop is none of them."""
    engine = StraightLine()
    place: LatLon = run.depot
    left_at = run.fixes[0].at
    for stop, visit in zip(run.stops, run.truth, strict=True):
        if visit.arrived_at is None:
            continue
        leg = engine.to_many(place, [stop.place])[0]
        drive_s = (visit.arrived_at - left_at).total_seconds()
        if leg is not None and drive_s > 0:
            yield DrivenLeg(place, stop.place, leg.meters, drive_s)
        place, left_at = stop.place, visit.departed_at or visit.arrived_at


def run_pace(run: Run) -> float | None:
    """Return real over engine seconds for all driving between the run's visited stops; None without any."""
    legs = list(driven_legs(run))
    engine_s = sum(leg.meters for leg in legs) * STRAIGHT_PACE_S_PER_KM / 1000.0
    return sum(leg.seconds for leg in legs) / engine_s if engine_s > 0 else None


def run_ratios(run: Run, history: EtaHistory, *, taps: bool, absolute: bool = False) -> list[list[float]]:
    """Return actual over predicted remaining time of one replayed run, a list for each horizon bin.

    With ``absolute``, the seconds between them.
    """
    bins: list[list[float]] = [[] for _ in DEFAULT_RATIOS]
    truth = {stop.stop_id: visit.arrived_at for stop, visit in zip(run.stops, run.truth, strict=True)}
    last = None
    for moment in play(run, history, taps=taps):
        if last is not None and (moment.now - last).total_seconds() < ROW_EVERY_S:
            continue
        last = moment.now
        for stop_id, estimate in moment.progress.estimates(moment.now).items():
            arrived_at = truth[stop_id]
            predicted_s = (estimate.eta_at - moment.now).total_seconds()
            if arrived_at is None or arrived_at <= moment.now or predicted_s < LEAST_PREDICTED_S:
                continue
            actual_s = (arrived_at - moment.now).total_seconds()
            value = abs(actual_s - predicted_s) if absolute else actual_s / predicted_s
            bins[horizon_bin(predicted_s)].append(value)
    return bins


def _quantiles(runs: Sequence[tuple[float, Sequence[Sequence[float]]]]) -> RatioQuantiles:
    """Return the ratios' quantiles by bin from (weight, ratios by bin) of each run, shrunk to the default."""
    rows: list[tuple[float, ...]] = []
    for number, default in enumerate(DEFAULT_RATIOS):
        own = [(weight, sorted(bins[number])) for weight, bins in runs if bins[number]]
        # Fifty quantiles stand for each run, so that a long run does not outweigh a short one.
        pooled = sorted((quantile(ratios, (k + 0.5) / 50), weight) for weight, ratios in own for k in range(50))
        trust = sum(weight for weight, _ in own) / (sum(weight for weight, _ in own) + RATIO_RUNS)
        rows.append(
            tuple(
                trust * weighted_quantile(pooled, level) + (1 - trust) * usual if pooled else usual
                for level, usual in zip(LEVELS, default, strict=True)
            )
        )
    return RatioQuantiles(tuple(rows))
