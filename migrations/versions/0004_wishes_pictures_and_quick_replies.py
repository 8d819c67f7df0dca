"""Wishes of recipients who are not home, pictures in chats, and what staff edit: quick replies and house rules."""

import sqlalchemy as sa
from alembic import op

from tracking.storage import UtcDateTime

revision = "0004"
down_revision = "0003"
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
)
NEW_TASKS = (*OLD_TASKS, "wish")


def _words(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "wishes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column("kind", _words("wish_kind", "safe_place", "neighbour", "other_day"), nullable=False),
        sa.Column(
            "status",
            _words("wish_status", "asked", "accepted", "declined", "withdrawn", "lapsed"),
            nullable=False,
        ),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("wanted_on", sa.Date(), nullable=True),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("asked_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("decided_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("open_key", sa.String(length=32), nullable=True),
        sa.Column("request_id", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_wishes_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wishes")),
        sa.UniqueConstraint("open_key", name=op.f("uq_wishes_open_key")),
        sa.UniqueConstraint("request_id", name=op.f("uq_wishes_request_id")),
    )
    with op.batch_alter_table("wishes", schema=None) as batch_op:
        batch_op.create_index("ix_wishes_delivery_id", ["delivery_id", "asked_at"], unique=False)
    op.create_table(
        "chat_pictures",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("line_id", sa.Integer(), nullable=True),
        sa.Column("inbound_id", sa.String(length=32), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=False),
        sa.Column("status", _words("chat_picture_status", "waiting", "ready", "refused", "failed"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("public_sha256", sa.String(length=64), nullable=True),
        sa.Column("content_type", sa.String(length=64), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_after", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["line_id"], ["chat_messages.id"], name=op.f("fk_chat_pictures_line_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_pictures")),
    )
    with op.batch_alter_table("chat_pictures", schema=None) as batch_op:
        batch_op.create_index("ix_chat_pictures_line_id", ["line_id"], unique=False)
        batch_op.create_index("ix_chat_pictures_inbound_id", ["inbound_id"], unique=False)
        batch_op.create_index("ix_chat_pictures_status", ["status", "retry_after"], unique=False)
    op.create_table(
        "quick_reply_versions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("audience", _words("quick_reply_audience", "recipient_near", "recipient", "driver"), nullable=False),
        sa.Column("replies", sa.JSON(), nullable=False),
        sa.Column("saved_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("saved_by", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quick_reply_versions")),
    )
    with op.batch_alter_table("quick_reply_versions", schema=None) as batch_op:
        batch_op.create_index("ix_quick_reply_versions_audience", ["audience", "id"], unique=False)
    op.create_table(
        "house_rule_versions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("accepts_safe_place", sa.Boolean(), nullable=False),
        sa.Column("delivery_days", sa.JSON(), nullable=False),
        sa.Column("days_offered", sa.Integer(), nullable=False),
        sa.Column("saved_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("saved_by", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_house_rule_versions")),
    )
    _change_tasks(OLD_TASKS, NEW_TASKS)


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM tasks WHERE kind = 'wish'")
    _change_tasks(NEW_TASKS, OLD_TASKS)
    for table in ("house_rule_versions", "quick_reply_versions", "chat_pictures", "wishes"):
        op.drop_table(table)


def _change_tasks(old: tuple[str, ...], new: tuple[str, ...]) -> None:
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.alter_column(
            "kind",
            existing_type=_words("task_kind", *old),
            type_=_words("task_kind", *new),
            existing_nullable=False,
        )
