"""New identifiers. Handed in where a rule needs one, so that tests can choose them."""

import secrets
import uuid

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LINK_ID_LENGTH = 11  # 62**11 > 2**65: about 64 random bits, reference/messaging.md 5.1


def new_id() -> str:
    """Return a fresh random id: 32 hexadecimal characters (uuid4)."""
    return uuid.uuid4().hex


def new_link_id() -> str:
    """Return a fresh random link id: 11 base-62 characters."""
    return "".join(secrets.choice(BASE62) for _ in range(LINK_ID_LENGTH))
