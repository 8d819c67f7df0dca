"""150 strings that turn into markup or script wherever a page forgets to escape, and the columns people fill.

Each is one way out of where text may stand (an attribute, a script, a title, a comment) times one thing that would
then run or load. All end in an element of our own, so that markup shows even where our policy would stop the script.
"""

import itertools
from collections.abc import Iterator

from sqlalchemy import JSON, String, Table, Text, bindparam, update
from sqlalchemy.orm import Session

from tracking.storage import Base

PROBE = "x-probe"
WAYS_OUT = ("", '">', "'>", "</script>", "</textarea>", "</title>", "--> ", "]]>", "`;", '\\";')
THINGS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script>",
    '<iframe srcdoc="<script>parent.alert(1)</script>">',
    '<a href="javascript:alert(1)">a</a>',
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<style>*{background:url(//evil.example)}</style>",
    '<base href="//evil.example/">',
    '<div hx-get="/" hx-trigger="load">',
    '<div hx-on:load="alert(1)" hx-boost>',
    '<form action="javascript:alert(1)"><button>b',
    "<math><mtext><img src=x onerror=alert(1)>",
    "{{7*7}}((name))${alert(1)}%(name)s",
)
PAYLOADS = tuple(f"{way}{thing}<{PROBE}>" for way, thing in itertools.product(WAYS_OUT, THINGS))

# Table -> columns that hold what somebody typed, wrote, imported or named. JSON columns are filled by code from these.
FILLED = {
    "api_keys": {"name"},
    "audit_entries": {"detail"},
    "canned_answers": {"name", "body"},
    "cases": {"comment", "resolution", "again_comment"},
    "chat_messages": {"body"},
    "consent_events": {"wording"},
    "deliveries": {
        "recipient_name",
        "items",
        "instructions",
        "recipient_note",
        "not_loaded_reason",
        "failure_note",
    },
    "depots": {"name"},
    "device_tokens": {"label"},
    "drivers": {"name"},
    "inbound_messages": {"body", "assumed"},
    "message_versions": {"why"},
    "notifications": {"subject", "body", "reason"},
    "proofs": {"text"},
    "rating_words": {"comment"},
    "ratings": {"comment"},
    "routes": {"name", "vehicle"},
    "staff_accounts": {"name"},
    "stops": {"address"},
    "tasks": {"reason", "tried", "resolution"},
    "wishes": {"place", "words"},
}
# Text no person writes: states, codes, keys, numbers, addresses of a checked form, and what searches read.
MADE_BY_CODE = {
    *("action", "actor_kind", "again_source", "arrived_source", "audience", "began", "bound_to", "cause", "changed_by"),
    *("channel", "contact_hash", "content_type", "created_by", "decided_by", "dedupe_key", "ended", "error_code"),
    *("eta_basis", "eta_cause", "evidence", "failure_reason", "key", "key_hash", "kind", "lease_owner", "locale"),
    *("made_by", "model", "occasion", "open_key", "opt_out_type", "origin", "part", "password_hash", "phone", "email"),
    *("planned_at_local", "probe_owner", "promise_cause", "provider", "provider_ref", "public_sha256", "read_as"),
    *("request_hash", "resolved_by", "role", "saved_by", "scope", "search_about", "search_words", "sha256", "source"),
    *("source_url", "speed_unit", "status", "subject_kind", "taken_over_by", "assigned_to", "to_address"),
    *("from_address", "token_hash", "totp_nonce", "trouble", "voice", "zone", "address", "choices", "instead_of"),
    *("reference", "import_route", "reason", "body", "code_hash"),
}


def unclassified() -> list[str]:
    """Return text columns that are in neither list: somebody has to say whether a person fills them."""
    return [
        f"{table.name}.{column.name}"
        for table, column in _text_columns()
        if column.name not in FILLED.get(table.name, set())
        and column.name not in MADE_BY_CODE
        and not column.name.endswith("id")
    ]


def fill(session: Session, first: int) -> dict[str, set[str]]:
    """Put a payload into every such column of every row, the ``first`` one first; return which went where."""
    used: dict[str, set[str]] = {}
    numbers = itertools.count(first)
    for table in Base.metadata.sorted_tables:
        for name in sorted(FILLED.get(table.name, set())):
            used[f"{table.name}.{name}"] = _fill_column(session, table, name, numbers)
    return used


def _fill_column(session: Session, table: Table, name: str, numbers: Iterator[int]) -> set[str]:
    keys = list(table.primary_key.columns)
    rows = session.execute(table.select().order_by(*keys)).mappings().all()
    told = [
        {**{f"key_{key.name}": row[key.name] for key in keys}, "text": PAYLOADS[next(numbers) % len(PAYLOADS)]}
        for row in rows
    ]
    if told:
        where = [key == bindparam(f"key_{key.name}") for key in keys]
        session.connection().execute(update(table).where(*where).values({name: bindparam("text")}), told)
    return {row["text"] for row in told}


def _text_columns() -> Iterator[tuple[Table, object]]:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, String | Text) and not isinstance(column.type, JSON):
                yield table, column
