"""Ratings and cases as staff see them, and tasks that settle at once."""

import csv
import io
import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from messaging.cases import Case, CaseStatus, Task, TaskKind, open_task
from messaging.chat_lines import ChatMessage
from messaging.consent import ConsentEvent
from messaging.fairness import ScoreCause
from messaging.inbound_texts import InboundMessage
from messaging.kinds import Channel, Kind
from messaging.notifications import Notification
from messaging.ratings import Rating
from portal.accounts import Role
from portal.services import Services
from tests.portal.staff_browser import StaffBrowser
from tests.portal.staff_day import StaffDay, build_day
from tracking.deliveries import Delivery
from tracking.ids import new_id


@pytest.fixture
def day(services: Services) -> StaffDay:
    with services.database.writing() as session:
        return build_day(session, now=services.clock.now(), ids=new_id)


@pytest.fixture
def staff(client: FlaskClient, services: Services) -> StaffBrowser:
    return StaffBrowser(client, services, Role.AGENT)


def test_the_page_draws_weeks_and_tells_the_same_in_a_table(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    with services.database.writing() as session:
        low = session.scalars(select(Rating).where(Rating.score == 2)).first()
        assert low is not None
        low.cause, low.cause_min = ScoreCause.LATE_START, 25
        answers = session.scalar(select(func.count()).select_from(Rating))

    page = staff.get("/staff/ratings").text

    assert page.count("<caption>Satisfied by week</caption>") == 1
    assert f"{answers} answers" in page
    assert 'class="columns"' in page
    assert "Two hours late and nobody told me why." in page
    assert "The depot let the truck out 25 min late: not the driver&#39;s score" in page
    assert "1 not theirs" in page


@pytest.mark.parametrize(
    "query",
    ["score=low", "score=good&said=yes", "q=zebra", "since=2026-03-04&until=2026-03-04", "since=x&until=9999-01-01",
     "since=0001-01-01", "driver=none", "shown=3", "shown=%00", "score=x"],
)  # fmt: skip
def test_whatever_is_asked_for_is_answered(staff: StaffBrowser, day: StaffDay, query: str) -> None:
    assert staff.get(f"/staff/ratings?{query}").status_code == 200
    assert staff.get(f"/staff/ratings.csv?{query}").status_code == 200


def test_the_sheet_has_every_rating_asked_for_and_whose_it_is(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    sheet = staff.get("/staff/ratings.csv?score=low").text.removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(sheet)))

    assert {row["score"] for row in rows} <= {"1", "2"}
    assert "left in the rain" in {row["comment"] for row in rows}
    assert {row["counts_for"] for row in rows} == {"driver and depot"}


