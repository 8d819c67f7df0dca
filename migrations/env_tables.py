"""Importing this module puts every table of the house into the metadata."""

import messaging.breakers
import messaging.cases
import messaging.chat_pictures
import messaging.consent
import messaging.conversations
import messaging.doubts
import messaging.house_rules
import messaging.inbound
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
