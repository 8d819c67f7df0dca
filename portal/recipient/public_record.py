"""One calm line under the promise: how often what we say comes true. Only when it was measured on enough deliveries."""

from datetime import date
from zoneinfo import ZoneInfo

from flask import current_app

from portal.i18n import Tongue
from portal.recipient.phases import UNDER_WAY, Phase
from portal.services import Services
from tracking.hit_rate import HitRate, hit_rate

# The figure is counted once a night; a process looks again after so long (machine time, our choice).
FRESH_S = 600.0
_NAME = "public_record"


def record_line(services: Services, phase: Phase, speak: Tongue) -> str:
    """Return the sentence for a page that makes a promise; empty for any other, and without a true figure."""
    if phase not in UNDER_WAY and phase not in {Phase.AHEAD, Phase.TODAY}:
        return ""
    rate = _rate(services)
    if rate is None:
        return ""
    return speak.say(
        "Right %(n)s times out of 10 this month: delivered inside the time shown an hour before.", n=rate.of_ten
    )


def _rate(services: Services) -> HitRate | None:
    """Return the figure as this process read it last, at most ten minutes ago."""
    now_s = services.clock.elapsed()
    known: tuple[float, HitRate | None] | None = current_app.extensions.get(_NAME)
    if known is not None and now_s - known[0] < FRESH_S:
        return known[1]
    today: date = services.clock.now().astimezone(ZoneInfo(services.settings.default_zone)).date()
    with services.database.reading() as session:
        rate = hit_rate(session, today)
    current_app.extensions[_NAME] = (now_s, rate)
    return rate
