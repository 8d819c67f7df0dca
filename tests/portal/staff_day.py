"""A delivery day at noon, for the tests and pictures of staff pages: six routes, in every state that can be."""

import csv
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from messaging.cases import Case, CaseStatus, TaskKind, open_task
from messaging.conversations import ChatMessage, Conversation, Origin, Voice
from messaging.kinds import RULES, Channel, Kind
from messaging.notifications import Notification, NotificationStatus
from messaging.ratings import Rating
from messaging.search_index import about_words, line_words
from tracking import custody, imports
from tracking.actors import SYSTEM, Actor, ActorKind
from tracking.custody import CustodyKind
from tracking.deliveries import Delivery, DeliveryStatus, EstimateMade, PromiseChange
from tracking.import_rows import COLUMNS, ImportDefaults
from tracking.routes import Route, RouteState, RouteStatus
from tracking.stops import Stop

ZONE = "America/New_York"
DEPOT = (40.7100, -74.3500)
ROUTES = (
    ("Chatham 1", "Dana Ruiz", "Van 4"),
    ("Madison", "Theo Marsh", "Van 7"),
    ("Summit", "Ifeoma Bello", "Van 9"),
    ("New Providence", "Rafael Ortiz", "Van 12"),
    ("Millburn", "Kirsten Dahl", "Van 3"),
    ("Livingston pm", "Sami Nasser", "Van 8"),
)
FIRST = (
    "Anna Luis Priya Tom Carmen Grace Samuel Mei Diego Hannah Marcus Rosa Oliver Fatima Jorge Ellen Kenji Nadia Noor"
)
LAST = (
    "Becker Ortega Raman Whitaker Rojas Okafor Green Zhou Núñez Fisher Bell Delgado Grant Haddad Peña O'Shea Mori Cole"
)
STREETS = "Orchard Lane|Fairmount Avenue|Kings Road|Loantaka Way|River Road|Hillside Avenue|Watchung Avenue|Elm Street"
ITEMS = "2 chairs, oak|Bookcase, 3 boxes|Washing machine|Parcel|Desk and lamp|Mattress 160|Cot and bedding|Garden table"
STOPS = 9


@dataclass(frozen=True, slots=True)
class StaffDay:
    """Ids that tests and pictures ask for."""

    on: date
    chatty: str  # on its way, recipient waits for an answer
    late: str
    delivered: str
    not_loaded: str
    case: str
    route: str
    planned_route: str


