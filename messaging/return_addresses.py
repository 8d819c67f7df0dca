"""Return addresses: where bounces, and mails that end mail, come back to (VERP). Each names its notification, signed.

Mail servers may write an address in other capitals, so everything in it is lower-case hexadecimal.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum

_ADDRESS = re.compile(r"([bu])\+([0-9a-f]{32})-([0-9a-f]{20})@([a-z0-9.-]{1,200})")
_MAC_BYTES = 10  # 80 bits; there is nothing to try them against but our own mail server


class Purpose(StrEnum):
    """What a mail to such an address says."""

    BOUNCE = "b"
    UNSUBSCRIBE = "u"


class ReturnAddresses:
    """``keys``: oldest first; the last one signs, all verify. ``domain`` is where our mail server takes them."""

    def __init__(self, keys: Sequence[str], domain: str) -> None:
        self._keys = tuple(hashlib.sha256(key.encode()).digest() for key in keys)
        self.domain = domain.lower()

    def of(self, purpose: Purpose, reference: str) -> str:
        """Return the address of a notification id (32 hexadecimal digits)."""
        return f"{purpose}+{reference}-{_mac(self._keys[-1], purpose, reference)}@{self.domain}"

    def read(self, address: str) -> tuple[Purpose, str] | None:
        """Return what an address is for, and its notification id; None for one that is not ours, or forged."""
        found = _ADDRESS.fullmatch(address.strip().strip("<>").lower())
        if found is None or found[4] != self.domain:
            return None
        purpose, reference = Purpose(found[1]), found[2]
        if not any(hmac.compare_digest(_mac(key, purpose, reference), found[3]) for key in self._keys):
            return None
        return purpose, reference


def _mac(key: bytes, purpose: Purpose, reference: str) -> str:
    told = hashlib.blake2b(
        f"{purpose}.{reference}".encode(),
        key=key,
        digest_size=_MAC_BYTES,
        person=b"return-addr.v1",
    )
    return told.hexdigest()
