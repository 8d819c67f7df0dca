"""The house: what whoever writes messages knows of the company, its secrets, and what is in force."""

from collections.abc import Callable
from dataclasses import dataclass

from messaging.in_force import UNCHANGED, InForce
from messaging.wording import Company
from tracking.links import LinkSigner


@dataclass(frozen=True, slots=True)
class House:
    """What preparing needs to know of the company and its secrets. ``force`` is read anew for each batch."""

    company: Company
    links: LinkSigner
    pepper: str
    ids: Callable[[], str]
    force: InForce = UNCHANGED
