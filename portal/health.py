"""What operators and their tools ask: alive, ready, and the figures for Prometheus."""

from typing import Any

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from redis.exceptions import RedisError
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from messaging.cases import Case, CaseStatus, Task
from messaging.notifications import Notification
from portal.live_wheel import COUNTS
from portal.message_figures import add_message_figures
from portal.revision import is_current
from portal.services import Services, services
from tracking import fix_stream
from tracking.deliveries import Delivery
from tracking.fixes import FixStatus

blueprint = Blueprint("health", __name__)

PARTS = ("sms", "mail", "rest", "cron", "consumer")
OLDEST_BEAT_S = 30.0  # a part beats every 2 s; 30 s of silence means that it hangs or is gone


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Say that this process answers. It asks nobody else."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> ResponseReturnValue:
    """Say whether the record, Redis and each part of the worker are there, with the age of each one's last beat."""
    mine = services()
    checks = {"database": _database_state(mine), "redis": "ok"}
    ages: dict[str, float | None] = {}
    try:
        ages = beat_ages(mine)
    except RedisError as error:
        checks["redis"] = type(error).__name__
    is_ready = all(state == "ok" for state in checks.values())
    late = sorted(part for part, age in ages.items() if age is None or age > OLDEST_BEAT_S)
    body = {"status": "ok" if is_ready else "not ready", "checks": checks, "beat_age_s": ages, "late_parts": late}
    return jsonify(body), 200 if is_ready else 503


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    """Give the figures of this instance in Prometheus' text format. Counts only; no name, number or id."""
    mine = services()
    registry = CollectorRegistry()
    by_status = Gauge("portal_notifications", "Notifications by status", ["channel", "status"], registry=registry)
    deliveries = Gauge("portal_deliveries", "Deliveries by status", ["status"], registry=registry)
    waiting = Gauge("portal_staff_waiting", "What waits for a person", ["kind"], registry=registry)
    beats = Gauge("portal_part_beat_age_seconds", "Age of the last beat of each part", ["part"], registry=registry)
    with mine.database.reading() as session:
        counted = select(Notification.channel, Notification.status, func.count())
        for channel, status, count in session.execute(counted.group_by(Notification.channel, Notification.status)):
            by_status.labels(channel, status).set(count)
        for state, count in session.execute(select(Delivery.status, func.count()).group_by(Delivery.status)):
            deliveries.labels(state).set(count)
        cases = select(func.count()).select_from(Case).where(Case.status == CaseStatus.OPEN)
        waiting.labels("cases").set(session.scalar(cases) or 0)
        tasks = select(func.count()).select_from(Task).where(Task.resolved_at.is_(None))
        waiting.labels("tasks").set(session.scalar(tasks) or 0)
        add_message_figures(registry, session)
    guesses = Gauge("portal_bad_links", "Links that are none, asked for in this minute", registry=registry)
    guesses.set(mine.bad_links.of_everybody(mine.clock.elapsed()))
    watching = Gauge("portal_live_viewers", "Open streams of all live processes", registry=registry)
    watching.set(viewers_watching(mine))
    positions = Gauge("portal_positions", "Positions by what was answered", ["status"], registry=registry)
    answered: Any = mine.redis.hgetall(fix_stream.COUNTS)
    for outcome in FixStatus:
        positions.labels(outcome).set(int(answered.get(outcome.encode(), 0)))
    for part, age in beat_ages(mine).items():
        beats.labels(part).set(-1.0 if age is None else age)
    return Response(generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")


def beat_ages(mine: Services) -> dict[str, float | None]:
    """Return the seconds since each part of the worker last beat, None for never. Raises ``RedisError``."""
    beats = mine.redis.mget([f"portal:beat:{part}" for part in PARTS])
    now = mine.clock.elapsed()
    return {
        part: None if beat is None else round(now - float(beat), 1) for part, beat in zip(PARTS, beats, strict=True)
    }


def viewers_watching(mine: Services) -> int:
    """Return how many streams the live processes that told so lately hold. Raises ``RedisError``."""
    now, count = mine.clock.elapsed(), 0
    by_process: Any = mine.redis.hgetall(COUNTS)
    for told in by_process.values():
        viewers, _, told_s = told.decode().partition(" ")
        count += int(viewers) if now - float(told_s) <= OLDEST_BEAT_S else 0
    return count


def _database_state(mine: Services) -> str:
    try:
        with mine.database.reading() as session:
            session.execute(text("SELECT 1"))
        return "ok" if is_current(mine.database) else "another revision: run portal init"
    except SQLAlchemyError as error:
        return type(error).__name__
