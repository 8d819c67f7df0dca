"""The first tables."""

import sqlalchemy as sa
from alembic import op

from tracking.storage import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=32), nullable=True),
        sa.Column("revoked_at", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_keys_key_hash")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject_kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.create_index("ix_audit_entries_subject", ["subject_kind", "subject_id", "at"], unique=False)

    op.create_table(
        "consent_events",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("contact_hash", sa.String(length=64), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("sms", "email", name="consent_channel", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column(
            "action",
            sa.Enum("opt_out", "opt_in", name="consent_action", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("scope", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("wording", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("evidence", sa.String(length=120), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_events")),
    )
    with op.batch_alter_table("consent_events", schema=None) as batch_op:
        batch_op.create_index("ix_consent_events_contact_hash", ["contact_hash", "channel", "id"], unique=False)

    op.create_table(
        "depots",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_depots")),
        sa.UniqueConstraint("name", name=op.f("uq_depots_name")),
    )
    op.create_table(
        "drivers",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drivers")),
        sa.UniqueConstraint("phone", name=op.f("uq_drivers_phone")),
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("id", sa.String(length=160), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotent_answers")),
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("notification_id", sa.String(length=32), nullable=True),
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("provider_ref", sa.String(length=120), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("error_code", sa.String(length=32), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint(
            "provider_ref", "status", "error_code", name=op.f("uq_receipts_provider_ref_status_error_code")
        ),
    )
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.create_index("ix_receipts_notification_id", ["notification_id"], unique=False)

    op.create_table(
        "staff_accounts",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "agent", "dispatcher", "admin", name="staff_role", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("session_epoch", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_accounts")),
        sa.UniqueConstraint("email", name=op.f("uq_staff_accounts_email")),
    )
    op.create_table(
        "device_tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("driver_id", sa.String(length=32), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("speed_unit", sa.String(length=8), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["driver_id"], ["drivers.id"], name=op.f("fk_device_tokens_driver_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_device_tokens_token_hash")),
    )
    with op.batch_alter_table("device_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_device_tokens_driver_id", ["driver_id"], unique=False)

    op.create_table(
        "routes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("service_on", sa.Date(), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("depot_id", sa.String(length=32), nullable=False),
        sa.Column("driver_id", sa.String(length=32), nullable=False),
        sa.Column("vehicle", sa.String(length=120), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("planned_start_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "planned",
                "started",
                "finished",
                "cancelled",
                name="route_status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("started_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("finished_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["depot_id"], ["depots.id"], name=op.f("fk_routes_depot_id")),
        sa.ForeignKeyConstraint(["driver_id"], ["drivers.id"], name=op.f("fk_routes_driver_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routes")),
        sa.UniqueConstraint("service_on", "name", name=op.f("uq_routes_service_on_name")),
    )
    with op.batch_alter_table("routes", schema=None) as batch_op:
        batch_op.create_index("ix_routes_driver_id", ["driver_id", "service_on"], unique=False)

    op.create_table(
        "staff_sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("started_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff_accounts.id"], name=op.f("fk_staff_sessions_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_sessions")),
    )
    with op.batch_alter_table("staff_sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_staff_sessions_staff_id"), ["staff_id"], unique=False)

    op.create_table(
        "positions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("driver_id", sa.String(length=32), nullable=False),
        sa.Column("route_id", sa.String(length=32), nullable=True),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("received_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("accuracy_m", sa.Double(), nullable=True),
        sa.Column("speed_mps", sa.Double(), nullable=True),
        sa.Column("heading_deg", sa.Double(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["driver_id"], ["drivers.id"], name=op.f("fk_positions_driver_id")),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_positions_route_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_positions")),
        sa.UniqueConstraint("driver_id", "at", name=op.f("uq_positions_driver_id_at")),
    )
    with op.batch_alter_table("positions", schema=None) as batch_op:
        batch_op.create_index("ix_positions_route_id", ["route_id", "at"], unique=False)

    op.create_table(
        "route_states",
        sa.Column("route_id", sa.String(length=32), nullable=False),
        sa.Column("engine", sa.JSON(), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("last_lat", sa.Double(), nullable=True),
        sa.Column("last_lon", sa.Double(), nullable=True),
        sa.Column("last_heading_deg", sa.Double(), nullable=True),
        sa.Column("last_fix_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("last_received_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_route_states_route_id")),
        sa.PrimaryKeyConstraint("route_id", name=op.f("pk_route_states")),
    )
    op.create_table(
        "stops",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("route_id", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("service_s", sa.Double(), nullable=True),
        sa.Column("planned_arrival_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("arrived_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("arrived_source", sa.String(length=16), nullable=True),
        sa.Column("departed_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("eta_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("eta_lo_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("eta_hi_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("stops_before", sa.Integer(), nullable=True),
        sa.Column("eta_cause", sa.String(length=32), nullable=True),
        sa.Column("eta_basis", sa.String(length=8), nullable=True),
        sa.Column("eta_made_at", UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180", name=op.f("ck_stops_on_earth")),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_stops_route_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stops")),
        sa.UniqueConstraint("route_id", "sequence", name=op.f("uq_stops_route_id_sequence")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("stop_id", sa.String(length=32), nullable=False),
        sa.Column("reference", sa.String(length=120), nullable=False),
        sa.Column("import_on", sa.Date(), nullable=False),
        sa.Column("import_route", sa.String(length=120), nullable=False),
        sa.Column("imported", sa.JSON(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "scheduled",
                "loaded",
                "out_for_delivery",
                "arrived",
                "delivered",
                "attempt_failed",
                "rescheduled",
                "returned",
                "cancelled",
                name="delivery_status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("status_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("recipient_name", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("service_on", sa.Date(), nullable=False),
        sa.Column("window_start_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("window_end_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("instructions", sa.Text(), nullable=False),
        sa.Column("recipient_note", sa.Text(), nullable=False),
        sa.Column("recipient_note_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("not_loaded_reason", sa.Text(), nullable=True),
        sa.Column("failure_reason", sa.String(length=64), nullable=True),
        sa.Column("failure_note", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("arrived_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("next_stop_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("promise_lo_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("promise_hi_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("promise_point_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("promise_cause", sa.String(length=32), nullable=True),
        sa.Column("promise_made_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("promise_is_now", sa.Boolean(), nullable=False),
        sa.Column("promise_broken_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("seen_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("plan_dirty_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("erased_at", UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "phone IS NOT NULL OR email IS NOT NULL OR erased_at IS NOT NULL", name=op.f("ck_deliveries_reachable")
        ),
        sa.CheckConstraint("window_end_at > window_start_at", name=op.f("ck_deliveries_window")),
        sa.ForeignKeyConstraint(["stop_id"], ["stops.id"], name=op.f("fk_deliveries_stop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "import_on", "import_route", "reference", name=op.f("uq_deliveries_import_on_import_route_reference")
        ),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_deliveries_phone", ["phone"], unique=False)
        batch_op.create_index("ix_deliveries_plan_dirty_at", ["plan_dirty_at"], unique=False)
        batch_op.create_index("ix_deliveries_service_on", ["service_on"], unique=False)
        batch_op.create_index("ix_deliveries_stop_id", ["stop_id"], unique=False)

    op.create_table(
        "estimates_made",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("stop_id", sa.String(length=32), nullable=False),
        sa.Column("made_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("eta_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("lo_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("hi_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["stop_id"], ["stops.id"], name=op.f("fk_estimates_made_stop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_estimates_made")),
    )
    with op.batch_alter_table("estimates_made", schema=None) as batch_op:
        batch_op.create_index("ix_estimates_made_stop_id", ["stop_id", "made_at"], unique=False)

    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column(
            "status",
            sa.Enum("open", "closed", name="case_status", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("owner_id", sa.String(length=32), nullable=True),
        sa.Column("opened_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("closed_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_cases_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("delivery_id", name=op.f("uq_cases_delivery_id")),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index("ix_cases_status", ["status", "deadline_at"], unique=False)

    op.create_table(
        "conversations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_message_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("waiting_since", UtcDateTime(timezone=True), nullable=True),
        sa.Column("support_joined_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("taken_over_by", sa.String(length=32), nullable=True),
        sa.Column("assigned_to", sa.String(length=32), nullable=True),
        sa.Column("closed_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_conversations_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("delivery_id", name=op.f("uq_conversations_delivery_id")),
    )
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.create_index("ix_conversations_last_message_at", ["last_message_at"], unique=False)
        batch_op.create_index("ix_conversations_waiting_since", ["waiting_since"], unique=False)

    op.create_table(
        "custody_events",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "loaded",
                "not_loaded",
                "departed",
                "arrived",
                "delivered",
                "failed",
                "undone",
                "rescheduled",
                "reassigned",
                "cancelled",
                "returned",
                name="custody_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.String(length=100), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_custody_events_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custody_events")),
        sa.UniqueConstraint("request_id", name=op.f("uq_custody_events_request_id")),
    )
    with op.batch_alter_table("custody_events", schema=None) as batch_op:
        batch_op.create_index("ix_custody_events_delivery_id", ["delivery_id", "at"], unique=False)

    op.create_table(
        "inbound_messages",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column(
            "channel",
            sa.Enum("sms", "email", name="inbound_channel", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("provider_ref", sa.String(length=120), nullable=False),
        sa.Column("from_address", sa.String(length=254), nullable=False),
        sa.Column("to_address", sa.String(length=254), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("opt_out_type", sa.String(length=16), nullable=False),
        sa.Column("received_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("read_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column(
            "read_as",
            sa.Enum(
                "opt_out",
                "opt_in",
                "help",
                "rating",
                "answer",
                "command",
                "chat",
                "unmatched",
                name="inbound_read_as",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=True,
        ),
        sa.Column("delivery_id", sa.String(length=32), nullable=True),
        sa.Column("assumed", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_inbound_messages_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_messages")),
        sa.UniqueConstraint("provider_ref", name=op.f("uq_inbound_messages_provider_ref")),
    )
    with op.batch_alter_table("inbound_messages", schema=None) as batch_op:
        batch_op.create_index("ix_inbound_messages_from_address", ["from_address", "received_at"], unique=False)
        batch_op.create_index("ix_inbound_messages_read_at", ["read_at", "received_at"], unique=False)

    op.create_table(
        "links",
        sa.Column("id", sa.String(length=11), nullable=False),
        sa.Column(
            "audience",
            sa.Enum(
                "recipient",
                "driver",
                "unsubscribe",
                name="link_audience",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("delivery_id", sa.String(length=32), nullable=True),
        sa.Column("route_id", sa.String(length=32), nullable=True),
        sa.Column("driver_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("bound_to", sa.String(length=64), nullable=True),
        sa.Column("bound_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_links_delivery_id")),
        sa.ForeignKeyConstraint(["driver_id"], ["drivers.id"], name=op.f("fk_links_driver_id")),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_links_route_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
    )
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.create_index("ix_links_delivery_id", ["delivery_id"], unique=False)
        batch_op.create_index("ix_links_route_id", ["route_id"], unique=False)

    op.create_table(
        "notifications",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("dedupe_key", sa.String(length=200), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "scheduled",
                "day_before",
                "morning_of",
                "out_for_delivery",
                "next_stop",
                "delayed",
                "arrived",
                "delivered",
                "rating_request",
                "attempt_failed",
                "rescheduled",
                "cancelled",
                "correction",
                "case_follow_up",
                "chat",
                "reply",
                "driver_link",
                name="notification_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "channel",
            sa.Enum("sms", "email", name="notification_channel", native_enum=False, create_constraint=True, length=32),
            nullable=False,
        ),
        sa.Column("occasion", sa.String(length=100), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=True),
        sa.Column("route_id", sa.String(length=32), nullable=True),
        sa.Column("to_address", sa.String(length=254), nullable=True),
        sa.Column("locale", sa.String(length=16), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "due",
                "sending",
                "ambiguous",
                "accepted",
                "sent",
                "delivered",
                "undelivered",
                "failed",
                "suppressed",
                "expired",
                "withdrawn",
                name="notification_status",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("due_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("useful_until", UtcDateTime(timezone=True), nullable=True),
        sa.Column("planned_on", sa.Date(), nullable=True),
        sa.Column("planned_at_local", sa.String(length=5), nullable=True),
        sa.Column("zone", sa.String(length=64), nullable=True),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("posting_since", sa.Double(), nullable=True),
        sa.Column("retry_after", sa.Double(), nullable=True),
        sa.Column("provider", sa.String(length=16), nullable=True),
        sa.Column("provider_ref", sa.String(length=120), nullable=True),
        sa.Column("error_code", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("instead_of", sa.String(length=32), nullable=True),
        sa.Column("created_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("final_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_notifications_delivery_id")),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_notifications_route_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_notifications_dedupe_key")),
    )
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.create_index("ix_notifications_delivery_id", ["delivery_id"], unique=False)
        batch_op.create_index("ix_notifications_due", ["channel", "status", "lane", "due_at"], unique=False)
        batch_op.create_index("ix_notifications_lease_until", ["status", "lease_until"], unique=False)
        batch_op.create_index("ix_notifications_provider_ref", ["provider_ref"], unique=False)
        batch_op.create_index("ix_notifications_to_address", ["to_address", "created_at"], unique=False)

    op.create_table(
        "promise_changes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=True),
        sa.Column("from_lo_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("from_hi_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("lo_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("hi_at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_promise_changes_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promise_changes")),
    )
    with op.batch_alter_table("promise_changes", schema=None) as batch_op:
        batch_op.create_index("ix_promise_changes_delivery_id", ["delivery_id", "at"], unique=False)

    op.create_table(
        "proofs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "photo", "signature", "name", name="proof_kind", native_enum=False, create_constraint=True, length=32
            ),
            nullable=False,
        ),
        sa.Column("text", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("public_sha256", sa.String(length=64), nullable=True),
        sa.Column("content_type", sa.String(length=40), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("taken_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_proofs_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proofs")),
    )
    with op.batch_alter_table("proofs", schema=None) as batch_op:
        batch_op.create_index("ix_proofs_delivery_id", ["delivery_id"], unique=False)

    op.create_table(
        "questions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "rating",
                "which_delivery",
                "did_you_mean_rating",
                "case_follow_up",
                name="question_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("delivery_id", sa.String(length=32), nullable=True),
        sa.Column("inbound_id", sa.String(length=32), nullable=True),
        sa.Column("choices", sa.Text(), nullable=False),
        sa.Column("asked_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("answered_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_questions_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questions")),
    )
    with op.batch_alter_table("questions", schema=None) as batch_op:
        batch_op.create_index("ix_questions_address", ["address", "asked_at"], unique=False)

    op.create_table(
        "rating_words",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_rating_words_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rating_words")),
    )
    with op.batch_alter_table("rating_words", schema=None) as batch_op:
        batch_op.create_index("ix_rating_words_delivery_id", ["delivery_id"], unique=False)

    op.create_table(
        "ratings",
        sa.Column("delivery_id", sa.String(length=32), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("first_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("score BETWEEN 1 AND 5", name=op.f("ck_ratings_score")),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_ratings_delivery_id")),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_ratings")),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "could_not_reach",
                "maybe_cancel",
                "possibly_lost",
                "opt_out_review",
                "unmatched_inbound",
                "not_loaded",
                name="task_kind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("delivery_id", sa.String(length=32), nullable=True),
        sa.Column("notification_id", sa.String(length=32), nullable=True),
        sa.Column("inbound_id", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tried", sa.Text(), nullable=False),
        sa.Column("opened_at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.String(length=64), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_tasks_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("key", name=op.f("uq_tasks_key")),
    )
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.create_index("ix_tasks_resolved_at", ["resolved_at", "opened_at"], unique=False)

    op.create_table(
        "chat_messages",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(length=32), nullable=False),
        sa.Column(
            "voice",
            sa.Enum(
                "recipient",
                "driver",
                "support",
                "system",
                name="chat_voice",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column(
            "origin",
            sa.Enum(
                "page",
                "sms",
                "email",
                "system",
                name="chat_origin",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("is_internal", sa.Boolean(), nullable=False),
        sa.Column("at", UtcDateTime(timezone=True), nullable=False),
        sa.Column("inbound_id", sa.String(length=32), nullable=True),
        sa.Column("request_id", sa.String(length=100), nullable=True),
        sa.Column("seen_by_recipient_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("seen_by_driver_at", UtcDateTime(timezone=True), nullable=True),
        sa.Column("seen_by_staff_at", UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_chat_messages_conversation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_messages")),
        sa.UniqueConstraint("request_id", name=op.f("uq_chat_messages_request_id")),
    )
    with op.batch_alter_table("chat_messages", schema=None) as batch_op:
        batch_op.create_index("ix_chat_messages_conversation_id", ["conversation_id", "id"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("chat_messages", schema=None) as batch_op:
        batch_op.drop_index("ix_chat_messages_conversation_id")

    op.drop_table("chat_messages")
    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.drop_index("ix_tasks_resolved_at")

    op.drop_table("tasks")
    op.drop_table("ratings")
    with op.batch_alter_table("rating_words", schema=None) as batch_op:
        batch_op.drop_index("ix_rating_words_delivery_id")

    op.drop_table("rating_words")
    with op.batch_alter_table("questions", schema=None) as batch_op:
        batch_op.drop_index("ix_questions_address")

    op.drop_table("questions")
    with op.batch_alter_table("proofs", schema=None) as batch_op:
        batch_op.drop_index("ix_proofs_delivery_id")

    op.drop_table("proofs")
    with op.batch_alter_table("promise_changes", schema=None) as batch_op:
        batch_op.drop_index("ix_promise_changes_delivery_id")

    op.drop_table("promise_changes")
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.drop_index("ix_notifications_to_address")
        batch_op.drop_index("ix_notifications_provider_ref")
        batch_op.drop_index("ix_notifications_lease_until")
        batch_op.drop_index("ix_notifications_due")
        batch_op.drop_index("ix_notifications_delivery_id")

    op.drop_table("notifications")
    with op.batch_alter_table("links", schema=None) as batch_op:
        batch_op.drop_index("ix_links_route_id")
        batch_op.drop_index("ix_links_delivery_id")

    op.drop_table("links")
    with op.batch_alter_table("inbound_messages", schema=None) as batch_op:
        batch_op.drop_index("ix_inbound_messages_read_at")
        batch_op.drop_index("ix_inbound_messages_from_address")

    op.drop_table("inbound_messages")
    with op.batch_alter_table("custody_events", schema=None) as batch_op:
        batch_op.drop_index("ix_custody_events_delivery_id")

    op.drop_table("custody_events")
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.drop_index("ix_conversations_waiting_since")
        batch_op.drop_index("ix_conversations_last_message_at")

    op.drop_table("conversations")
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.drop_index("ix_cases_status")

    op.drop_table("cases")
    with op.batch_alter_table("estimates_made", schema=None) as batch_op:
        batch_op.drop_index("ix_estimates_made_stop_id")

    op.drop_table("estimates_made")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index("ix_deliveries_stop_id")
        batch_op.drop_index("ix_deliveries_service_on")
        batch_op.drop_index("ix_deliveries_plan_dirty_at")
        batch_op.drop_index("ix_deliveries_phone")

    op.drop_table("deliveries")
    op.drop_table("stops")
    op.drop_table("route_states")
    with op.batch_alter_table("positions", schema=None) as batch_op:
        batch_op.drop_index("ix_positions_route_id")

    op.drop_table("positions")
    with op.batch_alter_table("staff_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_staff_sessions_staff_id"))

    op.drop_table("staff_sessions")
    with op.batch_alter_table("routes", schema=None) as batch_op:
        batch_op.drop_index("ix_routes_driver_id")

    op.drop_table("routes")
    with op.batch_alter_table("device_tokens", schema=None) as batch_op:
        batch_op.drop_index("ix_device_tokens_driver_id")

    op.drop_table("device_tokens")
    op.drop_table("staff_accounts")
    with op.batch_alter_table("receipts", schema=None) as batch_op:
        batch_op.drop_index("ix_receipts_notification_id")

    op.drop_table("receipts")
    op.drop_table("idempotent_answers")
    op.drop_table("drivers")
    op.drop_table("depots")
    with op.batch_alter_table("consent_events", schema=None) as batch_op:
        batch_op.drop_index("ix_consent_events_contact_hash")

    op.drop_table("consent_events")
    with op.batch_alter_table("audit_entries", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_entries_subject")

    op.drop_table("audit_entries")
    op.drop_table("api_keys")
