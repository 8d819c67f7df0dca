"""The audit trail: who looked at, or changed, what. Ids only, never what people wrote."""

from datetime import datetime

from sqlalchemy.orm import Session

from portal.accounts import AuditEntry
from tracking.actors import Actor


def audit(
    session: Session,
    actor: Actor,
    action: str,
    subject_kind: str,
    subject_id: str,
    now: datetime,
    detail: str = "",
) -> None:
    """Add one entry in the caller's transaction, so that a change and its entry stand or fall together.

    ``action`` is a verb such as ``reschedule``; ``detail`` names fields or ids, never their content.
    """
    session.add(
        AuditEntry(
            at=now,
            actor_kind=actor.kind.value,
            actor_id=actor.id,
            action=action,
            subject_kind=subject_kind,
            subject_id=subject_id,
            detail=detail,
        )
    )
