"""Alembic's environment: migrations run on the connection that ``portal init`` opened."""

from alembic import context

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
import tracking.links
import tracking.positions
import tracking.proofs  # noqa: F401 - importing a module puts its tables into the metadata
from tracking.storage import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
