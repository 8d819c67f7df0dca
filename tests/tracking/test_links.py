"""Links: short, signed, one canonical spelling, one audience, revocable."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tests.builders import make_delivery
from tracking.clocks import SetClock
from tracking.ids import new_link_id
from tracking.links import Audience, ClosedLink, LinkSigner, UnknownLink, live_link, recipient_link, revoke

OLD, NEW = "old-key-0123456789abcdef", "new-key-0123456789abcdef"


def test_token_is_34_characters_so_that_a_text_stays_one_segment() -> None:
    assert len(LinkSigner([OLD]).token(new_link_id(), Audience.RECIPIENT)) == 34


def test_rotation_keeps_old_links_alive() -> None:
    link_id = new_link_id()
    token = LinkSigner([OLD]).token(link_id, Audience.RECIPIENT)
    assert LinkSigner([OLD, NEW]).link_id(token, Audience.RECIPIENT) == link_id
    with pytest.raises(UnknownLink):
        LinkSigner([NEW]).link_id(token, Audience.RECIPIENT)


def test_link_of_one_audience_opens_nothing_of_another() -> None:
    signer = LinkSigner([OLD])
    with pytest.raises(UnknownLink):
        signer.link_id(signer.token(new_link_id(), Audience.RECIPIENT), Audience.DRIVER)


def test_other_spellings_of_a_true_signature_are_refused() -> None:
    signer = LinkSigner([OLD])
    token = signer.token("0123456789A", Audience.RECIPIENT)
    accepted = []
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        for padding in ("", "=", "=="):
            try:
                signer.link_id(token[:-1] + last + padding, Audience.RECIPIENT)
            except UnknownLink:
                continue
            accepted.append(token[:-1] + last + padding)
    assert accepted == [token]


@pytest.mark.parametrize("token", ["", ".", "a" * 10_000, "0123456789A.", "é" * 34, "0123456789A." + "A" * 22])
def test_garbage_is_unknown(token: str) -> None:
    with pytest.raises(UnknownLink):
        LinkSigner([OLD]).link_id(token, Audience.RECIPIENT)


def test_revoked_or_expired_link_is_closed_and_a_new_one_is_made(session: Session, clock: SetClock) -> None:
    delivery = make_delivery(session)
    ends_at = clock.now() + timedelta(days=2)
    first = recipient_link(session, delivery_id=delivery.id, link_id="0123456789A", now=clock.now(), expires_at=ends_at)
    session.flush()
    again = recipient_link(session, delivery_id=delivery.id, link_id="0123456789B", now=clock.now(), expires_at=ends_at)
    assert again.id == first.id
    revoke(session, [first.id], clock.now())
    session.expire_all()
    with pytest.raises(ClosedLink):
        live_link(session, first.id, Audience.RECIPIENT, clock.now())
    fresh = recipient_link(session, delivery_id=delivery.id, link_id="0123456789C", now=clock.now(), expires_at=ends_at)
    session.flush()
    assert fresh.id == "0123456789C"
    clock.advance(days=3)
    with pytest.raises(ClosedLink):
        live_link(session, fresh.id, Audience.RECIPIENT, clock.now())
