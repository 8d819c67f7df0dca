"""Search over chat lines, the second step of the login, canned answers, whose a score is, and what became of a case."""

import sqlalchemy as sa
from alembic import op

from messaging.search_index import POSTGRESQL_INDEX, SQLITE_INDEX
from messaging.search_words import words_of
from tracking.storage import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

LINES_AT_ONCE = 2_000
AT = UtcDateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    _add_columns()
    _add_tables()
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entries_actor", ["actor_id", "at"], unique=False)
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_email", ["email"], unique=False)
        batch_op.create_index("ix_deliveries_reference", ["reference"], unique=False)
    _fill_words()
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_INDEX if is_sqlite else POSTGRESQL_INDEX:
        op.execute(sa.text(statement))
    if is_sqlite:
        op.execute("INSERT INTO chat_search(chat_search) VALUES ('rebuild')")


def _add_columns() -> None:
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("search_about", sa.Text(), server_default="", nullable=False))
    with op.batch_alter_table("chat_messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("search_words", sa.Text(), server_default="", nullable=False))
    with op.batch_alter_table("staff_accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("totp_nonce", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("totp_since", AT, nullable=True))
        batch_op.add_column(sa.Column("totp_step", sa.Integer(), nullable=True))
    causes = sa.Enum("open", "late_start", name="score_cause", native_enum=False, create_constraint=True, length=32)
    with op.batch_alter_table("ratings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cause", causes, server_default="open", nullable=False))
        batch_op.add_column(sa.Column("cause_min", sa.Integer(), nullable=True))
        batch_op.create_index(op.f("ix_ratings_at"), ["at"], unique=False)
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.add_column(sa.Column("asked_at", AT, nullable=True))
        batch_op.add_column(sa.Column("again_asked_at", AT, nullable=True))
        batch_op.add_column(sa.Column("again_score", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("again_comment", sa.Text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("again_at", AT, nullable=True))


def _add_tables() -> None:
    op.create_table(
        "recovery_codes",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_accounts.id"], name=op.f("fk_recovery_codes_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_codes")),
    )
    with op.batch_alter_table("recovery_codes", schema=None) as batch_op:
        batch_op.create_index(op.f("ix_recovery_codes_staff_id"), ["staff_id"], unique=False)
    op.create_table(
        "canned_answers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("changed_at", AT, nullable=False),
        sa.Column("changed_by", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canned_answers")),
        sa.UniqueConstraint("name", "locale", name=op.f("uq_canned_answers_name_locale")),
    )


def _fill_words() -> None:
    """Let what was said before be found too."""
    connection = op.get_bind()
    talks = connection.execute(
        sa.text("SELECT c.id, d.recipient_name, d.reference FROM conversations c JOIN deliveries d ON d.id = c.id")
    ).all()
    about = {talk.id: " ".join(words_of(f"{talk.recipient_name} {talk.reference}")) for talk in talks}
    if about:
        connection.execute(
            sa.text("UPDATE conversations SET search_about = :about WHERE id = :id"),
            [{"id": talk_id, "about": words} for talk_id, words in about.items()],
        )
    last = 0
    while True:
        lines = connection.execute(
            sa.text(
                "SELECT id, conversation_id, voice, body FROM chat_messages WHERE id > :last ORDER BY id LIMIT :most"
            ),
            {"last": last, "most": LINES_AT_ONCE},
        ).all()
        if not lines:
            return
        last = lines[-1].id
        connection.execute(
            sa.text("UPDATE chat_messages SET search_words = :words WHERE id = :id"),
            [
                {
                    "id": line.id,
                    "words": " ".join(
                        [*([] if line.voice == "system" else words_of(line.body)), about[line.conversation_id]]
                    ),
                }
                for line in lines
            ],
        )


def downgrade() -> None:
    """Take back."""
    if op.get_bind().dialect.name == "sqlite":
        for trigger in ("chat_search_added", "chat_search_gone", "chat_search_changed"):
            op.execute(f"DROP TRIGGER {trigger}")
        op.execute("DROP TABLE chat_search")
    else:
        op.execute("DROP INDEX ix_chat_messages_search")
    for table in ("canned_answers", "recovery_codes"):
        op.drop_table(table)
    gone = {
        "conversations": ("search_about",),
        "chat_messages": ("search_words",),
        "staff_accounts": ("totp_nonce", "totp_since", "totp_step"),
        "cases": ("asked_at", "again_asked_at", "again_score", "again_comment", "again_at"),
    }
    for table, columns in gone.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.drop_column(column)
    with op.batch_alter_table("ratings", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_ratings_at"))
        batch_op.drop_column("cause")
        batch_op.drop_column("cause_min")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_entries_actor")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("ix_deliveries_email")
        batch_op.drop_index("ix_deliveries_reference")
