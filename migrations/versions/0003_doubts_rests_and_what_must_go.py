"""Doubts about sends, rests of providers, days compared with them, what must go there; how long texts took."""

import sqlalchemy as sa
from alembic import op

from tracking.storage import UtcDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

OLD_TASKS = (
    "could_not_reach",
    "maybe_cancel",
    "possibly_lost",
    "opt_out_review",
    "unmatched_inbound",
    "not_loaded",
)
NEW_TASKS = (*OLD_TASKS, "provider_difference", "channels_down")


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "doubts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("notification_id", sa.String(length=32), nullable=False),
        sa.Column("channel", _words("doubt_channel", "sms", "email"), nullable=False),
        sa.Column("began", _words("doubt_began", "no_answer", "sender_stopped"), nullable=False),
        sa.Column("began_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("ended", _words("doubt_ended", "receipt", "answered", "found", "resent", "given_up"), nullable=True),
        sa.Column("ended_at", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_doubts")),
    )
    with op.batch_alter_table("doubts", schema=None) as batch_op:
        batch_op.create_index("ix_doubts_began_at", ["began_at"], unique=False)
        batch_op.create_index("ix_doubts_notification_id", ["notification_id"], unique=False)
    op.create_table(
        "provider_days",
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("listed_on", sa.Date(), nullable=False),
        sa.Column("ran_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("listed", sa.Integer(), nullable=False),
        sa.Column("adopted", sa.Integer(), nullable=False),
        sa.Column("strangers", sa.Integer(), nullable=False),
        sa.Column("missing", sa.Integer(), nullable=False),
        sa.Column("ids", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "listed_on", name=op.f("pk_provider_days")),
    )
    op.create_table(
        "provider_states",
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("rests", sa.Integer(), nullable=False),
        sa.Column("opened_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("opened_times", sa.Integer(), nullable=False),
        sa.Column("rested_until", sa.Double(), nullable=True),
        sa.Column("probe_until", sa.Double(), nullable=True),
        sa.Column("probe_owner", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("slow_since_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("slow_share", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("provider", name=op.f("pk_provider_states")),
    )
    op.create_table(
        "redactions",
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("provider_ref", sa.String(length=120), nullable=False),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("asked_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("done_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_after", sa.Double(), nullable=True),
        sa.Column("trouble", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("provider", "provider_ref", name=op.f("pk_redactions")),
    )
    with op.batch_alter_table("redactions", schema=None) as batch_op:
        batch_op.create_index("ix_redactions_done_at", ["done_at", "retry_after"], unique=False)
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.add_column(sa.Column("took_s", sa.Double(), nullable=True))
        batch_op.create_index("ix_notifications_posting_since", ["channel", "posting_since"], unique=False)
    _change_tasks(OLD_TASKS, NEW_TASKS)


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM tasks WHERE kind IN ('provider_difference', 'channels_down')")
    _change_tasks(NEW_TASKS, OLD_TASKS)
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.drop_index("ix_notifications_posting_since")
        batch_op.drop_column("took_s")
    for table in ("redactions", "provider_states", "provider_days", "doubts"):
        op.drop_table(table)


def _change_tasks(old: tuple[str, ...], new: tuple[str, ...]) -> None:
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.alter_column(
            "kind",
            existing_type=_words("task_kind", *old),
            type_=_words("task_kind", *new),
            existing_nullable=False,
        )