def test_a_case_is_asked_back_once_and_closed_with_the_question_how_it_is_now(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    path = f"/staff/cases/{day.case}"
    question = "I am sorry. What went wrong, and what would make it good?"
    assert question in staff.get(path).text

    staff.post(f"{path}/ask", {"question": question})
    again = staff.post(f"{path}/ask", {"question": question}, follow_redirects=True).text
    staff.post(f"{path}/close", {"resolution": "Sent a new one", "again": "yes"})

    assert "asked already" in again
    with services.database.reading() as session:
        case = session.get_one(Case, day.case)
        said = session.scalars(select(ChatMessage.body).where(ChatMessage.conversation_id == case.delivery_id)).all()
        sent = session.scalars(select(Notification).where(Notification.kind == Kind.CASE_FOLLOW_UP)).all()
    assert said.count(question) == 1
    assert (case.status, len(sent)) == (CaseStatus.CLOSED, 1)
    assert "Asked how it is now" in staff.get(path).text


def test_a_case_tells_what_was_said_in_the_order_it_was_said(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    said = [
        ("delivered", "delivered", "2026-03-05T15:31:00+00:00"),
        ("day_before", "undelivered", "2026-03-04T23:00:00+00:00"),
        ("rating_request", "withdrawn", "2026-03-05T16:00:00+00:00"),
        ("morning_of", "delivered", "2026-03-05T08:00:00-05:00"),
    ]
    notifications = [{"kind": kind, "channel": "sms", "status": status, "at": at} for kind, status, at in said]
    facts = {"driver": "Dana", "notifications": notifications, "promise_changes": []}
    with services.database.writing() as session:
        session.get_one(Case, day.case).facts = facts
    page = staff.get(f"/staff/cases/{day.case}").text
    told = re.findall(r"</span> ([^<]+)</li>", page.partition("What they had been told")[2].partition("</ul>")[0])

    assert [line.partition(" by text")[0] for line in told] == ["Day before", "Morning of", "Delivered"]
    assert "Promise changed" not in page

    with services.database.writing() as session:
        session.get_one(Case, day.case).facts = facts | {"promise_changes": [{}, {}]}
    assert "2 times after they had opened their page" in staff.get(f"/staff/cases/{day.case}").text


def inbound(services: Services, body: str, kind: TaskKind) -> str:
    """Put a text on record with the task it made, and return the task's id."""
    now, inbound_id, task_id = services.clock.now(), new_id(), new_id()
    told = {"from_address": "+12015550188", "to_address": "+12125550100", "received_at": now, "read_at": now}
    with services.database.writing() as session:
        session.add(InboundMessage(id=inbound_id, channel=Channel.SMS, provider_ref=inbound_id, body=body, **told))
        session.flush()
        open_task(
            session, kind=kind, key=f"x/{inbound_id}", reason=body, now=now, ids=lambda: task_id, inbound_id=inbound_id
        )
    return task_id


def test_a_text_from_an_unknown_number_is_put_where_it_belongs(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    task_id = inbound(services, "The code is 4412", TaskKind.UNMATCHED_INBOUND)
    with services.database.reading() as session:
        reference = session.get_one(Delivery, day.late).reference
    assert "Put it there" in staff.get("/staff/tasks").text

    nowhere = staff.post(f"/staff/tasks/{task_id}/attach", {"to": "NOPE"}, follow_redirects=True)
    there = staff.post(f"/staff/tasks/{task_id}/attach", {"to": reference})

    assert "There is no such delivery" in nowhere.text
    assert day.late in there.headers["Location"]
    page = staff.get(f"/staff/conversations/{day.late}").text
    assert "The code is 4412" in page
    assert "put here by staff" in page
    with services.database.reading() as session:
        assert session.get_one(Task, task_id).resolved_at is not None
    assert staff.post("/staff/tasks/madeup/attach", {"to": reference}).status_code == 404


def test_an_opt_out_nobody_meant_is_taken_back_with_one_click(
    staff: StaffBrowser, services: Services, day: StaffDay
) -> None:
    task_id = inbound(services, "please stop at the gate", TaskKind.OPT_OUT_REVIEW)
    assert "They did not mean it" in staff.get("/staff/tasks").text

    first = staff.post(f"/staff/tasks/{task_id}/undo-opt-out", follow_redirects=True)
    second = staff.post(f"/staff/tasks/{task_id}/undo-opt-out", follow_redirects=True)

    assert "They get texts again" in first.text
    assert "settled already" in second.text
    with services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(ConsentEvent)) == 1


def test_a_message_goes_out_again_when_staff_wish(staff: StaffBrowser, services: Services, day: StaffDay) -> None:
    with services.database.reading() as session:
        of = select(Notification).where(Notification.delivery_id == day.chatty)
        row = session.scalars(of).first()
        before = session.scalar(select(func.count()).where(Notification.delivery_id == day.chatty))
    assert row is not None
    assert "Send again" in staff.get(f"/staff/conversations/{day.chatty}").text

    staff.post(f"/staff/deliveries/{day.chatty}/notices/{row.id}/resend")
    of_another = staff.post(f"/staff/deliveries/{day.late}/notices/{row.id}/resend")

    assert of_another.status_code == 404
    with services.database.reading() as session:
        after = session.scalars(of.order_by(Notification.created_at.desc())).all()
    assert len(after) == (before or 0) + 1
    assert after[0].created_at - row.created_at > timedelta(0)
