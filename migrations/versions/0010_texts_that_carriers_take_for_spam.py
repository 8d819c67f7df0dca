"""Tasks about texts that a carrier took for spam."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OLD_TASKS = (
    "could_not_reach",
    "maybe_cancel",
    "possibly_lost",
    "opt_out_review",
    "unmatched_inbound",
    "not_loaded",
    "provider_difference",
    "channels_down",
    "wish",
)
NEW_TASKS = (*OLD_TASKS, "filtered")


def upgrade() -> None:
    """Apply."""
    _change_tasks(OLD_TASKS, NEW_TASKS)


def downgrade() -> None:
    """Take it back."""
    op.execute("DELETE FROM tasks WHERE kind = 'filtered'")
    _change_tasks(NEW_TASKS, OLD_TASKS)


def _change_tasks(old: tuple[str, ...], new: tuple[str, ...]) -> None:
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.alter_column("kind", existing_type=_words(*old), type_=_words(*new), existing_nullable=False)


def _words(*values: str) -> sa.Enum:
    return sa.Enum(*values, name="task_kind", native_enum=False, create_constraint=True, length=32)
