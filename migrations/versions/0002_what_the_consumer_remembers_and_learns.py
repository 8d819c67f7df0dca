"""What the consumer remembers, and what it learns from completed routes."""

import sqlalchemy as sa
from alembic import op

from tracking.storage import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "eta_history",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("history", sa.JSON(), nullable=False),
        sa.Column("learned_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_eta_history_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_eta_history")),
    )
    with op.batch_alter_table("route_states", schema=None) as batch_op:
        batch_op.add_column(sa.Column("revision", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("route_states", schema=None) as batch_op:
        batch_op.drop_column("revision")
    op.drop_table("eta_history")
