"""Troubles on demand: what the stand-ins do wrong when a test, or somebody at the page, asks for it."""

import random
import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    TOO_MANY = "too_many"  # 429 with Retry-After; not accepted
    TOO_MANY_AFTER = "too_many_after"  # accepted, then 429 all the same
    PROXY_BEFORE = "proxy_before"  # 400 with a page of HTML, from somebody in between; not accepted
    ERROR_BEFORE = "error_before"  # 500; not accepted
    ERROR_AFTER = "error_after"  # accepted, then 500
    SLOW_BEFORE = "slow_before"  # waits, then accepts and answers
    SLOW_AFTER = "slow_after"  # accepts, then waits before it answers
    RESET_BEFORE = "reset_before"  # connection cut; not accepted
    RESET_AFTER = "reset_after"  # accepted, then the connection is cut
    CALLBACK_LATE = "callback_late"
    CALLBACK_REPEAT = "callback_repeat"
    CALLBACK_DISORDER = "callback_disorder"  # the last status first
    CALLBACK_DROP = "callback_drop"
    CALLBACK_EARLY = "callback_early"  # "sent" comes before the answer to create
    LIST_ERROR = "list_error"  # 500 instead of a list
    LIST_LATE = "list_late"  # accepted, but for a while not in lists
    MAIL_REFUSE = "mail_refuse"  # 550 to RCPT
    MAIL_DEFER = "mail_defer"  # 450 to RCPT
    MAIL_SLOW = "mail_slow"  # waits before it answers DATA
    MAIL_DROP = "mail_drop"  # hangs up after DATA without keeping the mail
    MAIL_DROP_AFTER = "mail_drop_after"  # keeps the mail, then hangs up without an answer


@dataclass
class Fault:
    """One rule. It strikes messages to ``to`` (an address or a beginning of one; empty: all) with ``probability``,
    ``times`` times (None: until cleared). ``seconds`` is how late or slow; ``repeats`` how many extra callbacks.
    """

    kind: Kind
    probability: float = 1.0
    times: int | None = None
    to: str = ""
    seconds: float = 1.0
    repeats: int = 1
    struck: int = 0


class UnknownFault(ValueError):
    """Raised for a rule that names no known kind, or has a field that is not one of ``Fault``'s."""


class Faults:
    """The rules in force. Any thread may ask; ``rng`` decides the probable ones, so a seed repeats a run."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, kind: str, **fields: Any) -> Fault:
        """Put one rule in force. Raises ``UnknownFault``."""
        try:
            rule = Fault(Kind(kind), **fields)
        except (ValueError, TypeError) as error:
            raise UnknownFault(f"{error}; kinds are {', '.join(Kind)}") from error
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def strike(self, kind: Kind, to: str) -> Fault | None:
        """Return the rule that strikes now, counted as used, or None."""
        with self._lock:
            for rule in self._rules:
                if rule.kind is not kind or not to.startswith(rule.to):
                    continue
                if rule.times is not None and rule.struck >= rule.times:
                    continue
                if self._rng.random() < rule.probability:
                    rule.struck += 1
                    return rule
        return None

    def strike_s(self, kind: Kind, to: str) -> float:
        """Return for how many seconds ``kind`` strikes now; 0.0 when it does not."""
        rule = self.strike(kind, to)
        return rule.seconds if rule is not None else 0.0
