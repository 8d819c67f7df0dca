"""How quick the inbox is when it is full: ``python -m bench.bench_inbox`` (``make bench-inbox``).

Fills a database of its own with conversations of about ten lines each, then asks for each queue, the counts and
searches as the pages do, and prints p50 and p95 in milliseconds. SQLite, or ``--database postgres`` where there is one.
``cpu`` is this process's processor time: on SQLite all of the cost, and hardly moved by what else the machine does.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from messaging.cases import Case, CaseStatus
from messaging.chat_lines import ChatMessage, Conversation, Origin, Voice
from messaging.inbox import QUEUES, inbox, inbox_counts
from messaging.search_index import line_words
from messaging.search_words import words_of
from portal.migrating import migrate
from sandbox.postgres import Cluster, find_initdb
from tracking.deliveries import Delivery, DeliveryStatus
from tracking.depots import Depot
from tracking.drivers import Driver
from tracking.ids import new_id
from tracking.routes import Route, RouteStatus
from tracking.stops import Stop
from tracking.storage import Database

NOW = datetime(2026, 3, 5, 17, 0, tzinfo=UTC)
STAFF = [f"staff{number:02d}" for number in range(12)]
FIRST = "Anna Luis Priya Tom Carmen Grace Samuel Mei Diego Hannah Marcus Rosa Oliver Fátima Jorge Ellen Kenji Noor"
LAST = "Becker Ortega Raman Whitaker Rojas Okafor Green Zhou Núñez Fisher Bell Delgado Grant Haddad Peña O'Shea Cole"
SAID = """
the a to of at and please could you ring side door bell gate code broken leave with neighbour porch garage when will it
be here driver late early thanks great home work hour minutes back ten call before afternoon morning stairs elevator
dog yard green blue house number flat sofa chair box parcel heavy careful glass rain wet damaged missing
"""
SEARCHES = (
    *(
        "gate code",
        "the",
        "side door",
        "damaged glass",
        "núñez",
        "fatima",
        "nei",
        "t",
        "JS-4217",
        "zebra",
        "anna porch",
    ),
    *("+12015550123", "(201) 555-0123", "call before afternoon", '"gate" OR (', "JS", "o'shea", "4412", "anna porch"),
)
LINES_AT_ONCE = 5_000


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=40, help="how often each is asked")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    options = parser.parse_args()
    with _database(options.database) as database:
        migrate(database)
        started = time.perf_counter()
        lines = fill(database, options.conversations)
        filled_s = time.perf_counter() - started
        held = f"{options.conversations:,} conversations, {lines:,} lines"
        print(f"{held} on {options.database}, filled in {filled_s:.0f} s")
        print(f"{'':34}{'p50 ms':>9}{'p95 ms':>9}{'p95 cpu':>9}")
        found = [_measured(database, name, ask, options.rounds) for name, ask in _questions()]
        worst, worst_cpu = (max(values) for values in zip(*found, strict=True))
        print(f"{'the slowest p95':34}{'':9}{worst:9.1f}{worst_cpu:9.1f}")


def fill(database: Database, conversations: int, seed: int = 5) -> int:
    """Fill the record and return how many lines there are. One in ten waits, one in twenty-five has a case."""
    rng = random.Random(seed)
    count = 0
    with database.writing() as session:
        stop_id = _places(session)
        deliveries, talks, lines, cases = [], [], [], []
        for number in range(conversations):
            delivery, talk = _talk(rng, number, stop_id)
            deliveries.append(delivery)
            talks.append(talk)
            lines += _lines(rng, delivery, talk)
            if number % 25 == 0:
                cases.append(_case(delivery, number))
            if len(lines) >= LINES_AT_ONCE or number == conversations - 1:
                _add(session, (Delivery, deliveries), (Conversation, talks), (ChatMessage, lines), (Case, cases))
                count += len(lines)
                deliveries, talks, lines, cases = [], [], [], []
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    return count


def _add(session: Session, *tables: tuple[Any, list[dict[str, Any]]]) -> None:
    for table, rows in tables:
        if rows:
            session.execute(insert(table), rows)


def _places(session: Session) -> str:
    depot, driver, route, stop = (new_id() for _ in range(4))
    zone = "America/New_York"
    session.execute(insert(Depot).values(id=depot, name="North", lat=40.7, lon=-74.3, zone=zone))
    session.execute(insert(Driver).values(id=driver, name="Dana Ruiz", phone="+12015550199", locale="en"))
    session.execute(
        insert(Route).values(
            id=route, service_on=date(2026, 3, 5), name="R1", depot_id=depot, driver_id=driver, vehicle="", zone=zone,
            planned_start_at=NOW, status=RouteStatus.STARTED, started_at=NOW,
        )
    )  # fmt: skip
    session.execute(
        insert(Stop).values(id=stop, route_id=route, sequence=1, address="1 Elm", lat=40.7, lon=-74.3, service_s=60.0)
    )
    return stop


def _talk(rng: random.Random, number: int, stop_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a delivery and its conversation: most are over, as in a real inbox."""
    is_over = number % 10 >= 3
    at = NOW - timedelta(minutes=rng.randint(1, 60 * 24 * (60 if is_over else 1)))
    name = f"{rng.choice(FIRST.split())} {rng.choice(LAST.split())}"
    delivery_id, reference = new_id(), f"JS-{number}"
    delivery = {
        "id": delivery_id, "stop_id": stop_id, "reference": reference, "import_on": date(2026, 3, 5),
        "import_route": "R1", "imported": {"recipient": name, "address": "x" * 300},
        "status": DeliveryStatus.DELIVERED if is_over else DeliveryStatus.OUT_FOR_DELIVERY, "status_at": at,
        "recipient_name": name, "phone": f"+1201555{number:04d}", "email": None, "locale": "en",
        "zone": "America/New_York", "service_on": date(2026, 3, 5), "window_start_at": at,
        "window_end_at": at + timedelta(hours=2), "created_at": at - timedelta(days=2),
    }  # fmt: skip
    talk = {
        "id": delivery_id, "delivery_id": delivery_id, "version": 11, "created_at": at, "last_message_at": at,
        "waiting_since": at if number % 10 == 0 else None,
        "support_joined_at": at if number % 3 == 0 else None,
        "assigned_to": rng.choice(STAFF) if number % 3 == 0 else None,
        "search_about": " ".join(words_of(f"{name} {reference}")),
    }  # fmt: skip
    return delivery, talk


