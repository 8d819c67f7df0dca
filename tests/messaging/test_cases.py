from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from messaging.business_hours import business_deadline
from messaging.cases import (
    Case,
    CaseStatus,
    EmptyResolution,
    TaskKind,
    assign_case,
    cases,
    close_case,
    open_case,
    open_task,
    open_tasks,
    resolve_task,
    resolve_task_of,
)
from tests.builders import local, make_delivery
from tracking.ids import new_id

NOW = local("10:00")


def opened(session: Session, **options: Any) -> Case:
    given: dict[str, Any] = {"score": 1, "comment": "", "facts": {}, "zone": "America/New_York", "now": NOW, **options}
    delivery = make_delivery(session)
    return session.get_one(Case, open_case(session, delivery_id=delivery.id, ids=new_id, **given))


@pytest.mark.parametrize(
    ("start", "deadline"),
    [
        (local("10:00"), local("14:00")),
        (local("06:00"), local("13:00")),  # the office opens at 9
        (local("15:00"), local("11:00", on=date(2026, 3, 6))),  # two hours today, two tomorrow
        (local("16:00", on=date(2026, 3, 6)), local("12:00", on=date(2026, 3, 9))),  # Friday to Monday
        (local("12:00", on=date(2026, 3, 7)), local("13:00", on=date(2026, 3, 9))),  # Saturday; clocks go forward
    ],
)
def test_a_deadline_counts_office_hours_only(start: datetime, deadline: datetime) -> None:
    assert business_deadline(start, zone="America/New_York", hours=4) == deadline


def test_open_cases_are_listed_by_deadline(session: Session) -> None:
    later, sooner = opened(session, now=NOW + timedelta(hours=1)), opened(session)
    assert [case.id for case in cases(session, CaseStatus.OPEN)] == [sooner.id, later.id]


def test_a_case_is_closed_once_with_a_word_by_who_owns_it(session: Session) -> None:
    case = opened(session)
    assert assign_case(session, case.id, "bo")
    assert close_case(session, case.id, resolution="New sofa sent", staff_id="cy", now=NOW)
    assert not close_case(session, case.id, resolution="Again", staff_id="cy", now=NOW)
    session.refresh(case)
    assert (case.status, case.resolution, case.owner_id) == (CaseStatus.CLOSED, "New sofa sent", "bo")
    assert not assign_case(session, case.id, "cy")


def test_a_case_is_not_closed_without_a_word(session: Session) -> None:
    with pytest.raises(EmptyResolution, match="how this was settled"):
        close_case(session, opened(session).id, resolution="  ", staff_id="bo", now=NOW)


def test_a_task_is_listed_once_and_settled_once(session: Session) -> None:
    for _ in range(2):
        open_task(session, key="k", kind=TaskKind.COULD_NOT_REACH, reason="Both failed.", now=NOW, ids=new_id)
    (task,) = open_tasks(session)
    assert resolve_task(session, task.id, resolved_by="bo", resolution="Called", now=NOW)
    assert not resolve_task(session, task.id, resolved_by="bo", resolution="Called", now=NOW)
    assert not resolve_task_of(session, "k", resolution="itself", now=NOW)
    assert open_tasks(session) == []
