"""Every change of the day, played on both databases: what the recipient has in hand at the end is true, once."""

from datetime import timedelta

from messaging.kinds import Channel, Kind
from messaging.message_rules import KindRules
from messaging.message_versions import Change, add_version, rules_part, text_part
from messaging.notifications import Notification, NotificationStatus
from messaging.replanning import recheck_clocks
from tests.messaging.played_day import Act, Outbox, PlayedDay, play
from tracking.clocks import SetClock
from tracking.storage import Database

Steps = list[tuple[str, Act]]
DONE_WITH = {NotificationStatus.SENT, NotificationStatus.WITHDRAWN}

MORNING = "Juniper: your delivery comes today, expected between 10:00 am and 12:00 pm. Live:"
NEXT = "Juniper: you are next. Dana will be with you in about 15 minutes. Live map:"
DONE = "Juniper: your delivery has arrived. How was it? Reply with a number from 1 (poor) to 5 (great). Details:"
FAILED = (
    "Juniper: we could not hand over your delivery today: nobody was there. We will tell you the next date. Details:"
)
NOT_YET = (
    "Juniper: a correction: your delivery has not been handed over yet. Our last message came too early, we are sorry."
)
AFTER_ALL = "Juniper: a correction: we are coming with your delivery today after all. We expect to be with you "
BOOKED = "between 10:00 am and 12:00 pm."
NOT_NEXT = (
    "Juniper: a correction: you are not next any more. We now expect to be with you between 10:00 am and 12:00 pm."
)


def new_day(day: str, window: str) -> str:
    return f"Juniper: your delivery has a new date: {day}, {window}. Details:"


def new_window(day: str, window: str) -> str:
    return f"Juniper: a correction: your delivery comes {day}, {window}. The times we gave before no longer hold."


def eve(day: str, window: str) -> str:
    return f"Juniper: your delivery comes {day}, {window}. Follow it or leave the driver a note:"


TEN = "between 10:00 am and 12:00 pm"
TWO = "between 2:00 pm and 4:00 pm"
EVE = eve("tomorrow, Thursday", TEN)

STARTED: Steps = [("thu 09:30", PlayedDay.start)]
AT_DOOR: Steps = [*STARTED, ("thu 10:40", PlayedDay.is_next), ("thu 10:55", PlayedDay.arrive)]
TOLD = [EVE, MORNING, NEXT]

