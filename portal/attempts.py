"""How often somebody may try what only its owner knows: a password, or the link to a delivery. Only failures count."""

import structlog
from redis import Redis

from portal.addresses import neighbourhood
from portal.tally import Tally

WINDOW_S = 15 * 60
# Failures a window: of one account from one address, of one account from anywhere, of one address (our choice; an
# argon2 check costs 64 MiB and a quarter of a second, reference/messaging.md 5.6).
ACCOUNT_AT_ADDRESS, ACCOUNT, ADDRESS = 5, 50, 30
# Links that are none, by address and minute: carriers put many people behind one, so true links never count
# (reference/messaging.md 5.2).
LINK_WINDOW_S, BAD_LINKS = 60, 20
ALARM_FROM = 100  # links that are none, of everybody, in a minute: somebody guesses from many places (messaging.md 5.2)
_EVERYBODY = "everybody"

log = structlog.get_logger()


class Attempts:
    """Counts failed logins."""

    def __init__(self, redis: Redis) -> None:
        self._tally = Tally(redis, "attempts", WINDOW_S)

    def are_used_up(self, *, account: str, address: str, elapsed_s: float) -> bool:
        """True when this account or address has failed too often in this quarter of an hour."""
        limits = _limits(account, address)
        return any(count >= limits[subject] for subject, count in self._tally.counts(limits, elapsed_s).items())

    def failed(self, *, account: str, address: str, elapsed_s: float) -> None:
        """Count one failure."""
        self._tally.add(_limits(account, address), elapsed_s)


class BadLinks:
    """Counts links that are none: forged, malformed or never made."""

    def __init__(self, redis: Redis) -> None:
        self._tally = Tally(redis, "bad-links", LINK_WINDOW_S)

    def one_more(self, *, address: str, elapsed_s: float) -> bool:
        """Count one more from this address; True when it was one too many for this minute."""
        caller = neighbourhood(address)
        if self._tally.counts([caller], elapsed_s)[caller] >= BAD_LINKS:
            return True
        self._tally.add([caller, _EVERYBODY], elapsed_s)
        if self.of_everybody(elapsed_s) == ALARM_FROM:
            log.warning("links are being guessed", in_this_minute=ALARM_FROM)
        return False

    def of_everybody(self, elapsed_s: float) -> int:
        """Return how many links that are none were asked for in this minute, each address at most twenty times."""
        return self._tally.counts([_EVERYBODY], elapsed_s)[_EVERYBODY]


def _limits(account: str, address: str) -> dict[str, int]:
    account, caller = account.strip().lower(), neighbourhood(address)
    return {
        f"both|{account}|{caller}": ACCOUNT_AT_ADDRESS,
        f"account|{account}": ACCOUNT,
        f"ip|{caller}": ADDRESS,
    }