def route_file(on: date, seed: int = 11) -> bytes:
    """Return the day's route file."""
    rng = random.Random(seed)
    first, last = FIRST.split(), LAST.split()
    rows, number = [], 0
    for index, (name, driver, vehicle) in enumerate(ROUTES):
        start = time(14, 0) if index == 5 else time(9, 0)
        lat, lon = DEPOT[0] + 0.02 * (index % 3) - 0.02, DEPOT[1] + 0.03 * (index // 3) - 0.015
        for sequence in range(1, STOPS + 1):
            number += 1
            lat, lon = lat + rng.uniform(-0.003, 0.006), lon + rng.uniform(-0.005, 0.007)
            opens = datetime.combine(on, start) + timedelta(minutes=10 + 30 * (sequence - 1))
            person = f"{first[number % len(first)]} {last[(number * 7) % len(last)]}"
            rows.append(
                (
                    *(on, name, "Alder Falls depot", *DEPOT, f"{start:%H:%M}", driver, f"+1908555010{index}", vehicle),
                    *(sequence, f"JS-{4200 + number}", person, f"+1201555{number + 100:04d}"),
                    "" if number % 6 == 0 else f"{person.split()[0].lower()}{number}@example.net",
                    f"{rng.randint(2, 180)} {rng.choice(STREETS.split('|'))}",
                    *(round(lat, 6), round(lon, 6)),
                    *(f"{opens:%H}:{opens.minute // 30 * 30:02d}", f"{opens + timedelta(hours=1):%H}:30"),
                    *(ZONE, "en", 5, rng.choice(ITEMS.split("|"))),
                    "Gate code 4412, leave it in the porch" if number % 9 == 4 else "",
                )
            )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()


def build_day(session: Session, *, now: datetime, ids: Callable[[], str]) -> StaffDay:
    """Import the day of ``now`` and bring it to where it would be at ``now``."""
    on = now.astimezone(ZoneInfo(ZONE)).date()
    parsed = imports.parse_csv(route_file(on), ImportDefaults("US", ZONE, "en"))
    assert parsed.is_good, parsed.problems
    imports.apply(session, parsed.rows, now=now - timedelta(hours=20), actor=SYSTEM, ids=ids)
    session.flush()
    return _Day(session, on, now, ids).build()


class _Day:
    def __init__(self, session: Session, on: date, now: datetime, ids: Callable[[], str]) -> None:
        self.session, self.on, self.now, self.ids = session, on, now, ids
        self.rng = random.Random(3)

    def build(self) -> StaffDay:
        routes = {route.name: route for route in self.session.scalars(select(Route))}
        by_route = {name: self._deliveries(route.id) for name, route in routes.items()}
        progress = {"Chatham 1": 5, "Madison": 6, "Summit": 4, "New Providence": 9, "Millburn": 5}
        delay = {"Chatham 1": 6, "Madison": 24, "Summit": 75, "New Providence": 2, "Millburn": 12}
        for name, done in progress.items():
            self._drive(routes[name], by_route[name], done, timedelta(minutes=delay[name]))
        every = [delivery for name in routes for delivery in by_route[name]]
        for delivery in every:
            self._notices(delivery)
        chatty, late, delivered = by_route["Chatham 1"][6], by_route["Summit"][4], by_route["Chatham 1"][1]
        missing = by_route["Livingston pm"][2]
        missing.not_loaded_reason = "Not at the dock when we loaded"
        case = self._rate(by_route)
        self._talk(chatty, late, by_route["Madison"][7], delivered)
        self._tasks(by_route["Millburn"][6], by_route["Madison"][8], missing)
        self._history(every)
        self.session.flush()
        return StaffDay(
            on=self.on,
            chatty=chatty.id,
            late=late.id,
            delivered=delivered.id,
            not_loaded=missing.id,
            case=case,
            route=routes["Summit"].id,
            planned_route=routes["Livingston pm"].id,
        )

    def _deliveries(self, route_id: str) -> list[Delivery]:
        statement = select(Delivery).join(Delivery.stop).where(Stop.route_id == route_id).order_by(Stop.sequence)
        return list(self.session.scalars(statement))

    def _drive(self, route: Route, deliveries: list[Delivery], done: int, delay: timedelta) -> None:
        started_at = route.planned_start_at + min(delay, timedelta(minutes=25))
        route.status, route.started_at = RouteStatus.STARTED, started_at
        at = started_at
        for index, delivery in enumerate(deliveries):
            stop = self.session.get_one(Stop, delivery.stop_id)
            planned_at = delivery.window_start_at + timedelta(minutes=25)
            expected = planned_at + delay
            self._event(delivery, CustodyKind.LOADED, started_at - timedelta(minutes=30), route)
            self._event(delivery, CustodyKind.DEPARTED, started_at, route)
            if index < done:
                at = min(expected, self.now - timedelta(minutes=8 * (done - index)))
                self._serve(delivery, stop, at, route, fails=index == 3 and route.name == "Millburn")
            else:
                self._expect(delivery, stop, expected, index - done, delay)
            stop.planned_arrival_at = planned_at
        if done == len(deliveries):
            route.status, route.finished_at = RouteStatus.FINISHED, at + timedelta(minutes=15)
        last = self.session.get_one(Stop, deliveries[done - 1].stop_id)
        state = self.session.get(RouteState, route.id) or RouteState(route_id=route.id, engine={}, plan_version=1)
        age = timedelta(minutes=11) if route.name == "Millburn" else timedelta(seconds=20)
        state.last_lat, state.last_lon, state.last_heading_deg = last.lat + 0.002, last.lon + 0.003, 70.0
        state.last_fix_at = state.last_received_at = self.now - age
        self.session.add(state)

    def _serve(self, delivery: Delivery, stop: Stop, at: datetime, route: Route, *, fails: bool) -> None:
        stop.arrived_at, stop.departed_at, stop.arrived_source = at, at + timedelta(minutes=5), "tap"
        delivery.arrived_at = delivery.status_at = at
        self._event(delivery, CustodyKind.ARRIVED, at, route)
        if fails:
            delivery.status, delivery.failure_reason = DeliveryStatus.ATTEMPT_FAILED, "nobody_home"
            self._event(delivery, CustodyKind.FAILED, at + timedelta(minutes=4), route)
        else:
            delivery.status, delivery.delivered_at = DeliveryStatus.DELIVERED, at + timedelta(minutes=4)
            self._event(delivery, CustodyKind.DELIVERED, at + timedelta(minutes=4), route)
        for ahead in (75, 40, 22, 9):
            eta_at = at + timedelta(minutes=self.rng.gauss(0, 1 + ahead / 12))
            self.session.add(
                EstimateMade(
                    stop_id=stop.id,
                    made_at=at - timedelta(minutes=ahead),
                    eta_at=eta_at,
                    lo_at=eta_at - timedelta(minutes=1 + ahead / 9),
                    hi_at=eta_at + timedelta(minutes=1 + ahead / 7),
                    model="test",
                )
            )

    def _expect(self, delivery: Delivery, stop: Stop, at: datetime, before: int, delay: timedelta) -> None:
        at = max(at, self.now + timedelta(minutes=4 + 14 * before))
        delivery.status, delivery.status_at = DeliveryStatus.OUT_FOR_DELIVERY, self.now - timedelta(hours=2)
        stop.eta_at, stop.eta_lo_at = at, at - timedelta(minutes=4 + before * 2)
        stop.eta_hi_at, stop.stops_before = at + timedelta(minutes=6 + before * 3), before
        stop.eta_cause = "long_stop" if delay > timedelta(hours=1) else "traffic" if delay.seconds > 900 else None
        stop.eta_made_at, stop.eta_basis = self.now, "live"
        delivery.promise_lo_at, delivery.promise_hi_at = stop.eta_lo_at, stop.eta_hi_at
        delivery.promise_point_at, delivery.promise_made_at = at, self.now - timedelta(minutes=20)
        delivery.promise_cause = stop.eta_cause
        if delay > timedelta(hours=1):
            lo_at, hi_at = delivery.window_start_at, delivery.window_end_at
            self.session.add(
                PromiseChange(
                    delivery_id=delivery.id,
                    at=self.now - timedelta(minutes=20),
                    cause="long_stop",
                    from_lo_at=lo_at,
                    from_hi_at=hi_at,
                    lo_at=stop.eta_lo_at,
                    hi_at=stop.eta_hi_at,
                )
            )

    def _event(self, delivery: Delivery, kind: CustodyKind, at: datetime, route: Route) -> None:
        stop = self.session.get_one(Stop, delivery.stop_id)
        custody.record(
            self.session,
            event_id=self.ids(),
            delivery_id=delivery.id,
            kind=kind,
            at=at,
            now=at,
            actor=Actor(ActorKind.DRIVER, route.driver_id),
            source="tap",
            where=(stop.lat, stop.lon),
        )

    def _notices(self, delivery: Delivery) -> None:
        kinds = [(Kind.DAY_BEFORE, self.now - timedelta(hours=18)), (Kind.MORNING_OF, self.now - timedelta(hours=4))]
        if delivery.delivered_at:
            kinds.append((Kind.DELIVERED, delivery.delivered_at + timedelta(minutes=1)))
        for kind, at in kinds:
            for channel, to in ((Channel.SMS, delivery.phone), (Channel.EMAIL, delivery.email)):
                if to is None or (channel is Channel.EMAIL and kind is not Kind.DAY_BEFORE):
                    continue
                lost = self.rng.random() < 0.03
                self._notice(delivery, kind, channel, to, at, lost=lost)

    def _notice(
        self, delivery: Delivery, kind: Kind, channel: Channel, to: str, at: datetime, *, lost: bool = False
    ) -> None:
        status = NotificationStatus.UNDELIVERED if lost else NotificationStatus.DELIVERED
        row = {
            "id": self.ids(),
            "dedupe_key": f"{delivery.id}/{kind}/{channel}/test",
            "kind": kind,
            "channel": channel,
            "occasion": "test",
            "delivery_id": delivery.id,
            "to_address": to,
            "locale": "en",
            "lane": int(RULES[kind].lane),
            "status": status,
            "due_at": at,
            "context": {},
            "created_at": at,
            "accepted_at": at + timedelta(seconds=2),
            "final_at": at + timedelta(seconds=6),
            "error_code": "30006" if lost else None,
            "reason": "Landline or unreachable carrier" if lost else "",
            "body": "Juniper & Sons: your delivery comes today between 10:00 and 11:30.",
        }
        self.session.execute(insert(Notification).values(**row))

    def _rate(self, by_route: dict[str, list[Delivery]]) -> str:
        scores = {"Chatham 1": (5, 4, 5), "Madison": (5, 3, 5, 4), "Summit": (2, 4), "New Providence": (5, 5, 5, 1, 5)}
        case_id = ""
        for name, given in scores.items():
            for delivery, score in zip(by_route[name], given, strict=False):
                comment = {2: "Two hours late and nobody told me why.", 1: "left in the rain"}.get(score, "")
                at = (delivery.delivered_at or self.now) + timedelta(minutes=12)
                self.session.add(
                    Rating(delivery_id=delivery.id, score=score, comment=comment, source="sms", first_at=at, at=at)
                )
                if score <= 2:
                    case_id = self._case(delivery, score, comment, at)
        return case_id

    def _case(self, delivery: Delivery, score: int, comment: str, at: datetime) -> str:
        case_id = self.ids()
        self.session.add(
            Case(
                id=case_id,
                delivery_id=delivery.id,
                status=CaseStatus.OPEN,
                score=score,
                comment=comment,
                facts={},
                owner_id=None,
                opened_at=at,
                deadline_at=at + timedelta(hours=24 if score == 2 else 1),
                closed_at=None,
            )
        )
        return case_id

    def _talk(self, chatty: Delivery, late: Delivery, other: Delivery, delivered: Delivery) -> None:
        minutes = timedelta(minutes=1)
        self._thread(
            chatty,
            [
                (Voice.SYSTEM, "Dana is on the way to you.", 95),
                (Voice.RECIPIENT, "Hi! Could you ring the side door? The bell at the front is broken.", 31),
                (Voice.DRIVER, "Sure, side door.", 28),
                (Voice.RECIPIENT, "Thanks. How long will it be, roughly? I have to collect my son at one.", 6),
            ],
            waiting=6 * minutes,
        )
        self._thread(
            late,
            [
                (Voice.RECIPIENT, "You said before 11:30. Where is it?", 22),
                (Voice.SUPPORT, "The stop before yours is taking long. We expect the van at 12:10.", 17),
                (Voice.RECIPIENT, "I took a day off for this. Please have the driver call <b>before</b> he comes.", 14),
            ],
            waiting=14 * minutes,
        )
        self._thread(other, [(Voice.RECIPIENT, "هل يمكن ترك الطرد عند الجار؟ شكرا", 3)], waiting=3 * minutes)
        self._thread(
            delivered, [(Voice.RECIPIENT, "Got it, thank you!", 70), (Voice.DRIVER, "My pleasure.", 69)], waiting=None
        )

    def _thread(self, delivery: Delivery, lines: list[tuple[Voice, str, int]], *, waiting: timedelta | None) -> None:
        last_at = self.now - timedelta(minutes=lines[-1][2])
        self.session.add(
            Conversation(
                id=delivery.id,
                delivery_id=delivery.id,
                version=len(lines) + 1,
                created_at=self.now - timedelta(hours=3),
                last_message_at=last_at,
                waiting_since=None if waiting is None else self.now - waiting,
                search_about=about_words(delivery),
            )
        )
        self.session.flush()
        for voice, body, minutes in lines:
            self.session.add(
                ChatMessage(
                    conversation_id=delivery.id,
                    voice=voice,
                    origin=Origin.SYSTEM if voice is Voice.SYSTEM else Origin.PAGE,
                    body=body,
                    at=self.now - timedelta(minutes=minutes),
                    search_words=line_words(voice, body, about_words(delivery)),
                )
            )

    def _tasks(self, unreachable: Delivery, unsure: Delivery, missing: Delivery) -> None:
        found = (
            (TaskKind.COULD_NOT_REACH, unreachable, "Text and email both failed: the number is a landline.", 95),
            (TaskKind.MAYBE_CANCEL, unsure, "They wrote: “we may not need this any more”.", 40),
            (TaskKind.NOT_LOADED, missing, "Not at the dock when we loaded.", 25),
        )
        for kind, delivery, reason, minutes in found:
            open_task(
                self.session,
                kind=kind,
                key=f"{kind}/{delivery.id}",
                reason=reason,
                now=self.now - timedelta(minutes=minutes),
                ids=self.ids,
                delivery_id=delivery.id,
                tried="Text 8:00, undelivered (30006). Email 8:02, bounced." if kind == "could_not_reach" else "",
            )

    def _history(self, every: list[Delivery]) -> None:
        """Give the six days before some figures to draw: copies of today's delivered, on those days."""
        copied = [delivery for delivery in every if delivery.delivered_at][:20]
        columns = [c.key for c in Delivery.__table__.columns]
        self.session.flush()
        for back in range(1, 7):
            shift = timedelta(days=back)
            for index, delivery in enumerate(copied):
                row = {key: getattr(delivery, key) for key in columns}
                arrived_at = delivery.window_end_at - timedelta(minutes=20)
                if index < back % 4:
                    arrived_at = delivery.window_end_at + timedelta(minutes=15)
                row |= {"id": self.ids(), "service_on": self.on - shift, "import_on": self.on - shift}
                row |= {"arrived_at": arrived_at - shift, "delivered_at": arrived_at - shift}
                for key in ("window_start_at", "window_end_at", "status_at"):
                    row[key] = row[key] - shift
                row["stop_id"] = self._past_stop(back)
                self.session.execute(insert(Delivery).values(**row))
                score = 5 if index % 5 else 3
                at = row["delivered_at"]
                self.session.execute(
                    insert(Rating).values(
                        delivery_id=row["id"], score=score, comment="", source="sms", first_at=at, at=at
                    )
                )

    def _past_stop(self, back: int) -> str:
        on = self.on - timedelta(days=back)
        route = self.session.scalar(select(Route).where(Route.service_on == on))
        if route is None:
            some = self.session.scalars(select(Route).where(Route.service_on == self.on)).first()
            assert some is not None
            route = Route(
                id=self.ids(),
                service_on=on,
                name="Past",
                depot_id=some.depot_id,
                driver_id=some.driver_id,
                zone=ZONE,
                planned_start_at=some.planned_start_at - timedelta(days=back),
                status=RouteStatus.FINISHED,
            )
            self.session.add(route)
            self.session.flush()
            stop = Stop(id=self.ids(), route_id=route.id, sequence=1, address="1 Past Road", lat=40.7, lon=-74.3)
            self.session.add(stop)
            self.session.flush()
        found = self.session.scalar(select(Stop.id).where(Stop.route_id == route.id))
        assert found is not None
        return found
