"""Alembic's environment: migrations run on the connection that ``portal init`` opened."""

from alembic import context

import migrations.env_tables
from tracking.storage import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
    include_name=migrations.env_tables.is_described,
    user_module_prefix="",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
