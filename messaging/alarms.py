"""Alarms: what staff should hear of the ways out, and what is done where one of them rests (DESIGN 6).

Looked at by the sweep and once a minute; what is found is kept with the provider's state, for pages and figures.
"""

from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from messaging.breakers import ProviderState, states
from messaging.cases import Task, TaskKind, open_task, resolve_task_of
from messaging.channels.names import SMTP, TWILIO
from messaging.fallback import mail_instead
from messaging.inserts import insert_once
from messaging.kinds import RULES, Channel, Promise
from messaging.notifications import Notification, NotificationStatus, advance

log = structlog.get_logger()
_S = NotificationStatus

PROVIDER_OF = {Channel.SMS: TWILIO, Channel.EMAIL: SMTP}
WINDOW_S, SLOW_S, SLOW_SHARE = 900.0, 300.0, 0.15  # reference/messaging.md 1.6, as GOV.UK Notify does it
FEWEST = 10  # texts in the window: the share of fewer says little (our choice)
MOST_DIVERTED = 200
_NOW_KINDS = [kind for kind, rule in RULES.items() if rule.promise is Promise.HAPPENING_NOW]


def look_for_slowness(session: Session, *, now: datetime, elapsed: float) -> bool:
    """Keep which share of the texts of the last 15 minutes took longer than 5; return whether that is an alarm."""
    share = slow_share(session, elapsed)
    is_slow = share is not None and share >= SLOW_SHARE
    state = states(session).get(TWILIO)
    if state is None:
        if not is_slow:
            return False
        insert_once(session, ProviderState, provider=TWILIO, failures=0, rests=0, opened_times=0, reason="")
        state = session.get_one(ProviderState, TWILIO)
    state.slow_share = share
    if is_slow and state.slow_since_at is None:
        state.slow_since_at = now
        log.error("texts arrive slowly", provider=TWILIO, share=round(share or 0.0, 2))
    elif not is_slow and state.slow_since_at is not None:
        state.slow_since_at = None
        log.info("texts arrive in time again", provider=TWILIO)
    return is_slow


def slow_share(session: Session, elapsed: float) -> float | None:
    """Return the share of texts handed over in the last 15 minutes that took, or take, over 5; None for too few."""
    waits = and_(
        Notification.took_s.is_(None),
        Notification.status.in_((_S.ACCEPTED, _S.SENT)),
        Notification.posting_since <= elapsed - SLOW_S,
    )
    is_slow = case((or_(Notification.took_s > SLOW_S, waits), 1), else_=0)
    counted = select(func.count(), func.coalesce(func.sum(is_slow), 0)).where(
        Notification.channel == Channel.SMS,
        Notification.posting_since > elapsed - WINDOW_S,
        Notification.provider_ref.is_not(None),
    )
    texts, slow = session.execute(counted).one()
    return slow / texts if texts >= FEWEST else None


def look_for_silence(session: Session, *, now: datetime, ids: Callable[[], str]) -> bool:
    """List for staff that nothing gets out, take it off the list when it does again; return if that changed."""
    known = [states(session).get(name) for name in PROVIDER_OF.values()]
    opened = [state.opened_at for state in known if state is not None and state.is_lasting and state.opened_at]
    if len(opened) == len(PROVIDER_OF):
        return open_task(
            session,
            kind=TaskKind.CHANNELS_DOWN,
            key=f"channels-down/{max(opened).isoformat()}",
            reason="Neither texts nor mails get out just now. What is planned waits and goes out later; "
            "what is happening now is only on the recipients' pages.",
            now=now,
            ids=ids,
            tried=", ".join(f"{state.provider}: {state.reason}" for state in known if state is not None),
        )
    keys = select(Task.key).where(Task.kind == TaskKind.CHANNELS_DOWN, Task.resolved_at.is_(None))
    ended = [
        resolve_task_of(session, key, resolution="Messages get out again.", now=now)
        for key in session.scalars(keys).all()
    ]
    return any(ended)


def divert(session: Session, *, now: datetime, ids: Callable[[], str], pepper: str) -> int:
    """Let texts that are happening now go as mail while texts rest; return how many do.

    Only rows that are due: nobody has them, for certain. One in doubt never changes its provider. Who has no mail
    address is left waiting for texts as long as the text is of use.
    """
    known = states(session)
    texts, mails = (known.get(PROVIDER_OF[channel]) for channel in (Channel.SMS, Channel.EMAIL))
    if texts is None or not texts.is_lasting or (mails is not None and mails.is_open):
        return 0
    waiting = select(Notification).where(
        Notification.channel == Channel.SMS,
        Notification.status == _S.DUE,
        Notification.kind.in_(_NOW_KINDS),
        Notification.due_at <= now,
        or_(Notification.useful_until.is_(None), Notification.useful_until > now),
    )
    diverted = 0
    for row in session.scalars(waiting.order_by(Notification.due_at).limit(MOST_DIVERTED).with_for_update()).all():
        if mail_instead(session, row, now=now, ids=ids, pepper=pepper) is not None:
            diverted += advance(
                session, row.id, _S.SUPPRESSED, reason="texts do not get out just now: it goes as mail", final_at=now
            )
    return diverted
