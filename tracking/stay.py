"""Was a stand near a pin a stay there, or a red light? The time it took says, as odds.

A light holds a truck for half a minute and rarely for two; a service takes as long as services on this route do. How
many lights there are, and how long services are, differs from route to route more than anything else, so both are
learned as the truck goes: where services take two and a half minutes, 51 s at a pin are enough on a quiet road, and
98 s are needed in the city.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tracking.arrival import Stand
from tracking.fixes import Fix
from tracking.geo import distance_m


@dataclass(frozen=True, slots=True)
class StayRule:
    """Seconds, metres, kilometres. Where no source is named, tried with ``bench.bench_arrivals``.

    ``service_spread`` is the deviation of the logarithm of service times, as on the development runs; nowhere are they
    shorter in the middle than ``least_service_s`` (our choice). Of stands at pins driven past, 0.28 last half a minute
    longer (reference/tracking.md 4: 0.244, 0.062, 0.019), so ``light_s`` is 30 / -ln 0.28, counted from
    ``light_from_s``, the shortest stand that is one. ``window_km`` of road are near a pin: 65 m on each side. The
    development runs met 2.4 such stands a kilometre, quiet ones none, so the prior is weak: half a kilometre's worth.
    A stay is told from 1.5 on: a service is then 4.5 times likelier than a light.
    """

    drive_mps: float = 8.0
    proven_share: float = 0.5
    service_spread: float = 0.6
    least_service_s: float = 60.0
    trust_services: float = 3.0
    light_from_s: float = 25.0
    light_s: float = 24.0
    lights_per_km: float = 2.0
    trust_km: float = 0.5
    window_km: float = 0.13
    near_m: float = 45.0
    odds_per_m: float = 0.05
    least_log_odds: float = 1.5
    even_log_odds: float = 0.0


@dataclass(slots=True)
class Traffic:
    """What the truck met away from pins: so many stands in so many metres, the last until ``until`` (epoch seconds)."""

    stands: int = 0
    meters: float = 0.0
    until: float = 0.0

    def drive(self, meters: float) -> None:
        """Count metres driven."""
        self.meters += meters

    def stand(self, since: float, until: float) -> None:
        """Count a stand, once, however often it is told of."""
        self.stands += since > self.until
        self.until = max(self.until, until)

    def per_km(self, rule: StayRule) -> float:
        """Return how many stands a kilometre brings, shrunk to what is usual."""
        usual = rule.trust_km * rule.lights_per_km
        return (usual + self.stands) / (rule.trust_km + self.meters / 1000.0)

    def dump(self) -> list[Any]:
        """Return plain JSON values."""
        return [self.stands, round(self.meters), round(self.until, 1)]


def middle_service_s(usual_s: float, observed_s: Iterable[float], rule: StayRule) -> float:
    """Return the median service to expect: from ``usual_s``, the mean elsewhere, and what was observed today."""
    usual_log = math.log(max(usual_s, 1.0)) - rule.service_spread**2 / 2
    logs = [math.log(max(one_s, 1.0)) for one_s in observed_s]
    middle_log = (rule.trust_services * usual_log + sum(logs)) / (rule.trust_services + len(logs))
    return max(rule.least_service_s, math.exp(middle_log))


def lost_s(before: Fix | None, stand: Stand, after: Fix, rule: StayRule) -> float:
    """Return the seconds lost at a stand: those between the fixes around it, less the driving.

    ``before`` is the last fix before it, ``after`` the first after it, or its newest one.
    """
    drive_m = distance_m(stand.place, after.place) if after.at > stand.until else 0.0
    since = stand.since
    if before is not None:
        drive_m += distance_m(before.place, stand.place)
        since = before.at
    return (after.at - since).total_seconds() - drive_m / rule.drive_mps


def took_s(fixes: Sequence[Fix], stand: Stand, rule: StayRule) -> float:
    """Return how long the truck stood: between what its fixes prove and what it lost, where ``proven_share`` says."""
    before = next((fix for fix in reversed(fixes) if fix.at < stand.since), None)
    after = next((fix for fix in fixes if fix.at > stand.until), fixes[-1])
    lost = lost_s(before, stand, after, rule)
    return max(stand.dwell_s, rule.proven_share * stand.dwell_s + (1.0 - rule.proven_share) * lost)


def stay_log_odds(stood_s: float, away_m: float, *, service_s: float, lights_per_km: float, rule: StayRule) -> float:
    """Return the logarithm of how much likelier a stand of ``stood_s`` is a service than a light.

    Services take ``service_s`` in the middle. Every metre beyond ``near_m`` from the pin speaks against one.
    """
    stood_s = max(stood_s, 1.0)
    off = math.log(stood_s / service_s) / rule.service_spread
    service = -math.log(stood_s * rule.service_spread * math.sqrt(2 * math.pi)) - off * off / 2
    longer_s = max(0.0, stood_s - rule.light_from_s)
    light = math.log(rule.window_km * lights_per_km / rule.light_s) - longer_s / rule.light_s
    return service - light - rule.odds_per_m * max(0.0, away_m - rule.near_m)
