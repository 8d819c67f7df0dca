"""What staff set holds for what has not gone out, and nothing goes out twice for it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from messaging.in_force import in_force, nearness_in_force
from messaging.kinds import Channel, Kind
from messaging.message_rules import KindRules, on_since
from messaging.message_versions import Change, MessageVersion, Overtaken, add_version, rules_part, text_part
from messaging.notifications import NotificationStatus, advance
from messaging.reconciler import dirty_deliveries, of_delivery, reconcile
from messaging.replanning import STEP, spread
from messaging.schedule import DEFAULT_RULES
from messaging.texts import SHIPPED
from tests.builders import local, make_delivery, make_route, make_stop
from tracking.deliveries import DeliveryStatus
from tracking.nearness import USUAL_NEARNESS, Nearness
from tracking.storage import Database

DAY = timedelta(days=1)
NOON = local("12:00") - 2 * DAY
Ids = Callable[[], str]
_S = NotificationStatus


def edit(database: Database, part: str, content: dict[str, object], seen: int = 0, *, spreads: bool = False) -> None:
    with database.writing() as session:
        add_version(session, part, content, Change(seen, "staff", NOON), needs_spreading=spreads)


def set_rules(database: Database, kind: Kind, wanted: KindRules, seen: int = 0) -> None:
    with database.writing() as session:
        kept = {version.number: version.content for version in session.scalars(select(MessageVersion))}
        since = on_since(kind, kept.get(seen, {}), wanted, NOON)
        change = Change(seen, "staff", NOON)
        add_version(session, rules_part(kind), wanted.content(since), change, needs_spreading=True)


def replan(database: Database, ids: Ids) -> None:
    spread(database, NOON)
    with database.reading() as session:
        dirty = dirty_deliveries(session, 1000)
    for delivery_id in dirty:
        with database.writing() as session:
            reconcile(session, delivery_id, now=NOON, ids=ids, pepper="p")


def rows(database: Database, delivery_id: str, kind: Kind) -> dict[Channel, tuple[NotificationStatus, str]]:
    with database.reading() as session:
        found = [row for row in of_delivery(session, delivery_id) if row.kind is kind]
    return {row.channel: (row.status, f"{row.planned_on} {row.planned_at_local}") for row in found}


def test_nothing_edited_is_what_ships(database: Database) -> None:
    with database.reading() as session:
        assert (in_force(session).rules, in_force(session).texts) == (DEFAULT_RULES, SHIPPED)


def test_an_edited_text_counts_for_its_channel_and_language_only(database: Database) -> None:
    edit(database, text_part(Kind.ARRIVED, Channel.SMS, "es"), {"subject": "", "body": "Ya ((link))"})
    with database.reading() as session:
        texts = in_force(session).texts

    assert texts.source(Kind.ARRIVED, Channel.SMS, "es").body == "Ya ((link))"
    assert "at your door" in texts.source(Kind.ARRIVED, Channel.SMS, "en").body
    assert "en su puerta" in texts.source(Kind.ARRIVED, Channel.EMAIL, "es").body


def test_a_text_with_a_word_that_is_gone_is_not_used(database: Database) -> None:
    edit(database, text_part(Kind.ARRIVED, Channel.SMS, "en"), {"subject": "", "body": "((weather)) ((link))"})
    with database.reading() as session:
        assert "at your door" in in_force(session).texts.source(Kind.ARRIVED, Channel.SMS, "en").body


def test_two_who_save_over_the_same_version_make_one(database: Database) -> None:
    part = text_part(Kind.ARRIVED, Channel.SMS, "en")
    edit(database, part, {"subject": "", "body": "((link))"})
    with pytest.raises(Overtaken):
        edit(database, part, {"subject": "", "body": "Other ((link))"})


def test_another_hour_moves_what_waits_and_off_takes_it_back_and_on_again_revives_it(
    database: Database, ids: Ids
) -> None:
    with database.writing() as session:
        made = make_delivery(session, plan_dirty_at=NOON).id
    replan(database, ids)
    found = []
    for seen, wanted in enumerate(
        (KindRules(is_on=True, days_before=2), KindRules(is_on=False), KindRules(is_on=True))
    ):
        set_rules(database, Kind.DAY_BEFORE, wanted, seen)
        replan(database, ids)
        found.append(rows(database, made, Kind.DAY_BEFORE)[Channel.SMS])

    assert found == [
        (_S.DUE, "2026-03-03 18:00"),
        (_S.WITHDRAWN, "2026-03-03 18:00"),
        (_S.DUE, "2026-03-04 18:00"),
    ]


def test_another_wait_moves_what_waits_after_the_tap(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        made = make_delivery(
            session, plan_dirty_at=NOON, status=DeliveryStatus.DELIVERED, delivered_at=NOON, status_at=NOON
        ).id
    replan(database, ids)
    set_rules(database, Kind.DELIVERED, KindRules(is_on=True, wait_s=300))
    replan(database, ids)

    with database.reading() as session:
        due = {row.due_at for row in of_delivery(session, made) if row.kind is Kind.DELIVERED}
    assert due == {NOON + timedelta(minutes=5)}


def test_what_counts_as_near_is_what_staff_set(database: Database) -> None:
    with database.reading() as session:
        assert nearness_in_force(session) == USUAL_NEARNESS
    set_rules(database, Kind.NEXT_STOP, KindRules(is_on=True, nearness=Nearness(30, or_next=False)))
    with database.reading() as session:
        assert nearness_in_force(session) == Nearness(30, or_next=False)


def test_what_went_out_is_not_sent_again_at_its_new_hour(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        made = make_delivery(session, plan_dirty_at=NOON, email=None).id
    replan(database, ids)
    with database.writing() as session:
        sent = next(row for row in of_delivery(session, made) if row.kind is Kind.DAY_BEFORE)
        advance(session, sent.id, _S.SENDING)
        advance(session, sent.id, _S.ACCEPTED, accepted_at=NOON)

    set_rules(database, Kind.DAY_BEFORE, KindRules(is_on=True, days_before=3))
    replan(database, ids)

    assert rows(database, made, Kind.DAY_BEFORE) == {Channel.SMS: (_S.ACCEPTED, "2026-03-04 18:00")}


def test_a_kind_that_is_switched_on_tells_nothing_of_what_was_before(database: Database, ids: Ids) -> None:
    with database.writing() as session:
        old = make_delivery(session, plan_dirty_at=NOON).id
        new = make_delivery(session, plan_dirty_at=NOON, created_at=NOON + timedelta(minutes=1)).id
    set_rules(database, Kind.SCHEDULED, KindRules(is_on=True))

    replan(database, ids)

    assert rows(database, old, Kind.SCHEDULED) == {}
    assert rows(database, new, Kind.SCHEDULED)[Channel.SMS][0] is _S.DUE


def test_a_change_of_rules_reaches_every_open_delivery_and_is_spread_once(database: Database) -> None:
    with database.writing() as session:
        stop = make_stop(session, make_route(session))
        made = {make_delivery(session, stop=stop).id for _ in range(STEP + 20)}
        make_delivery(session, stop=stop, status=DeliveryStatus.CANCELLED, status_at=NOON - 30 * DAY)
    set_rules(database, Kind.DAY_BEFORE, KindRules(is_on=False))
    stopped = iter([False, True])

    assert spread(database, NOON, should_stop=lambda: next(stopped)) == STEP
    assert spread(database, NOON) == STEP + 20
    assert spread(database, NOON) == 0
    with database.reading() as session:
        assert set(dirty_deliveries(session, 1000)) == made
