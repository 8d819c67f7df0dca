"""Views that are used again are the ones that would be made now; and polls answer what the pages would."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError

from messaging.conversations import Origin, Voice, say
from portal.recipient.recall import Recall
from portal.services import Services
from tests.portal.recipient_day import NOW, keep_fix, link_of, on_the_way
from tracking.clocks import SetClock
from tracking.deliveries import Delivery, load
from tracking.links import Audience, ClosedLink, Link, LinkSigner, revoke


@pytest.fixture
def clock() -> SetClock:
    """Four minutes past two, where the parcel goes."""
    return SetClock(NOW)


@pytest.fixture
def environ(environ: dict[str, str], database_url: str) -> dict[str, str]:
    """The usual environment, once on each engine."""
    return {**environ, "PORTAL_DATABASE_URL": database_url}


@pytest.fixture
def delivery(services: Services) -> Delivery:
    """A delivery on its way."""
    with services.database.writing() as session:
        return on_the_way(session)


@pytest.fixture
def link(services: Services, delivery: Delivery) -> Link:
    """Its recipient's link."""
    with services.database.writing() as session:
        return link_of(session, delivery)


@pytest.fixture
def recall(services: Services, link: Link) -> Recall:
    """One that has seen the link once."""
    found = Recall(services)
    found.look(link.id, None, NOW)
    return found


@pytest.fixture
def orm(services: Services) -> Iterator[list[str]]:
    """What is asked of the record through SQLAlchemy."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(services.database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(services.database.engine, "before_cursor_execute", note)


def test_a_first_look_reads_no_lines_where_nobody_wrote_and_nothing_twice(
    services: Services, link: Link, orm: list[str]
) -> None:
    Recall(services).look(link.id, None, NOW)
    assert [statement for statement in orm if "FROM chat_messages" in statement] == []
    read = [statement for statement in orm if "SELECT" in statement and not statement.startswith("WITH")]
    assert len(set(read)) == len(read)
    assert sum("FROM quick_reply_versions" in statement for statement in read) == 1


def test_a_view_is_not_made_again_while_nothing_has_changed(recall: Recall, link: Link, orm: list[str]) -> None:
    seen = recall.look(link.id, None, NOW + timedelta(seconds=10))
    assert orm == []
    assert (seen.now, seen.view.now) == (NOW + timedelta(seconds=10), NOW)


def test_a_view_is_made_again_with_the_minute(recall: Recall, link: Link, orm: list[str]) -> None:
    recall.look(link.id, None, NOW + timedelta(seconds=60))
    assert orm


def test_what_others_write_while_a_view_is_made_is_in_the_next(
    services: Services, link: Link, delivery: Delivery
) -> None:
    recall, note = Recall(services), "Gate 'n%s' {4412},\nround the back"
    written: list[str] = []

    def write(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM deliveries" in statement and not written:  # the link is read, the delivery not yet
            written.append(note)
            with services.database.writing() as session:
                load(session, delivery.id).recipient_note = note

    event.listen(services.database.engine, "before_cursor_execute", write)
    recall.look(link.id, None, NOW)
    event.remove(services.database.engine, "before_cursor_execute", write)
    assert recall.look(link.id, None, NOW).view.note == note


def test_a_record_that_cannot_be_read_is_said_by_the_orm(recall: Recall, services: Services, link: Link) -> None:
    with services.database.writing() as session:
        session.execute(text("ALTER TABLE ratings RENAME TO elsewhere"))
    with pytest.raises(SQLAlchemyError):
        recall.look(link.id, None, NOW)


def test_a_new_line_is_in_the_next_view(recall: Recall, services: Services, link: Link, delivery: Delivery) -> None:
    with services.database.writing() as session:
        body = "On my way up"
        say(session, delivery_id=delivery.id, voice=Voice.DRIVER, origin=Origin.PAGE, actor_id="d", body=body, now=NOW)
    assert "On my way up" in [line.body for line in recall.look(link.id, None, NOW).view.lines]


def test_a_new_fix_is_in_the_next_view(recall: Recall, services: Services, link: Link, delivery: Delivery) -> None:
    before = recall.look(link.id, None, NOW).view.signal_at
    with services.database.writing() as session:
        keep_fix(session, load(session, delivery.id).stop, age_s=1)
    assert recall.look(link.id, None, NOW).view.signal_at != before


def test_a_revoked_link_is_refused_at_once(recall: Recall, services: Services, link: Link) -> None:
    with services.database.writing() as session:
        revoke(session, [link.id], NOW)
    with pytest.raises(ClosedLink):
        recall.look(link.id, None, NOW)


def test_an_expired_link_is_refused(recall: Recall, link: Link) -> None:
    with pytest.raises(ClosedLink):
        recall.look(link.id, None, link.expires_at)


def test_a_fix_that_gets_old_makes_the_view_anew(recall: Recall, link: Link) -> None:
    changes_at = recall.look(link.id, None, NOW).view.changes_at
    assert changes_at is not None
    assert recall.look(link.id, None, changes_at).view.signal == "stale"


def test_pages_use_it_and_speak_the_chosen_language(client: FlaskClient, signer: LinkSigner, link: Link) -> None:
    path = f"/t/{signer.token(link.id, Audience.RECIPIENT)}"
    for _ in range(4):
        assert 'lang="en' in client.get(path).text
        assert 'lang="es' in client.get(path, query_string={"lang": "es"}).text
