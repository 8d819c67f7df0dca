"""A change of the day that somebody of staff makes: done, put on record and told."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from sqlalchemy.orm import Session

from messaging.kinds import Channel
from portal.services import services
from portal.staff.shell import note_view
from tracking.changes import Changed
from tracking.facts import publish


def carry_out(
    kind: Literal["delivery", "route"], subject_id: str, action: str, act: Callable[[Session, datetime], Changed]
) -> None:
    """Do one change in one transaction, put it on record, tell the live pages. What ``act`` raises changes nothing."""
    mine = services()
    now = mine.clock.now()
    with mine.database.writing() as session:
        changed = act(session, now)
        note_view(session, action, kind, subject_id, now)
    publish(mine.redis, changed.facts())
    mine.wake.reconcile()
    mine.wake.send(Channel.SMS)
