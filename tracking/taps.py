"""One step of a driver: who did it, when, where and by which request; and what such a step touched or refused."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from tracking import custody
from tracking.actors import Actor
from tracking.custody import CustodyKind
from tracking.deliveries import STATE_SENTENCES, DeliveryStatus
from tracking.errors import TrackingError, WrongMove
from tracking.facts import Fact, delivery_changed, route_changed
from tracking.proofs import ProofKind
from tracking.routes import RouteStatus

SOURCE = "tap"


class FailureReason(StrEnum):
    """Why an attempt failed, in the words drivers choose from."""

    NOBODY_HOME = "nobody_home"
    REFUSED = "refused"
    WRONG_ADDRESS = "wrong_address"
    NO_ACCESS = "no_access"
    DAMAGED = "damaged"
    NOT_IN_VAN = "not_in_van"
    OUT_OF_TIME = "out_of_time"
    OTHER = "other"


class MissingReason(TrackingError):
    """A step that needs a reason in words came without one."""

    def __init__(self) -> None:
        super().__init__("Say why, in a few words.")


class TooLateToUndo(WrongMove):
    """The time to undo has passed. Dispatch can still put it right."""

    def __init__(self, state: DeliveryStatus) -> None:
        super().__init__(
            state=state,
            target="undo",
            sentence=f"{STATE_SENTENCES[state]} It could be undone for 10 minutes; ask dispatch to correct it.",
        )


class StopsStillOpen(WrongMove):
    """A route cannot be finished while goods are under way. ``references`` names them."""

    def __init__(self, references: Sequence[str]) -> None:
        super().__init__(
            state=RouteStatus.STARTED,
            target=RouteStatus.FINISHED,
            sentence=f"Still open: {', '.join(references[:5])}. Deliver what is left, or say why not.",
        )
        self.references = tuple(references)


@dataclass(frozen=True)
class NewProof:
    """One piece of proof as taken: a name, or a file that is stored already."""

    kind: ProofKind
    text: str = ""
    sha256: str | None = None
    public_sha256: str | None = None
    content_type: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True)
class Step:
    """What a step touched. ``is_repeat`` when the same request was done before and nothing changed now."""

    route_id: str
    delivery_ids: tuple[str, ...]
    stop_id: str | None = None
    is_repeat: bool = False

    def facts(self) -> list[Fact]:
        """Return what to publish after commit; nothing for a repeat."""
        if self.is_repeat:
            return []
        return [*(delivery_changed(delivery_id) for delivery_id in self.delivery_ids), route_changed(self.route_id)]


@dataclass(frozen=True)
class Tap:
    """Who, when (day time), where (lat, lon, degrees) and by which request. ``ids`` makes the ids of new rows.

    ``heard_at`` is when the server heard of it, later than ``now`` for a tap that waited for signal.
    """

    now: datetime
    actor: Actor
    ids: Callable[[], str]
    request_id: str
    where: tuple[float, float] | None = None
    heard_at: datetime | None = None

    def key(self, action: str, subject_id: str) -> str:
        """Return the key that makes this action on this subject happen once."""
        return hashlib.sha256(f"{action}/{subject_id}/{self.request_id}".encode()).hexdigest()

    def record(self, session: Session, kind: CustodyKind, delivery_id: str, key: str | None, **detail: Any) -> None:
        """Write one custody event; ``key`` only on the event that stands for the whole step."""
        custody.record(
            session,
            event_id=self.ids(),
            delivery_id=delivery_id,
            kind=kind,
            at=self.now,
            now=self.heard_at or self.now,
            actor=self.actor,
            source=SOURCE,
            where=self.where,
            detail=detail,
            request_id=key,
        )
