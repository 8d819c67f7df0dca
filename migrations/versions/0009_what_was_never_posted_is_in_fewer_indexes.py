"""What was never posted stands in two indexes less: each claim of many rows writes all the others anew."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_notifications_provider_ref": (["provider_ref"], "provider_ref IS NOT NULL"),
    "ix_notifications_posting_since": (["channel", "posting_since"], "posting_since IS NOT NULL"),
}


def upgrade() -> None:
    """Apply."""
    for name, (columns, where) in _INDEXES.items():
        op.drop_index(name, "notifications")
        op.create_index(name, "notifications", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    """Take it back."""
    for name, (columns, _) in _INDEXES.items():
        op.drop_index(name, "notifications")
        op.create_index(name, "notifications", columns)