def _lines(rng: random.Random, delivery: dict[str, Any], talk: dict[str, Any]) -> Iterator[dict[str, Any]]:
    voices = (Voice.RECIPIENT, Voice.DRIVER, Voice.RECIPIENT, Voice.SUPPORT)
    for index in range(rng.randint(6, 14)):
        voice = voices[index % 4]
        body = " ".join(rng.choices(SAID.split(), k=rng.randint(4, 25)))
        if rng.random() < 0.02:
            body += " 4412"
        yield {
            "conversation_id": delivery["id"], "voice": voice, "origin": Origin.PAGE, "actor_id": "", "body": body,
            "is_internal": False, "at": talk["last_message_at"],
            "seen_by_staff_at": None if talk["waiting_since"] else NOW,
            "search_words": line_words(voice, body, talk["search_about"]),
        }  # fmt: skip


def _case(delivery: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "id": new_id(), "delivery_id": delivery["id"], "status": CaseStatus.OPEN if number % 4 else CaseStatus.CLOSED,
        "score": 2, "comment": "late", "facts": {}, "opened_at": NOW, "deadline_at": NOW, "resolution": "",
    }  # fmt: skip


def _questions() -> Iterator[tuple[str, Callable[[Session], object]]]:
    for queue in QUEUES:
        yield f"queue {queue}", lambda session, queue=queue: inbox(session, queue=queue, staff_id=STAFF[0], now=NOW)
    yield "counts of all queues", lambda session: inbox_counts(session, staff_id=STAFF[0], now=NOW)
    for query in SEARCHES:
        yield (
            f"search {query}",
            lambda session, query=query: inbox(session, queue="all", staff_id=None, query=query, now=NOW),
        )


def _measured(database: Database, name: str, ask: Callable[[Session], object], rounds: int) -> tuple[float, float]:
    """Print p50 and p95 of one question, each in a transaction of its own; return p95 of time and of processor time."""
    took, used = [], []
    with database.reading() as session:
        ask(session)  # the first time a statement is compiled
    for _ in range(rounds):
        started, cpu = time.perf_counter(), time.process_time()
        with database.reading() as session:
            ask(session)
        took.append((time.perf_counter() - started) * 1000)
        used.append((time.process_time() - cpu) * 1000)
    p50, p95, p95_cpu = _share(took, 0.5), _share(took, 0.95), _share(used, 0.95)
    print(f"{name:34}{p50:9.1f}{p95:9.1f}{p95_cpu:9.1f}", flush=True)
    return p95, p95_cpu


def _share(values: list[float], share: float) -> float:
    """Return the value that ``share`` of them do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


@contextmanager
def _database(kind: str) -> Iterator[Database]:
    initdb = find_initdb() if kind == "postgres" else None
    if kind == "postgres" and initdb is None:
        raise SystemExit("initdb was not found.")
    if initdb is not None:
        with Cluster(initdb) as cluster:
            database = Database(cluster.create("inbox"))
            yield database
            database.close()
        return
    with tempfile.TemporaryDirectory(prefix="portal-inbox-") as folder:
        database = Database(f"sqlite:///{Path(folder) / 'inbox.db'}")
        yield database
        database.close()


if __name__ == "__main__":
    main()
