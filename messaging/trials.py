"""Trials: a text as it is being edited, sent once to a staff member's own phone or mailbox.

It goes through the outbox like everything else, as a reply that belongs to no delivery: no plan, no rating question and
no receipt of it touches one.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.errors import MessagingError
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from messaging.outbox import queue
from messaging.text_samples import sample
from messaging.texts import Rendered, Source, render_source
from messaging.wording import Company
from tracking.nearness import USUAL_MINUTES

MOST_AN_HOUR = 10  # to one address (our choice): a form must not become a way to pester somebody
USEFUL_FOR = timedelta(minutes=30)


class TooManyTrials(MessagingError):
    """This address got enough trials for now."""

    def __init__(self) -> None:
        super().__init__(f"This address got {MOST_AN_HOUR} trial messages within the hour. Wait a while.")


def send_trial(
    session: Session,
    *,
    kind: Kind,
    channel: Channel,
    language: str,
    source: Source,
    to_address: str,
    staff_id: str,
    company: Company,
    now: datetime,
    ids: Callable[[], str],
    away_min: int = USUAL_MINUTES,
) -> str | None:
    """Queue ``source`` with sample words to ``to_address`` and return the row's id. Raises ``TooManyTrials``."""
    lately = select(func.count()).where(
        Notification.to_address == to_address,
        Notification.created_at > now - timedelta(hours=1),
        Notification.dedupe_key.startswith("trial-"),
    )
    if (session.scalar(lately) or 0) >= MOST_AN_HOUR:
        raise TooManyTrials
    words = sample(kind, channel, language, company, away_min=away_min)
    trial = {"kind": kind.value, "language": language, "subject": source.subject, "body": source.body, "words": words}
    return queue(
        session,
        kind=Kind.REPLY,
        channel=channel,
        subject=f"trial-{staff_id}",
        occasion=ids(),
        delivery_id=None,
        to_address=to_address,
        locale=language,
        context={"trial": trial},
        now=now,
        ids=ids,
        useful_until=now + USEFUL_FOR,
    )


def rendered_trial(channel: Channel, context: Mapping[str, Any]) -> Rendered | None:
    """Return the text of a trial; None for every other row."""
    trial = context.get("trial")
    if trial is None:
        return None
    source = Source(trial["subject"], trial["body"])
    return render_source(Kind(trial["kind"]), channel, trial["language"], source, trial["words"])
