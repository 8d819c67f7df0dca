"""Facts: what lower layers tell the live pages through Redis after a commit. Speed, never the record.

A fact says that something changed, and of what; the live half then reads the record once for all who watch. Only the
truck's place travels inside the fact, and only after ``visibility`` has passed it. Losing one costs a page nothing but
seconds: every stream starts with a snapshot and resyncs.
"""

import json
from collections.abc import Iterable
from typing import Any, Literal, TypedDict

import structlog
from redis import Redis
from redis.exceptions import RedisError

from tracking.fix_stream import MAX_LENGTH, STREAM

CHANNEL = "portal:facts"
FLEET_CHANNEL = "portal:fleet"  # staff only: every truck's last fix

log = structlog.get_logger()


class Fact(TypedDict, total=False):
    """``kind`` with the ids it is about; ``place`` only with kind ``place``."""

    kind: Literal["delivery", "chat", "route", "place", "link", "inbox", "login", "presence"]
    delivery_id: str
    route_id: str
    link_id: str
    place: dict[str, Any] | None


def delivery_changed(delivery_id: str) -> Fact:
    """The status, promise, estimate, note, proof or rating of a delivery changed."""
    return {"kind": "delivery", "delivery_id": delivery_id}


def chat_changed(delivery_id: str) -> Fact:
    """The conversation of a delivery has a new line, or a line was seen."""
    return {"kind": "chat", "delivery_id": delivery_id}


def route_changed(route_id: str) -> Fact:
    """The order, status or progress of a route changed: for its driver and for staff."""
    return {"kind": "route", "route_id": route_id}


def place_moved(delivery_id: str, place: dict[str, Any] | None) -> Fact:
    """The truck as this recipient may see it; None when it may not be seen any more."""
    return {"kind": "place", "delivery_id": delivery_id, "place": place}


def revoked(link_id: str) -> Fact:
    """A link was revoked: whoever watches by it is hung up on at once."""
    return {"kind": "link", "link_id": link_id}


def inbox_changed() -> Fact:
    """Something in the staff inbox, the cases or the tasks changed."""
    return {"kind": "inbox"}


def login_ended() -> Fact:
    """Somebody of staff logged out or was shut out: streams opened by a login that has ended are hung up on."""
    return {"kind": "login"}


def presence_changed(delivery_id: str) -> Fact:
    """Somebody of staff opened or left a conversation, began or stopped writing in it: for the others of staff."""
    return {"kind": "presence", "delivery_id": delivery_id}


def without_places(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts with those of places replaced by ones that only say that something changed, each once."""
    told = [fact if fact["kind"] != "place" else delivery_changed(fact["delivery_id"]) for fact in facts]
    return [fact for number, fact in enumerate(told) if fact not in told[:number]]


def publish(redis: Redis, facts: Iterable[Fact], *, is_from_consumer: bool = False) -> None:
    """Tell the live pages, after commit. A Redis that is away is logged and costs only speed.

    A route that somebody changed is also put on the stream of fixes, so that its estimates follow at once;
    ``is_from_consumer`` says that they have followed already.
    """
    told = list(facts)
    lines = [json.dumps(fact, separators=(",", ":")) for fact in told]
    if not lines:
        return
    changed = [] if is_from_consumer else [fact["route_id"] for fact in told if fact["kind"] == "route"]
    try:
        pipe = redis.pipeline(transaction=False)
        for line in lines:
            pipe.publish(CHANNEL, line)
        for route_id in dict.fromkeys(changed):
            pipe.xadd(STREAM, {"route": route_id}, maxlen=MAX_LENGTH, approximate=True)
        pipe.execute()
    except RedisError as error:
        log.warning("facts not published", count=len(lines), error=type(error).__name__)
