"""When each device token was last heard of, for staff's page of a driver."""

import sqlalchemy as sa
from alembic import op

from tracking.storage import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("device_tokens") as batch:
        batch.add_column(sa.Column("last_heard_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    """Take it back."""
    with op.batch_alter_table("device_tokens") as batch:
        batch.drop_column("last_heard_at")
