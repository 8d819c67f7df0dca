"""Importing this module puts every table of the house into the metadata."""

import messaging.breakers
import messaging.canned_answers
import messaging.cases
import messaging.chat_pictures
import messaging.consent
import messaging.conversations
import messaging.doubts
import messaging.house_rules
import messaging.inbound
import messaging.message_versions
import messaging.notifications
import messaging.provider_days
import messaging.quick_replies
import messaging.ratings
import messaging.receipts
import messaging.redactions
import messaging.wishes
import portal.accounts
import tracking.custody
import tracking.deliveries
import tracking.eta_learned
import tracking.links
import tracking.positions
import tracking.proofs
import tracking.truth_days


def is_described(name: str | None, kind: str, _parents: object) -> bool:
    """True for what the metadata describes; False for the search index, which each engine builds in its own way."""
    return not (kind in {"table", "index"} and (name or "").startswith(("chat_search", "ix_chat_messages_search")))
