"""Claims from a full outbox: 500 of 1,000,000 rows that are all due at the same instant, again and again.

``python -m bench.bench_claims [--rows N] [--claims N]``. SQLite, and PostgreSQL where it is installed.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from zoneinfo import ZoneInfo

from sqlalchemy import text

import migrations.env_tables  # noqa: F401 - puts every table into the metadata
from messaging.kinds import Channel
from messaging.outbox import MOST_CLAIMED, Lease, claim
from messaging.sending import OTHERS
from sandbox.instance import ended_in_order
from sandbox.postgres import Cluster, find_initdb
from tracking.storage import Base, Database

NOON = datetime(2026, 3, 4, 18, 0, tzinfo=ZoneInfo("America/New_York"))
GOALS_MS = {"sqlite": 100.0, "postgresql": 50.0}  # p99; reference/performance.md, goal 14
_COLUMNS = """id, dedupe_key, kind, channel, occasion, to_address, locale, lane, status, due_at, context, subject, body,
segments, attempt, reason, created_at"""
_DUE = "2026-03-04 23:00:00"
_SERIES = {
    "sqlite": "WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < {rows}) "
    "SELECT {row} FROM many",
    "postgresql": "SELECT {row} FROM generate_series(1, {rows}) AS many(n)",
}
_ID = {"sqlite": "printf('%016x%016x', n * 2654435761 % 4294967296, n)", "postgresql": "md5(n::text)"}


def fill(database: Database, rows: int) -> None:
    """Put ``rows`` due texts into an empty outbox, in one statement: half for the morning, half for the day before."""
    engine = database.url.get_backend_name()
    number = _ID[engine]
    due = f"'{_DUE}.000000'" if engine == "sqlite" else f"'{_DUE}+00'::timestamptz"
    words = "'{}'" if engine == "sqlite" else "'{}'::json"
    row = f"""{number}, {number}, 'day_before', 'sms', '2026-03-05', '+12015550111', 'en', 2 + n % 2, 'due', {due},
    {words}, '', '', 1, 0, '', {due}"""
    with database.engine.begin() as connection:
        series = _SERIES[engine].format(rows=rows, row=row)
        connection.execute(text(f"INSERT INTO notifications ({_COLUMNS}) {series}".replace(":", "\\:")))
    if engine == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE notifications"))


def claims_ms(database: Database, count: int) -> list[float]:
    """Claim 500 rows ``count`` times, each with its commit; return how long each took, in milliseconds."""
    now = NOON + timedelta(hours=1)
    took_ms = []
    for number in range(count):
        lease = Lease("bench", 2_000.0 + number)
        began_s = perf_counter()
        with database.writing() as session:
            taken = claim(
                session,
                channel=Channel.SMS,
                lanes=OTHERS,
                limit=MOST_CLAIMED,
                now=now,
                elapsed=1_000.0,
                lease=lease,
            )
        took_ms.append(1000 * (perf_counter() - began_s))
        assert len(taken) == MOST_CLAIMED
    return took_ms


@contextmanager
def databases() -> Iterator[list[str]]:
    """Yield the addresses of an empty database on each engine."""
    with tempfile.TemporaryDirectory(prefix="claims-") as folder:
        sqlite = f"sqlite:///{Path(folder) / 'claims.db'}"
        initdb = find_initdb()
        if initdb is None:
            yield [sqlite]
            return
        with Cluster(initdb, durable=True) as cluster:
            yield [sqlite, cluster.create("claims")]


def main() -> int:
    """Measure each engine; 0 when the goals are met."""
    parser = argparse.ArgumentParser(prog="bench.bench_claims", description="Claims from a full outbox.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--claims", type=int, default=200)
    options = parser.parse_args()
    is_met = True
    with ended_in_order(), databases() as urls:
        for url in urls:
            database = Database(url)
            Base.metadata.create_all(database.engine)
            fill(database, options.rows)
            took_ms = sorted(claims_ms(database, options.claims))
            engine = database.url.get_backend_name()
            database.close()
            p99_ms = took_ms[min(len(took_ms) - 1, int(len(took_ms) * 0.99))]
            verdict = "MET" if p99_ms <= GOALS_MS[engine] else "MISSED"
            is_met &= p99_ms <= GOALS_MS[engine]
            p50_ms = statistics.median(took_ms)
            print(
                f"{verdict}  claim {MOST_CLAIMED} of {options.rows:,} due, {engine}: p99 {p99_ms:.1f} ms",
                f"(goal {GOALS_MS[engine]:.0f} ms), p50 {p50_ms:.1f} ms, longest {took_ms[-1]:.1f} ms,",
                f"{len(took_ms)} claims",
                flush=True,
            )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
