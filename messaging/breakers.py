"""Breakers: a provider that fails again and again is rested, and what a person should hear of it (DESIGN 6).

The state is a row, so that every process sees the same and a flushed Redis changes nothing. Closed: all goes out. Open:
nothing does until ``rested_until``. Then half-open: one message may try; its answer closes the breaker, its failure
opens it for longer. Rests are machine time; what staff read is day time.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import ColumnElement, CursorResult, String, Update, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Mapped, Session, mapped_column

from messaging.inserts import insert_once
from tracking.storage import Base

log = structlog.get_logger()

FAILURES_TO_OPEN = 5  # in a row, over all processes; any answer about any message ends the row (our choice)
FIRST_REST_S, LONGEST_REST_S = 2.0, 30.0  # doubling: a provider that is back is noticed within half a minute
LONGEST_WAIT_S = 600.0  # no rest and no lease of a probe is longer
LASTING_RESTS = 2  # from the second rest on, one message at least has tried in vain: a person should know


class Health(StrEnum):
    """What one answer, or silence, says of the provider itself."""

    ANSWERS = "answers"
    FAILS = "fails"
    UNTOLD = "untold"  # it says nothing either way


class ProviderState(Base):
    """How one provider fares. ``failures`` counts those in a row, ``rests`` the rests in a row.

    ``rested_until``, ``probe_until`` are machine time in Unix seconds; ``opened_at``, ``slow_since_at`` day time.
    ``opened_times`` counts for ever. ``slow_share`` is the share of lately sent texts that were slow to arrive, 0 to 1.
    """

    __tablename__ = "provider_states"

    provider: Mapped[str] = mapped_column(String(16), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    rests: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime | None]
    opened_times: Mapped[int] = mapped_column(default=0)
    rested_until: Mapped[float | None]
    probe_until: Mapped[float | None]
    probe_owner: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(200), default="")
    slow_since_at: Mapped[datetime | None]
    slow_share: Mapped[float | None]

    @property
    def is_open(self) -> bool:
        """True while nothing but a probe goes out."""
        return self.opened_at is not None

    @property
    def is_lasting(self) -> bool:
        """True when it has been tried again since it opened, in vain."""
        return self.is_open and self.rests >= LASTING_RESTS


def states(session: Session) -> dict[str, ProviderState]:
    """Return how providers fare, by name; one that never failed may be missing."""
    return {state.provider: state for state in session.scalars(select(ProviderState))}


def is_resting(session: Session, provider: str, elapsed: float) -> bool:
    """True when nothing may go out through this provider now, not even a probe."""
    state = session.get(ProviderState, provider, populate_existing=True)
    if state is None or not state.is_open:
        return False
    waits = [until - elapsed for until in (state.rested_until, state.probe_until) if until is not None]
    return any(0.0 < wait_s <= LONGEST_WAIT_S for wait_s in waits)


def room(
    session: Session, provider: str, *, wished: int, owner: str, elapsed: float, probe_s: float
) -> tuple[int, bool]:
    """Return how many messages may be claimed, and whether that is a probe: ``wished``, or the one that is then ours.

    A probe whose sender died is given to another after ``probe_s`` seconds.
    """
    state = session.get(ProviderState, provider, populate_existing=True)
    if state is None or not state.is_open:
        return wished, False
    take = update(ProviderState).where(
        ProviderState.provider == provider,
        ProviderState.opened_at.is_not(None),
        _is_over(ProviderState.rested_until, elapsed),
        _is_over(ProviderState.probe_until, elapsed),
    )
    is_ours = _changed(session, take, probe_until=elapsed + probe_s, probe_owner=owner) == 1
    return int(is_ours), is_ours


def release_probe(session: Session, provider: str, owner: str) -> None:
    """Give a probe back that was not used, because nothing was due or what was due may not go out."""
    mine = update(ProviderState).where(ProviderState.provider == provider, ProviderState.probe_owner == owner)
    _changed(session, mine, probe_until=None, probe_owner=None)


def note_health(
    session: Session, provider: str, told: list[tuple[Health, str]], *, owner: str, now: datetime, elapsed: float
) -> None:
    """Fold what a few sends of ``owner`` said of the provider, oldest first, each with its reason, into its breaker."""
    told = [one for one in told if one[0] is not Health.UNTOLD]
    if not told:
        return
    fails = 0
    for health, _ in reversed(told):
        if health is Health.ANSWERS:
            break
        fails += 1
    if fails < len(told):
        _close(session, provider)
    if fails:
        _fail(session, provider, fails, told[-1][1], owner=owner, now=now, elapsed=elapsed)


def _close(session: Session, provider: str) -> None:
    """Forget failures. The statement finds nothing where there are none, which is the usual case."""
    troubled = update(ProviderState).where(
        ProviderState.provider == provider, or_(ProviderState.failures > 0, ProviderState.opened_at.is_not(None))
    )
    closed = {"failures": 0, "rests": 0, "opened_at": None, "rested_until": None, "probe_until": None}
    if _changed(session, troubled, **closed, probe_owner=None, reason=""):
        log.info("provider answers", provider=provider)


def _fail(
    session: Session, provider: str, fails: int, reason: str, *, owner: str, now: datetime, elapsed: float
) -> None:
    insert_once(session, ProviderState, provider=provider, failures=0, rests=0, opened_times=0, reason="")
    locked = select(ProviderState).where(ProviderState.provider == provider).with_for_update()
    state = session.scalars(locked.execution_options(populate_existing=True)).one()
    state.failures += fails
    state.reason = reason[:200]
    if not state.is_open and state.failures >= FAILURES_TO_OPEN:
        state.opened_at, state.opened_times = now, state.opened_times + 1
        _rest(state, elapsed)
    elif state.is_open and state.probe_owner == owner:
        _rest(state, elapsed)  # the probe failed; what was on its way when it opened does not count
    session.flush()


def _rest(state: ProviderState, elapsed: float) -> None:
    rest_s = min(LONGEST_REST_S, FIRST_REST_S * 2.0**state.rests)
    state.rests += 1
    state.rested_until, state.probe_until, state.probe_owner = elapsed + rest_s, None, None
    log.error("provider rests", provider=state.provider, rest_s=rest_s, failures=state.failures, why=state.reason)


def _is_over(until: InstrumentedAttribute[float | None], elapsed: float) -> ColumnElement[bool]:
    """A time further ahead than any wait was written before the clock was set back: it is over too."""
    return or_(until.is_(None), until <= elapsed, until > elapsed + LONGEST_WAIT_S)


def _changed(session: Session, statement: Update, **values: Any) -> int:
    result = session.execute(statement.values(**values).execution_options(synchronize_session="fetch"))
    assert isinstance(result, CursorResult)
    return result.rowcount
