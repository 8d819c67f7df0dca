"""Recording: what became of a send, written down; and what it says of the provider."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from messaging.breakers import Health
from messaging.channels.base import BUSY, LATE, Handed, OutcomeUnknown, Refused
from messaging.channels.names import TWILIO
from messaging.consent import ConsentAction, contact_hash, note_consent
from messaging.doubts import DoubtBegan, DoubtEnded, begin_doubts, end_doubt
from messaging.fallback import after_failure
from messaging.house import House
from messaging.kinds import Kind
from messaging.notifications import MOVES, TERMINAL, Notification, NotificationStatus, advance
from messaging.outbox import put_back
from messaging.pacing import Bucket
from messaging.preparing import Prepared
from messaging.redactions import ask_redactions
from tracking.actors import SYSTEM
from tracking.clocks import Clock
from tracking.deliveries import Delivery
from tracking.storage import Base

log = structlog.get_logger()
_S = NotificationStatus

LONGEST_BACK_OFF_S = 300.0
MOST_ATTEMPTS = 60  # with the longest back-off, about four hours (messaging.md 1.6)
_ROWS = Base.metadata.tables[Notification.__tablename__]
_HANDED = (
    update(_ROWS)
    .where(_ROWS.c.id == bindparam("its_id"), _ROWS.c.status == bindparam("its_status"))
    .values(
        status=bindparam("status"),
        provider=bindparam("provider"),
        provider_ref=bindparam("provider_ref"),
        accepted_at=bindparam("accepted_at"),
        final_at=bindparam("final_at"),
        retry_after=None,
        reason="",
    )
)
LEAST_BUSY_WAIT_S = 10.0  # after a 429: what was taken in spite of it is listed by then (our choice)
FIRST_LOOK_S = 2.0  # how long after an unknown outcome the provider is first asked


@dataclass(slots=True)
class Sent:
    """What one run did."""

    handed: int = 0
    refused: int = 0
    failed: int = 0
    unknown: int = 0
    moved: list[str] = field(default_factory=list)  # ids of deliveries whose messages changed

    def add(self, other: "Sent") -> None:
        """Count what ``other`` counted."""
        self.handed += other.handed
        self.refused += other.refused
        self.failed += other.failed
        self.unknown += other.unknown
        self.moved += other.moved


Outcome = Handed | Refused | OutcomeUnknown


class Recorder:
    """Writes down what became of sends. A receipt that was faster is never overwritten."""

    def __init__(self, house: House, clock: Clock, provider: str, owner: str, bucket: Bucket | None) -> None:
        self._house, self._clock, self._provider = house, clock, provider
        self._owner, self._bucket = owner, bucket

    def record(self, session: Session, outcomes: Sequence[tuple[Prepared, Outcome]], sent: Sent) -> None:
        """Record outcomes of different rows, and count them. What was taken, nearly everything, is written together.

        The rows are locked in the order of their ids, as ``outbox.recover`` and erasing do.
        """
        ids = [one.outgoing.reference for one, _ in outcomes]
        locked = select(Notification).where(Notification.id.in_(ids)).order_by(Notification.id).with_for_update()
        rows = {row.id: row for row in session.scalars(locked)}
        taken: list[tuple[Notification, Handed]] = []
        for one, outcome in outcomes:
            row = rows[one.outgoing.reference]
            if row.status is _S.AMBIGUOUS and not isinstance(outcome, OutcomeUnknown):
                self._end_doubt(session, row, outcome)
            if isinstance(outcome, Handed):
                taken.append((row, outcome))
            else:
                self._record_one(session, row, outcome, sent)
            if row.delivery_id is not None:
                sent.moved.append(row.delivery_id)
        if taken:
            self._hand(session, taken)
            sent.handed += len(taken)

    def _record_one(self, session: Session, row: Notification, outcome: Refused | OutcomeUnknown, sent: Sent) -> None:
        if isinstance(outcome, OutcomeUnknown):
            sent.unknown += 1
            log.warning("outcome unknown", notification_id=row.id, provider=self._provider, why=str(outcome))
            look_at = self._clock.elapsed() + FIRST_LOOK_S
            doubt = {"reason": str(outcome), "retry_after": look_at, "provider": self._provider}
            if advance(session, row.id, _S.AMBIGUOUS, **doubt):
                begin_doubts(session, [(row.id, row.channel)], DoubtBegan.NO_ANSWER, now=self._clock.now())
        elif outcome.permanent or (row.attempt >= MOST_ATTEMPTS and outcome.code != LATE):
            sent.failed += 1
            self._failed(session, row, outcome)
        else:
            sent.refused += 1
            self._refused(session, row, outcome)

    def _end_doubt(self, session: Session, row: Notification, outcome: Handed | Refused) -> None:
        """The lease had run out before the answer came: it ends the doubt, unless it is only "not now"."""
        if isinstance(outcome, Handed) or outcome.permanent:
            end_doubt(session, row.id, DoubtEnded.ANSWERED, now=self._clock.now())

    def _hand(self, session: Session, taken: Sequence[tuple[Notification, Handed]]) -> None:
        """Write down what the provider took. Core, many rows at once: the ORM takes ten times as long.

        A receipt that was faster is never overwritten: its row only gets what it does not have.
        """
        now = self._clock.now()
        moved = [_moved(row, handed, now) for row, handed in taken if handed.status in MOVES[row.status]]
        if moved:
            session.execute(_HANDED, [{**values, "provider": self._provider} for values in moved])
        for row, handed in taken:
            if handed.status not in MOVES[row.status]:
                self._adopt(session, row, handed, now)
            elif handed.status in {_S.FAILED, _S.UNDELIVERED}:
                session.refresh(row)
                after_failure(session, row, now=now, ids=self._house.ids, pepper=self._house.pepper)
        told = {row.delivery_id for row, _ in taken if row.kind is Kind.DELIVERED and row.delivery_id is not None}
        if told:
            # Whether the question went with it is known only now: the plan may need a rating request.
            dirty = update(Delivery).where(Delivery.id.in_(sorted(told)), Delivery.plan_dirty_at.is_(None))
            session.execute(dirty.values(plan_dirty_at=now).execution_options(synchronize_session=False))

    def _adopt(self, session: Session, row: Notification, handed: Handed, now: datetime) -> None:
        adopt = update(Notification).where(Notification.id == row.id, Notification.provider_ref.is_(None))
        columns = {"provider": self._provider, "provider_ref": handed.provider_ref, "retry_after": None}
        session.execute(adopt.values(**columns).execution_options(synchronize_session=False))
        if not row.body and self._provider == TWILIO:  # erased while nobody knew that it would still go out
            ask_redactions(session, self._provider, [handed.provider_ref], is_whole=True, now=now)

    def _failed(self, session: Session, row: Notification, refused: Refused) -> None:
        now = self._clock.now()
        if refused.opted_out:
            note_consent(
                session,
                contact=contact_hash(row.to_address or "", self._house.pepper),
                channel=row.channel,
                action=ConsentAction.OPT_OUT,
                source="provider",
                actor=SYSTEM,
                now=now,
                evidence=row.id,
            )
        columns = {"error_code": refused.code, "reason": str(refused), "provider": self._provider}
        if advance(session, row.id, _S.FAILED, final_at=now, **columns):
            session.refresh(row)
            after_failure(session, row, now=now, ids=self._house.ids, pepper=self._house.pepper)

    def _refused(self, session: Session, row: Notification, refused: Refused) -> None:
        elapsed = self._clock.elapsed()
        if refused.code == LATE:
            put_back(session, row.id, owner=self._owner, retry_after=elapsed, reason=str(refused))
            return
        wished_s, back_off = refused.retry_after_s, back_off_s(row.attempt, row.id)
        if refused.is_too_many and self._bucket is not None:
            self._bucket.stop_for(elapsed, back_off if wished_s is None else min(wished_s, LONGEST_BACK_OFF_S))
        # Never sooner than our own back-off: who asks for a second each time would use up all attempts in a minute.
        wait_s = max(back_off, min(wished_s or 0.0, LONGEST_BACK_OFF_S))
        if refused.code == BUSY:
            wait_s = max(wait_s, LEAST_BUSY_WAIT_S)
        code = BUSY if row.error_code == BUSY else refused.code  # until it was asked what it took
        put_back(
            session,
            row.id,
            owner=self._owner,
            retry_after=elapsed + wait_s,
            error_code=code,
            reason=str(refused),
        )


def _moved(row: Notification, handed: Handed, now: datetime) -> dict[str, Any]:
    """Return the parameters of ``_HANDED`` for one row."""
    return {
        "its_id": row.id,
        "its_status": row.status,
        "status": handed.status,
        "provider_ref": handed.provider_ref,
        "accepted_at": now,
        "final_at": now if handed.status in TERMINAL else None,
    }


def health_of(outcome: Outcome) -> tuple[Health, str]:
    """Return what one outcome says of the provider, and why."""
    if isinstance(outcome, OutcomeUnknown) or (isinstance(outcome, Refused) and outcome.is_down):
        return Health.FAILS, str(outcome)
    if isinstance(outcome, Refused) and outcome.code == LATE:
        return Health.UNTOLD, ""
    return Health.ANSWERS, ""


def back_off_s(attempt: int, notification_id: str) -> float:
    """Return how many seconds to wait after this attempt: doubling to five minutes, spread by the row's own id."""
    spread = 0.5 + int(notification_id[:4], 16) / 0xFFFF / 2
    return min(LONGEST_BACK_OFF_S, float(2 ** min(attempt, 10))) * spread
