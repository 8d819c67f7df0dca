from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import make_delivery
from tracking.clocks import SetClock
from tracking.ids import new_link_id
from tracking.link_book import LinkBook
from tracking.links import Audience, Link, recipient_link, revoke, unsubscribe_link


def test_a_delivery_gets_one_link_however_many_messages_go_to_it(session: Session, clock: SetClock) -> None:
    delivery, later = make_delivery(session), clock.now() + timedelta(days=1)
    book = LinkBook(session, [delivery.id], new_id=new_link_id, now=clock.now())

    link_ids = {book.id_of(delivery.id, Audience.RECIPIENT, later) for _ in range(3)}
    book.keep(session)

    assert set(session.scalars(select(Link.id))) == link_ids
    (link_id,) = link_ids
    found = recipient_link(session, delivery_id=delivery.id, link_id="other", now=clock.now(), expires_at=later)
    assert (found.id, found.expires_at) == (link_id, later)


def test_what_was_sent_before_is_used_again_and_what_was_revoked_is_not(session: Session, clock: SetClock) -> None:
    now, later = clock.now(), clock.now() + timedelta(days=1)
    first, second = make_delivery(session), make_delivery(session)
    for number, delivery in enumerate((first, second)):
        recipient_link(session, delivery_id=delivery.id, link_id=f"old{number}", now=now, expires_at=later)
        unsubscribe_link(session, delivery_id=delivery.id, link_id=f"ends{number}", now=now, expires_at=later)
    revoke(session, ["old1", "ends1"], now)

    book = LinkBook(session, [first.id, second.id], new_id=lambda: "new", now=now)

    assert book.id_of(first.id, Audience.RECIPIENT, later) == "old0"
    assert book.id_of(second.id, Audience.RECIPIENT, later) == "new"
    # Who wants no more mail may say so by a mail of any age.
    assert book.id_of(second.id, Audience.UNSUBSCRIBE, later) == "ends1"
