"""Every move of a delivery, allowed or not (DESIGN 4)."""

from itertools import product

import pytest
from sqlalchemy.orm import Session

from tests.builders import local, make_delivery
from tracking.deliveries import MOVES, STATE_SENTENCES, DeliveryStatus, advance, load, require_move
from tracking.errors import NotFound, WrongMove


@pytest.mark.parametrize(("source", "target"), list(product(DeliveryStatus, DeliveryStatus)))
def test_only_the_listed_moves_happen(session: Session, source: DeliveryStatus, target: DeliveryStatus) -> None:
    delivery = make_delivery(session, status=source)
    moved = advance(session, delivery.id, target, at=local("10:00"))
    after = load(session, delivery.id)
    assert moved is (target in MOVES[source])
    assert after.status is (target if moved else source)
    assert (after.plan_dirty_at is not None) is moved
    assert after.version == (2 if moved else 1)


def test_wrong_move_says_what_the_state_is(session: Session) -> None:
    delivery = make_delivery(session, status=DeliveryStatus.CANCELLED)
    with pytest.raises(WrongMove, match="This delivery is cancelled") as caught:
        require_move(session, delivery.id, DeliveryStatus.DELIVERED, at=local("10:00"))
    assert caught.value.state == "cancelled"


def test_move_of_an_unknown_delivery_is_not_found(session: Session) -> None:
    with pytest.raises(NotFound):
        require_move(session, "0" * 32, DeliveryStatus.DELIVERED, at=local("10:00"))


def test_every_status_has_its_sentence() -> None:
    assert set(STATE_SENTENCES) == set(DeliveryStatus) == set(MOVES)
