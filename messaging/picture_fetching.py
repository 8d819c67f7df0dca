"""Fetching pictures that came by MMS: one after the other, nothing open in the record while the network is asked."""

from dataclasses import dataclass

from sqlalchemy import or_, select

from messaging.channels.twilio_media import NoMedia, TwilioMedia
from messaging.chat_lines import ChatMessage
from messaging.chat_pictures import ChatPicture, PictureStatus, keep
from tracking.clocks import Clock
from tracking.files import FileStore
from tracking.pictures import BadPicture, Picture, read_photo
from tracking.storage import Database

MOST_AT_ONCE = 20
FIRST_WAIT_S = 10.0  # machine seconds; doubles with each attempt
MOST_ATTEMPTS = 10  # the last one comes about 1.5 h after the first


@dataclass(frozen=True, slots=True)
class _Due:
    """What is to be fetched, as plain values."""

    id: str
    url: str
    attempts: int


async def fetch_pictures(*, database: Database, files: FileStore, media: TwilioMedia, clock: Clock) -> list[str]:
    """Fetch what waits, and return the deliveries whose threads have something new to show. May run twice at once."""
    changed: list[str] = []
    for due in _due(database, clock.elapsed()):
        try:
            picture: Picture | None = read_photo(await media.fetch(due.url))
            refusal, status = "", PictureStatus.READY
        except NoMedia as error:
            if not error.is_permanent and due.attempts + 1 < MOST_ATTEMPTS:
                _later(database, due, clock.elapsed())
                continue
            picture, refusal, status = None, str(error), PictureStatus.FAILED
        except BadPicture as error:
            picture, refusal, status = None, str(error), PictureStatus.REFUSED
        changed += _settle(database, files, due, picture, status, refusal)
    return changed


def has_waiting(database: Database, elapsed: float) -> bool:
    """True when something could be fetched now."""
    return bool(_due(database, elapsed))


def _due(database: Database, elapsed: float) -> list[_Due]:
    statement = select(ChatPicture.id, ChatPicture.source_url, ChatPicture.attempts).where(
        ChatPicture.status == PictureStatus.WAITING,
        or_(ChatPicture.retry_after.is_(None), ChatPicture.retry_after <= elapsed),
    )
    with database.reading() as session:
        rows = session.execute(statement.order_by(ChatPicture.created_at, ChatPicture.id).limit(MOST_AT_ONCE))
        return [_Due(*row) for row in rows]


def _later(database: Database, due: _Due, elapsed: float) -> None:
    with database.writing() as session:
        row = session.get(ChatPicture, due.id)
        if row is not None and row.status is PictureStatus.WAITING:
            row.attempts += 1
            row.retry_after = elapsed + FIRST_WAIT_S * 2**due.attempts


def _settle(
    database: Database, files: FileStore, due: _Due, picture: Picture | None, status: PictureStatus, refusal: str
) -> list[str]:
    """Keep what was fetched, or why not; return the deliveries that show it."""
    with database.writing() as session:
        row = session.get(ChatPicture, due.id)
        if row is None or row.status is not PictureStatus.WAITING:
            return []
        row.attempts += 1
        if picture is not None:
            keep(row, picture, files)
        else:
            row.status, row.reason = status, refusal[:200]
        shown = select(ChatMessage.conversation_id).where(ChatMessage.inbound_id == row.inbound_id).distinct()
        return list(session.scalars(shown))