PLAYS: dict[str, tuple[Steps, list[str]]] = {
    "nothing changes": ([*AT_DOOR, ("thu 11:00", PlayedDay.deliver)], [*TOLD, DONE]),
    "moved before anything was said": (
        [("tue 12:00", lambda day: day.move("fri", "10:00-12:00"))],
        [new_day("on Friday, March 6", TEN), eve("tomorrow, Friday", TEN), MORNING],
    ),
    "moved after the eve's text": (
        [("wed 19:00", lambda day: day.move("fri", "10:00-12:00"))],
        [EVE, new_day("on Friday, March 6", TEN), eve("tomorrow, Friday", TEN), MORNING],
    ),
    "there and back before anything was said": (
        [
            ("tue 07:00", lambda day: day.move("fri", "10:00-12:00")),
            ("tue 07:30", lambda day: day.move("thu", "10:00-12:00")),
            *AT_DOOR,
            ("thu 11:00", PlayedDay.deliver),
        ],
        [*TOLD, DONE],
    ),
    "there and back, both told": (
        [
            ("wed 18:30", lambda day: day.move("fri", "10:00-12:00")),
            ("wed 19:00", lambda day: day.move("thu", "10:00-12:00")),
        ],
        [EVE, new_day("on Friday, March 6", TEN), new_day("tomorrow, Thursday", TEN), MORNING],
    ),
    "there, back and there again": (
        [
            ("wed 18:30", lambda day: day.move("fri", "10:00-12:00")),
            ("wed 19:00", lambda day: day.move("thu", "10:00-12:00")),
            ("wed 19:30", lambda day: day.move("fri", "10:00-12:00")),
        ],
        [
            EVE,
            new_day("on Friday, March 6", TEN),
            new_day("tomorrow, Thursday", TEN),
            new_day("on Friday, March 6", TEN),
            eve("tomorrow, Friday", TEN),
            MORNING,
        ],
    ),
    "there and back at night, when nobody is told": (
        [
            ("wed 22:00", lambda day: day.move("fri", "10:00-12:00")),
            ("wed 23:00", lambda day: day.move("thu", "10:00-12:00")),
        ],
        [EVE, MORNING],
    ),
    "another window before anything was said": (
        [("tue 12:00", lambda day: day.move("thu", "14:00-16:00"))],
        [eve("tomorrow, Thursday", TWO), MORNING.replace(TEN, TWO)],
    ),
    "another window after the eve's text": (
        [("wed 18:30", lambda day: day.window("14:00-16:00"))],
        [EVE, new_window("tomorrow, Thursday", TWO), MORNING.replace(TEN, TWO)],
    ),
    "another window and back, both told": (
        [("wed 18:30", lambda day: day.window("14:00-16:00")), ("wed 19:00", lambda day: day.window("10:00-12:00"))],
        [EVE, new_window("tomorrow, Thursday", TWO), new_window("tomorrow, Thursday", TEN), MORNING],
    ),
    "another window and back within the night": (
        [("wed 22:30", lambda day: day.window("14:00-16:00")), ("wed 23:00", lambda day: day.window("10:00-12:00"))],
        [EVE, MORNING],
    ),
    "another zone, the same hours by the clock there": (
        [("wed 18:30", lambda day: day.window("10:00-12:00", "America/Chicago"))],
        [EVE, MORNING],
    ),
    "another zone, the same instants": (
        [("wed 18:30", lambda day: day.window("09:00-11:00", "America/Chicago"))],
        [
            EVE,
            new_window("tomorrow, Thursday", "between 9:00 am and 11:00 am"),
            MORNING.replace(TEN, "between 9:00 am and 11:00 am"),
        ],
    ),
    "cancelled before anything was said": (
        [("tue 12:00", PlayedDay.cancel)],
        ["Juniper: your delivery (REF) was cancelled. Questions? +12125550199"],
    ),
    "cancelled at night": (
        [("wed 23:00", PlayedDay.cancel)],
        [EVE, "Juniper: your delivery (REF) was cancelled. Questions? +12125550199"],
    ),
    "another driver before the day": ([("wed 19:00", PlayedDay.reassign)], [EVE, MORNING]),
    "another driver while next": (
        [
            *STARTED,
            ("thu 10:40", PlayedDay.is_next),
            ("thu 10:45", PlayedDay.reassign),
            ("thu 11:20", PlayedDay.is_next),
            ("thu 11:40", PlayedDay.deliver),
        ],
        [EVE, MORNING, NEXT, NOT_NEXT, NEXT.replace("Dana", "Noor"), DONE],
    ),
    "put behind another stop while next": (
        [
            *STARTED,
            ("thu 09:40", lambda day: day.reorder(first=True)),
            ("thu 10:40", PlayedDay.is_next),
            ("thu 10:45", lambda day: day.reorder(first=False)),
            ("thu 11:20", PlayedDay.is_next),
            ("thu 11:40", PlayedDay.deliver),
        ],
        [EVE, MORNING, NEXT, NOT_NEXT, NEXT, DONE],
    ),
    "put behind and at once first again": (
        [
            *STARTED,
            ("thu 09:40", lambda day: day.reorder(first=True)),
            ("thu 10:40", PlayedDay.is_next),
            ("thu 10:45", lambda day: day.reorder(first=False)),
            ("thu 10:45", PlayedDay.is_next),
            ("thu 11:10", PlayedDay.deliver),
        ],
        [EVE, MORNING, NEXT, DONE],
    ),
    "an order that changes nothing for them": (
        [
            *STARTED,
            ("thu 10:40", PlayedDay.is_next),
            ("thu 10:45", lambda day: day.reorder(first=True)),
            ("thu 11:10", PlayedDay.deliver),
        ],
        [*TOLD, DONE],
    ),
    "delivered, and undone before it was told": (
        [*AT_DOOR, ("thu 11:00", PlayedDay.deliver), ("thu 11:00", PlayedDay.undo), ("thu 11:20", PlayedDay.deliver)],
        [*TOLD, DONE],
    ),
    "delivered, told, undone, delivered": (
        [*AT_DOOR, ("thu 11:00", PlayedDay.deliver), ("thu 11:05", PlayedDay.undo), ("thu 11:20", PlayedDay.deliver)],
        [*TOLD, DONE, NOT_YET, DONE],
    ),
    "delivered, told, undone and delivered again within the minute": (
        [*AT_DOOR, ("thu 11:00", PlayedDay.deliver), ("thu 11:05", PlayedDay.undo), ("thu 11:05", PlayedDay.deliver)],
        [*TOLD, DONE],
    ),
    "delivered and undone twice": (
        [
            *AT_DOOR,
            ("thu 11:00", PlayedDay.deliver),
            ("thu 11:05", PlayedDay.undo),
            ("thu 11:10", PlayedDay.deliver),
            ("thu 11:15", PlayedDay.undo),
        ],
        [*TOLD, DONE, NOT_YET, DONE, NOT_YET],
    ),
    "delivered, told, undone, and the attempt failed": (
        [*AT_DOOR, ("thu 11:00", PlayedDay.deliver), ("thu 11:05", PlayedDay.undo), ("thu 11:10", PlayedDay.fail)],
        [*TOLD, DONE, NOT_YET, FAILED],
    ),
    "attempt failed, told, undone, delivered": (
        [*AT_DOOR, ("thu 11:00", PlayedDay.fail), ("thu 11:05", PlayedDay.undo), ("thu 11:20", PlayedDay.deliver)],
        [*TOLD, FAILED, AFTER_ALL + BOOKED, DONE],
    ),
    "attempt failed twice on one day": (
        [*AT_DOOR, ("thu 11:00", PlayedDay.fail), ("thu 11:05", PlayedDay.undo), ("thu 11:20", PlayedDay.fail)],
        [*TOLD, FAILED, AFTER_ALL + BOOKED, FAILED],
    ),
    "attempt failed and moved to the next day": (
        [*AT_DOOR, ("thu 11:00", PlayedDay.fail), ("thu 12:00", lambda day: day.move("fri", "10:00-12:00"))],
        [*TOLD, FAILED, new_day("tomorrow, Friday", TEN), MORNING],
    ),
    "a new number before the eve": (
        [("wed 12:00", lambda day: day.correct(phone="+12015550122"))],
        [],
    ),
}


