"""The figures of the ways out for Prometheus: counts only, no number, name or id."""

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.orm import Session

from messaging.alarms import PROVIDER_OF
from messaging.breakers import states
from messaging.doubts import count_doubts
from messaging.provider_days import last_days
from messaging.redactions import count_open


def add_message_figures(registry: CollectorRegistry, session: Session) -> None:
    """Add what is known of doubts, of providers, of the last day compared with them, and of what must go there."""
    doubts = Gauge(
        "portal_doubts", "Messages in doubt so far, by how it ended", ["channel", "began", "ended"], registry=registry
    )
    for (channel, began, ended), count in count_doubts(session).items():
        doubts.labels(channel, began, "open" if ended is None else ended).set(count)
    _add_providers(registry, session)
    day = Gauge("portal_provider_day", "The last day compared with the provider", ["what"], registry=registry)
    for last in last_days(session, limit=1):
        for what in ("listed", "adopted", "strangers", "missing"):
            day.labels(what).set(getattr(last, what))
        day.labels("compared_at_seconds").set(last.ran_at.timestamp())
    waiting = Gauge("portal_redactions_open", "Messages still to be removed at a provider", registry=registry)
    waiting.set(count_open(session))


def _add_providers(registry: CollectorRegistry, session: Session) -> None:
    resting = Gauge("portal_provider_resting", "1 while a provider rests", ["provider"], registry=registry)
    times = Gauge("portal_provider_rests", "How often a provider was put to rest", ["provider"], registry=registry)
    slow = Gauge("portal_provider_slow_share", "Share of late texts, last 15 minutes", ["provider"], registry=registry)
    alarm = Gauge("portal_provider_slow", "1 while that share is an alarm", ["provider"], registry=registry)
    known = states(session)
    for provider in PROVIDER_OF.values():
        state = known.get(provider)
        resting.labels(provider).set(state is not None and state.is_open)
        times.labels(provider).set(0 if state is None else state.opened_times)
        slow.labels(provider).set(0.0 if state is None else state.slow_share or 0.0)
        alarm.labels(provider).set(state is not None and state.slow_since_at is not None)
