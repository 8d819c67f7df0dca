"""The search index over chat lines: kept by the database itself, and asked for the newest lines that hold every word.

SQLite has an FTS5 table over ``chat_messages.search_words``, kept in step by triggers; PostgreSQL a GIN index over the
same words. So whoever adds, moves or erases a line cannot forget the index. The words are made by ``search_words``.
"""

from sqlalchemy import DDL, ColumnElement, Select, cast, column, event, func, select, table, text
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.orm import Session

from messaging.chat_lines import ChatMessage, Conversation, Voice
from messaging.search_words import is_prefix, words_of
from tracking.deliveries import Delivery

MOST_LINES = 1_000  # looked at for one search, newest first (our choice)

SQLITE_INDEX = (
    "CREATE VIRTUAL TABLE chat_search USING fts5(search_words, content='chat_messages', content_rowid='id', "
    "tokenize=\"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\", prefix='2 3')",
    "CREATE TRIGGER chat_search_added AFTER INSERT ON chat_messages BEGIN "
    "INSERT INTO chat_search(rowid, search_words) VALUES (new.id, new.search_words); END",
    "CREATE TRIGGER chat_search_gone AFTER DELETE ON chat_messages BEGIN "
    "INSERT INTO chat_search(chat_search, rowid, search_words) VALUES ('delete', old.id, old.search_words); END",
    "CREATE TRIGGER chat_search_changed AFTER UPDATE OF search_words ON chat_messages BEGIN "
    "INSERT INTO chat_search(chat_search, rowid, search_words) VALUES ('delete', old.id, old.search_words); "
    "INSERT INTO chat_search(rowid, search_words) VALUES (new.id, new.search_words); END",
)
POSTGRESQL_INDEX = (
    "CREATE INDEX ix_chat_messages_search ON chat_messages "
    "USING gin (array_to_tsvector(string_to_array(search_words, ' ')))",
)
for _statement in SQLITE_INDEX:
    event.listen(ChatMessage.__table__, "after_create", DDL(_statement).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]
for _statement in POSTGRESQL_INDEX:
    event.listen(ChatMessage.__table__, "after_create", DDL(_statement).execute_if(dialect="postgresql"))  # type: ignore[no-untyped-call]

event.listen(
    ChatMessage.__table__,
    "before_drop",
    DDL("DROP TABLE IF EXISTS chat_search").execute_if(dialect="sqlite"),  # type: ignore[no-untyped-call]
)

_CHAT_SEARCH = table("chat_search", column("rowid"))


def about_words(delivery: Delivery) -> str:
    """Return the words of a delivery that its lines are found by too: the recipient's name and the reference."""
    return " ".join(words_of(f"{delivery.recipient_name} {delivery.reference}"))


def line_words(voice: Voice, body: str, about: str) -> str:
    """Return what one line is found by. What the system says itself is not looked for."""
    said = "" if voice is Voice.SYSTEM else " ".join(words_of(body))
    return f"{said} {about}".strip()


def keep_about(session: Session, delivery: Delivery) -> None:
    """Let the lines of a delivery be found by its name and reference as they are now."""
    conversation = session.get(Conversation, delivery.id)
    about = about_words(delivery)
    if conversation is None or conversation.search_about == about:
        return
    conversation.search_about = about
    for line in session.scalars(select(ChatMessage).where(ChatMessage.conversation_id == delivery.id)):
        line.search_words = line_words(line.voice, line.body, about)


def newest_lines(session: Session, wanted: tuple[str, ...]) -> list[tuple[int, str]]:
    """Return (line id, conversation id) of the newest lines that hold every word, newest first; none for no word."""
    if not wanted:
        return []
    statement = select(ChatMessage.id, ChatMessage.conversation_id)
    if session.get_bind().dialect.name == "sqlite":
        # The index is walked by itself and cut off first: a common word is in tens of thousands of lines.
        found = _in_sqlite(wanted).subquery()
        statement = statement.join(found, found.c.rowid == ChatMessage.id)
    else:
        statement = statement.where(_in_postgresql(wanted))
    rows = session.execute(statement.order_by(ChatMessage.id.desc()).limit(MOST_LINES))
    return [(row.id, row.conversation_id) for row in rows]


def _in_sqlite(wanted: tuple[str, ...]) -> Select[int]:
    # Words hold letters and numbers only; the quotes keep FTS5 from reading AND, OR, NOT and NEAR in them.
    match = " ".join(f'"{word}"*' if is_prefix(word) else f'"{word}"' for word in wanted)
    statement = select(_CHAT_SEARCH.c.rowid).where(text("chat_search MATCH :match").bindparams(match=match))
    return statement.order_by(_CHAT_SEARCH.c.rowid.desc()).limit(MOST_LINES)


def _in_postgresql(wanted: tuple[str, ...]) -> ColumnElement[bool]:
    vector = func.array_to_tsvector(func.string_to_array(ChatMessage.search_words, text("' '")))
    terms = [f"'{word}':*" if is_prefix(word) else f"'{word}'" for word in wanted]
    return vector.bool_op("@@")(cast(" & ".join(terms), TSQUERY))