def test_what_each_recipient_has_in_hand_is_true_and_said_once(database: Database, clock: SetClock) -> None:
    outbox = Outbox(database, clock)
    days = {name: PlayedDay(outbox, f"+1201555{number:04d}") for number, name in enumerate(PLAYS, 1000)}

    play(outbox, [(day, PLAYS[name][0]) for name, day in days.items()], until="fri 09:30")

    for name, day in days.items():
        assert [_without_reference(text) for text in day.texts()] == PLAYS[name][1], name
        assert {row.status for row in day.rows() if row.due_at <= clock.now()} <= DONE_WITH, name


def _without_reference(text: str) -> str:
    start, bracket, rest = text.partition("(REF-")
    return f"{start}(REF){rest.partition(')')[2]}" if bracket else text


def test_a_corrected_number_gets_what_is_still_to_come_and_the_old_one_nothing_more(
    database: Database, clock: SetClock
) -> None:
    day = PlayedDay(Outbox(database, clock))

    play(day.outbox, [(day, [("wed 18:30", lambda day: day.correct(phone="+12015550122"))])], until="thu 09:00")

    assert day.texts() == [EVE]
    assert day.texts("+12015550122") == [MORNING]


def test_another_tz_database_moves_what_waits_to_its_local_hour(database: Database, clock: SetClock) -> None:
    day = PlayedDay(Outbox(database, clock))
    day.outbox.work()
    promised = {row.id: row.due_at for row in day.rows()}
    with database.writing() as session:  # as a database that thought this zone an hour farther west had it
        for row_id, due_at in promised.items():
            session.get_one(Notification, row_id).due_at = due_at + timedelta(hours=1)

    with database.writing() as session:
        assert recheck_clocks(session, clock.now()) == len(promised)
    day.outbox.work()

    assert {row.id: row.due_at for row in day.rows()} == promised
    with database.writing() as session:
        assert recheck_clocks(session, clock.now()) == 0


def test_edited_words_and_hours_hold_from_their_moment_on(database: Database, clock: SetClock) -> None:
    day = PlayedDay(Outbox(database, clock))

    def edit(day: PlayedDay) -> None:
        with database.writing() as session:
            change = Change(0, "staff", clock.now())
            part = text_part(Kind.MORNING_OF, Channel.SMS, "en")
            add_version(session, part, {"subject": "", "body": "Today ((expected)). ((link))"}, change)
            rules = KindRules(is_on=False).content(None)
            add_version(session, rules_part(Kind.DAY_BEFORE), rules, change, needs_spreading=True)

    play(day.outbox, [(day, [("wed 17:59", edit)])], until="thu 09:00")

    assert day.texts() == ["Today between 10:00 am and 12:00 pm."]
