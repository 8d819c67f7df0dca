"""Who did something, named by kind and id: never a foreign key upward."""

from enum import StrEnum
from typing import NamedTuple


class ActorKind(StrEnum):
    """The kinds of people and machines that act."""

    RECIPIENT = "recipient"
    DRIVER = "driver"
    STAFF = "staff"
    API = "api"
    SYSTEM = "system"


class Actor(NamedTuple):
    """``id`` is the link's, driver's, staff account's or API key's id; empty for the system."""

    kind: ActorKind
    id: str


SYSTEM = Actor(ActorKind.SYSTEM, "")
