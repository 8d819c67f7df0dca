"""One calm line under the promise: how often what we say comes true. Only when it was measured on enough deliveries."""

from datetime import date
from zoneinfo import ZoneInfo

from portal.i18n import Tongue
from portal.recipient.phases import UNDER_WAY, Phase
from portal.services import Services
from tracking.hit_rate import HitRate, hit_rate

# The figure is counted once a night; a process looks again after so long (machine time, our choice).
FRESH_S = 600.0


class PublicRecord:
    """The figure as this process read it last, at most ten minutes ago."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: tuple[float, HitRate | None] | None = None

    def line(self, phase: Phase, speak: Tongue) -> str:
        """Return the sentence for a page that makes a promise; empty for any other, and without a true figure."""
        if phase not in UNDER_WAY and phase not in {Phase.AHEAD, Phase.TODAY}:
            return ""
        rate = self._rate()
        if rate is None:
            return ""
        return speak.say(
            "Right %(n)s times out of 10 this month: delivered inside the time shown an hour before.", n=rate.of_ten
        )

    def _rate(self) -> HitRate | None:
        mine = self._services
        now_s = mine.clock.elapsed()
        if self._known is not None and now_s - self._known[0] < FRESH_S:
            return self._known[1]
        today: date = mine.clock.now().astimezone(ZoneInfo(mine.settings.default_zone)).date()
        with mine.database.reading() as session:
            rate = hit_rate(session, today)
        self._known = (now_s, rate)
        return rate
