"""How true each day's estimates and promises were."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "eta_days",
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("depot_id", sa.String(length=32), nullable=False),
        sa.Column("horizon", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("estimates", sa.Integer(), nullable=False),
        sa.Column("error_s", sa.Double(), nullable=False),
        sa.Column("absolute_s", sa.Double(), nullable=False),
        sa.Column("inside", sa.Integer(), nullable=False),
        sa.Column("width_s", sa.Double(), nullable=False),
        sa.Column("jumps", sa.Integer(), nullable=False),
        sa.Column("jump_s", sa.Double(), nullable=False),
        sa.Column("big_jumps", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["depot_id"], ["depots.id"], name=op.f("fk_eta_days_depot_id")),
        sa.PrimaryKeyConstraint("on", "depot_id", "horizon", name=op.f("pk_eta_days")),
    )
    op.create_table(
        "promise_days",
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("depot_id", sa.String(length=32), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["depot_id"], ["depots.id"], name=op.f("fk_promise_days_depot_id")),
        sa.PrimaryKeyConstraint("on", "depot_id", name=op.f("pk_promise_days")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("promise_days")
    op.drop_table("eta_days")
