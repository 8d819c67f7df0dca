"""Importing this module puts every table of the house into the metadata."""

import messaging.cases
import messaging.consent
import messaging.conversations
import messaging.inbound
import messaging.notifications
import messaging.ratings
import messaging.receipts
import portal.accounts
import tracking.custody
import tracking.deliveries
import tracking.eta_learned
import tracking.links
import tracking.positions
import tracking.proofs
