"""Ways out: how texts and mails get out, what was in doubt, and how yesterday compares with the provider."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import render_template
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from messaging.alarms import PROVIDER_OF
from messaging.breakers import ProviderState, states
from messaging.doubts import DoubtBegan, DoubtEnded, count_doubts
from messaging.kinds import Channel
from messaging.provider_days import last_days
from messaging.redactions import count_open
from portal.accounts import Role
from portal.services import services
from portal.staff import words
from portal.staff.shell import blueprint, requires
from portal.staff.words import Badge

LATELY = timedelta(days=7)
NAMES = {Channel.SMS: "Texts", Channel.EMAIL: "Mails"}
BEGAN = {
    DoubtBegan.NO_ANSWER: "The provider did not answer, or with an error",
    DoubtBegan.SENDER_STOPPED: "Our sender stopped before the answer came",
}
ENDED: dict[DoubtEnded | None, str] = {
    DoubtEnded.RECEIPT: "The provider told us by itself that it has it",
    DoubtEnded.ANSWERED: "The answer came late",
    DoubtEnded.FOUND: "Found at the provider",
    DoubtEnded.RESENT: "Not there: sent again",
    DoubtEnded.GIVEN_UP: "Not there, and too late: possibly lost, told as a task",
    None: "Still open",
}


@dataclass(frozen=True, slots=True)
class WayOut:
    """One channel and how it fares."""

    name: str
    state: Badge
    sentence: str


@dataclass(frozen=True, slots=True)
class DoubtRow:
    """How many messages in doubt ended in one way: in the last seven days, and ever."""

    channel: str
    began: str
    ended: str
    lately: int
    ever: int


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day compared with the provider."""

    day: str
    listed: int
    adopted: int
    strangers: int
    missing: int
    compared: str

    @property
    def differs(self) -> bool:
        """True when a person should look."""
        return bool(self.strangers or self.missing)


@blueprint.get("/ways-out")
@requires(Role.DISPATCHER)
def ways_out() -> ResponseReturnValue:
    """Show how messages get out."""
    mine = services()
    now, zone = mine.clock.now(), mine.settings.default_zone
    with mine.database.reading() as session:
        known = states(session)
        ways = [_way(channel, known.get(name), now, zone) for channel, name in PROVIDER_OF.items()]
        doubts = _doubts(session, now)
        days = [
            DayRow(
                words.day(day.listed_on, now),
                day.listed,
                day.adopted,
                day.strangers,
                day.missing,
                words.ago(day.ran_at, now),
            )
            for day in last_days(session)
        ]
        to_remove = count_open(session)
    return render_template("staff/ways_out.html", ways=ways, doubts=doubts, days=days, to_remove=to_remove)


def alarms() -> list[str]:
    """Return a sentence for each alarm about the ways out, for the top of every staff page."""
    mine = services()
    with mine.database.reading() as session:
        known = states(session)
    return list(_sentences(known.values(), mine.settings.default_zone, mine.clock.now()))


def _sentences(known: Iterable[ProviderState], zone: str, now: datetime) -> Iterable[str]:
    names = {provider: NAMES[channel] for channel, provider in PROVIDER_OF.items()}
    for state in known:
        name = names.get(state.provider, state.provider)
        if state.is_lasting:
            since = words.moment(state.opened_at, zone, now)
            yield f"{name} have not got out since {since}. What is planned waits and goes out by itself when they do."
        elif state.slow_since_at is not None:
            share = round((state.slow_share or 0.0) * 100)
            since = words.moment(state.slow_since_at, zone, now)
            yield f"{name} arrive slowly since {since}: {share} % of the last 15 minutes took more than 5 minutes."


def _way(channel: Channel, state: ProviderState | None, now: datetime, zone: str) -> WayOut:
    if state is not None and state.is_open:
        sentence = (
            f"Since {words.moment(state.opened_at, zone, now)}, {state.reason}. One message tries again and again."
        )
        return WayOut(NAMES[channel], Badge("Rests", "bad"), sentence)
    rested = (
        "" if state is None or not state.opened_times else f" Rested {words.count(state.opened_times, 'time')} so far."
    )
    if state is not None and state.slow_since_at is not None:
        share = round((state.slow_share or 0.0) * 100)
        return WayOut(NAMES[channel], Badge("Slow", "warn"), f"{share} % took more than 5 minutes.{rested}")
    return WayOut(NAMES[channel], Badge("Works", "ok"), f"Messages get out.{rested}")


def _doubts(session: Session, now: datetime) -> list[DoubtRow]:
    ever, lately = count_doubts(session), count_doubts(session, now - LATELY)
    return [
        DoubtRow(NAMES[key[0]], BEGAN[key[1]], ENDED[key[2]], lately.get(key, 0), count)
        for key, count in sorted(ever.items(), key=lambda item: tuple(str(part) for part in item[0]))
    ]


blueprint.app_template_global("ways_out_alarms")(alarms)
